import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.monitoring.streams import RULES


def rows(seed: int, *, means: tuple[float, float], warm: float = 0.0) -> pl.DataFrame:
    """Two numbers of one spread and other means, each of which goes with a third of its own."""
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(4000, 2))
    noise = generator.normal(size=(4000, 4))
    return pl.DataFrame(
        {
            "left": means[0] + hidden[:, 0] + noise[:, 0],
            "right": means[1] + hidden[:, 1] + noise[:, 1],
            "with_left": warm + hidden[:, 0] + noise[:, 2],
            "with_right": warm + hidden[:, 1] + noise[:, 3],
        }
    )


@pytest.mark.parametrize(
    ("window", "faults", "why"),
    [
        (
            rows(2, means=(2.0, 0.0)).rename({"left": "right", "right": "left"}),
            {"left", "right"},
            "they changed places",
        ),
        (
            rows(2, means=(0.0, 2.0), warm=1.5),
            set(),
            "each has the other's mean by accident, and goes with what it went with",
        ),
    ],
)
def test_columns_that_fit_at_each_others_place(window: pl.DataFrame, faults: set[str], why: str) -> None:
    reference = rows(1, means=(2.0, 0.0))
    profile = build_profile(reference, dict.fromkeys(reference.columns, "numeric"))
    found = compare(
        profile, count_window(window, profile), RULES, sample=window, reference_sample=reference.sample(2000, seed=1)
    )
    assert set(found.faults) == faults, why
    assert found.severity == "act"
