import numpy as np
import pytest

from mlops_assets.monitoring.thresholds.persistence_delay import expected_delay


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
