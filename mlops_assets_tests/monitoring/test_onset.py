"""When a change began, from the verdicts."""

import pytest

from mlops_assets.monitoring.onset import Seen, onset


def run(*windows: tuple[str, str, str]) -> list[Seen]:
    return [Seen(window, version, frozenset(kinds.split())) for window, version, kinds in windows]


@pytest.mark.parametrize(
    ("windows", "began", "why"),
    [
        ([("04", "1", ""), ("05", "1", "relation_change"), ("06", "1", "relation_change")], "05", "two in a row"),
        ([("06", "1", "base_rate_shift")], "06", "the first window of all"),
        ([("05", "1", "base_rate_shift"), ("06", "1", "population_shift relation_change")], "05", "either kind counts"),
        (
            [("04", "1", "relation_change"), ("05", "1", ""), ("06", "1", "relation_change")],
            "06",
            "a calm window ends it",
        ),
        ([("05", "1", "relation_change"), ("06", "2", "relation_change")], "06", "another version, another reference"),
        ([("05", "1", "relation_change"), ("06", "1", "population_shift")], None, "other people, the same answer"),
        ([("06", "1", "relation_change"), ("07", "1", "relation_change")], "06", "what came later is not looked at"),
        ([], None, "no verdict"),
    ],
)
def test_the_first_window_of_the_run(windows, began, why):
    assert onset(run(*windows), "06") == began, why
    assert onset(run(*reversed(windows)), "06") == began, "in any order"
