"""When a change began, and how long it takes until it is acted on."""

import numpy as np
import pytest

from mlops_assets.monitoring.verdict.persistence import Seen, expected_delay, onset


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


@pytest.mark.parametrize(
    ("seen", "k", "n", "windows", "why"),
    [
        (1.0, 1, 1, 1.0, "seen at once and acted on at once"),
        (1.0, 2, 3, 2.0, "two windows are needed"),
        (0.5, 1, 3, 2.0, "one of a geometric series"),
        (0.5, 2, 2, 6.0, "two in a row of a fair coin"),
        (0.25, 1, 1, 4.0, "the mean of a geometric distribution"),
        (0.0, 2, 3, None, "never seen"),
    ],
)
def test_delays_that_are_known(seen, k, n, windows, why):
    found = expected_delay(seen, k, n)
    assert found == (windows if windows is None else pytest.approx(windows)), why


@pytest.mark.parametrize(("seen", "k", "n"), [(0.3, 2, 3), (0.6, 3, 5)])
def test_it_is_what_counting_gives(seen, k, n):
    generator = np.random.default_rng(1)
    delays = []
    for _ in range(4000):
        shown: list[bool] = []
        while sum(shown[-n:]) < k:
            shown.append(bool(generator.random() < seen))
        delays.append(len(shown))
    assert expected_delay(seen, k, n) == pytest.approx(np.mean(delays), rel=0.05)


def test_asking_for_more_windows_takes_longer():
    assert expected_delay(0.7, 1, 3) < expected_delay(0.7, 2, 3) < expected_delay(0.7, 3, 3)
    assert expected_delay(0.7, 2, 40) <= expected_delay(0.7, 2, 3)
