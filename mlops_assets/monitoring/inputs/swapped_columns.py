"""Two columns that have changed places: each holds what the other held.

Belongs here: what single columns and how they go with the others tell of it. A swap of two columns that are alike shows only
in how columns go together (`joint.py`).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from mlops_assets.monitoring.inputs.faults import LOOKS_ALIKE, MOST_SAMPLED, Fault, counts_in, finite_values
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.dependence import correlations, normal_scores
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.statistics.psi import between_psi, net_psi

SWAP_FIT = 0.01


def find_swaps(
    shifted: Mapping[str, ColumnProfile],
    sample: pl.DataFrame,
    thresholds: MonitoringThresholds,
    changed: Mapping[str, ColumnProfile] | None = None,
    reference_sample: pl.DataFrame | None = None,
) -> dict[str, Fault]:
    """Pairs of columns of which each holds what the other held.

    Both have shifted; or one has, and the other is among those that `changed` for certain but little: a column of few
    values shows less of a stranger than one of many. Of many columns that have shifted two fit at each other's place by
    accident: with rows of the reference, a pair that goes together with all other columns as it did, and would not once put
    back, is none.
    """
    found: dict[str, Fault] = {}
    names = [n for n in shifted if n in sample.columns]
    others = {n: c for n, c in (changed or {}).items() if n in sample.columns and n not in shifted}
    known = {**shifted, **others}
    for i, first in enumerate(names):
        for second in [*names[i + 1 :], *others]:
            a, b = known[first], known[second]
            if a.kind != b.kind or first in found or second in found:
                continue
            crossed = [_fit(sample[second], a), _fit(sample[first], b)]
            straight = [_fit(sample[first], a), _fit(sample[second], b)]
            # Both must fit at the other's place, and far better there than at their own.
            sure = min(straight) > thresholds.psi_watch or max(crossed) < SWAP_FIT
            usual = 2 * max(between_psi(as_long_as(column.periods, column.present, sample.height)) for column in (a, b))
            if not (max(crossed) < thresholds.psi_watch + usual and max(crossed) < min(straight) / 3 and sure):
                continue
            if reference_sample is None or not stay_together(first, second, reference_sample, sample):
                text = f"{first} and {second} have changed places (PSI {straight[0]:.2f} and {straight[1]:.2f}, "
                text += f"swapped back below {max(*crossed, 0.01):.2f})"
                found[first] = Fault("swapped", text, partner=second, strength=LOOKS_ALIKE)
                found[second] = Fault("swapped", text, partner=first, strength=LOOKS_ALIKE)
    return found


def stay_together(first: str, second: str, reference: pl.DataFrame, window: pl.DataFrame) -> bool:
    """Whether two numeric columns go together with all others as they did, and would not at each other's place.

    Correlations of normal scores; the difference must be four times what drawing rows makes of it.
    """
    names = [n for n in window.columns if n in reference.columns and window[n].dtype.is_numeric()]
    if first not in names or second not in names or not all(reference[n].dtype.is_numeric() for n in names):
        return False
    sides = [
        correlations(normal_scores(frame.select(names).head(MOST_SAMPLED).cast(pl.Float64).to_numpy()))
        for frame in (reference, window)
    ]
    i, j = names.index(first), names.index(second)
    others = [k for k in range(len(names)) if k not in (i, j)]
    if not others:
        return False
    before, now = (np.arctanh(side[np.ix_([i, j], others)]) for side in sides)
    as_it_is, put_back = ((before - now) ** 2).sum(), ((before - now[::-1]) ** 2).sum()
    noise = 1 / len(reference) + 1 / len(window)
    return bool(put_back - as_it_is > 4 * 2 * noise * np.sqrt(2 * len(others)))


def _fit(values: pl.Series, profile: ColumnProfile) -> float:
    if profile.kind == "numeric":
        if not (values.dtype.is_numeric() or values.dtype.is_temporal()):
            return float("inf")
        return net_psi(np.asarray(profile.counts), counts_in(finite_values(values), profile))
    text = values.cast(pl.String).drop_nulls().head(MOST_SAMPLED)
    by_value = dict(text.value_counts(name="n").iter_rows())
    window = [by_value.pop(v, 0) for v in profile.categories]
    return net_psi(
        np.asarray([*profile.categories.values(), profile.others]), np.asarray([*window, sum(by_value.values())])
    )
