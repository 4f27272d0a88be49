"""When a change began, from the verdicts."""

import pytest

from mlops_assets.monitoring.verdict.onset import Seen, onset


def run(*windows: tuple[str, str, str]) -> list[Seen]:
    return [Seen(window, version, frozenset(kinds.split())) for window, version, kinds in windows]


@pytest.mark.parametrize(
    ("windows", "began", "why"),
    [
        ([("04", "1", ""), ("05", "1", "concept_drift"), ("06", "1", "concept_drift")], "05", "two in a row"),
        ([("06", "1", "label_shift")], "06", "the first window of all"),
        ([("05", "1", "label_shift"), ("06", "1", "covariate_shift concept_drift")], "05", "either kind counts"),
        (
            [("04", "1", "concept_drift"), ("05", "1", ""), ("06", "1", "concept_drift")],
            "06",
            "a calm window ends it",
        ),
        ([("05", "1", "concept_drift"), ("06", "2", "concept_drift")], "06", "another version, another reference"),
        ([("05", "1", "concept_drift"), ("06", "1", "covariate_shift")], None, "other people, the same answer"),
        ([("06", "1", "concept_drift"), ("07", "1", "concept_drift")], "06", "what came later is not looked at"),
        ([], None, "no verdict"),
    ],
)
def test_the_first_window_of_the_run(windows, began, why):
    assert onset(run(*windows), "06") == began, why
    assert onset(run(*reversed(windows)), "06") == began, "in any order"
