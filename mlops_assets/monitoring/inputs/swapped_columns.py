"""Two columns that have changed places: each holds the values of the other.

Belongs here: what single columns, and how they correlate with the others, show of it. A swap of two columns with like
distributions shows only in how columns go together (`joint.py`).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.inputs.value_faults import LOOKS_ALIKE, MOST_SAMPLED, counts_in, finite_values
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.dependence import correlations, normal_scores
from mlops_assets.statistics.profile import ColumnProfile, category_text
from mlops_assets.statistics.psi import between_psi, net_psi

SWAP_FIT = 0.01
FEW_VALUES = 3
"""Columns with so few values fit at many other columns' places: among hundreds, two do by chance."""
NOISE_LIMIT = 4.0
"""Times the noise of drawing rows that correlations must differ by to show which place a column belongs to."""
NOISE_LIMIT_FEW = 8.0
"""The same for columns of few values, whose sample correlations vary more and which come in many pairs."""


def find_swaps(
    shifted: Mapping[str, ColumnProfile],
    sample: pl.DataFrame,
    thresholds: MonitoringThresholds,
    changed: Mapping[str, ColumnProfile] | None = None,
    reference_sample: pl.DataFrame | None = None,
) -> dict[str, Fault]:
    """Pairs of columns of which each holds the values of the other.

    Both have shifted; or one has, and the other is among those that `changed` for certain but little: a column of few
    values shows less of another column's values than one of many. Of many columns that have shifted two fit at each other's
    place by chance, so correlations with the other columns are looked at where rows of the reference are known: a pair that
    correlates with them as it did is not swapped, and a pair of columns of few values must correlate with them as the
    other did.
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
            if not _correlations_agree(first, second, _few_alike_values(a, b), reference_sample, sample):
                continue
            text = (
                f"{first} and {second} have changed places (PSI {straight[0]:.2f} and {straight[1]:.2f}; below "
                f"{max(*crossed, 0.01):.2f} when swapped back)"
            )
            found[first] = Fault("swapped", text, partner=second, strength=LOOKS_ALIKE)
            found[second] = Fault("swapped", text, partner=first, strength=LOOKS_ALIKE)
    return found


def _few_alike_values(a: ColumnProfile, b: ColumnProfile) -> bool:
    """Whether both columns have the same few values, so that one fits at the other's place by its frequencies alone."""
    if max(a.distinct, b.distinct) > FEW_VALUES:
        return False
    if a.kind == "categorical":
        return set(a.categories) == set(b.categories)
    return (a.minimum, a.maximum) == (b.minimum, b.maximum)


def _correlations_agree(
    first: str, second: str, few_values: bool, reference: pl.DataFrame | None, window: pl.DataFrame
) -> bool:
    """Whether correlations with the other columns leave room for a swap; for columns of few values, whether they show it."""
    evidence = None if reference is None else swap_evidence(first, second, reference, window)
    if few_values:
        return evidence is not None and evidence > NOISE_LIMIT_FEW
    return evidence is None or evidence >= -NOISE_LIMIT


def swap_evidence(first: str, second: str, reference: pl.DataFrame, window: pl.DataFrame) -> float | None:
    """By how much better two numeric columns correlate with all others once put at each other's place.

    The sum over the other columns of squared changes of Fisher's z (correlations of normal scores), as the columns are less
    once swapped back, in standard deviations of what drawing rows gives. Negative: they correlate as they did.

    Returns:
        None where a column is not numeric or there is no other.
    """
    names = [n for n in window.columns if n in reference.columns and window[n].dtype.is_numeric()]
    if first not in names or second not in names or not all(reference[n].dtype.is_numeric() for n in names):
        return None
    sides = [
        correlations(normal_scores(frame.select(names).head(MOST_SAMPLED).cast(pl.Float64).to_numpy()))
        for frame in (reference, window)
    ]
    i, j = names.index(first), names.index(second)
    others = [k for k in range(len(names)) if k not in (i, j)]
    if not others:
        return None
    before, now = (np.arctanh(side[np.ix_([i, j], others)]) for side in sides)
    as_it_is, swapped_back = ((before - now) ** 2).sum(), ((before - now[::-1]) ** 2).sum()
    noise = 1 / len(reference) + 1 / len(window)
    return float((as_it_is - swapped_back) / (2 * noise * np.sqrt(2 * len(others))))


def _fit(values: pl.Series, profile: ColumnProfile) -> float:
    if profile.kind == "numeric":
        if not (values.dtype.is_numeric() or values.dtype.is_temporal()):
            return float("inf")
        return net_psi(np.asarray(profile.counts), counts_in(finite_values(values), profile))
    text = category_text(values.head(MOST_SAMPLED), profile.categories).drop_nulls()
    by_value = dict(text.value_counts(name="n").iter_rows())
    window = [by_value.pop(v, 0) for v in profile.categories]
    return net_psi(
        np.asarray([*profile.categories.values(), profile.others]), np.asarray([*window, sum(by_value.values())])
    )
