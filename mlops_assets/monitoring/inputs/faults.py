"""Signs that a column is broken rather than changed: what a feed does and a population does not.

Each sign is a small function from the counts of a column in reference and window (and, for units and swaps, a bounded
sample of both) to a `Fault` or nothing. Whether the evidence is enough is part of each sign.
"""

from dataclasses import dataclass
from math import exp, lgamma, log1p

import numpy as np

from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.statistics.proportions import share_increase, unseen_values

MERGED_SHARE = 0.25
MERGED_TAKEN = 0.8
OUTSIDE_LEAST = 0.01
OUTSIDE_MOST = 0.5
OUTSIDE_DISTINCT = 10
LISTED_LEAST = 5
NO_TYPE = ("Unknown", "Null")


@dataclass(frozen=True)
class Fault:
    """A sign of a broken column.

    Attributes:
        sign: missing_column, wrong_type, missing_values, infinite_values, collapsed, out_of_range, renamed_category,
            merged_category, new_categories, unit_change, placeholder or swapped; of a whole batch (`batches.py`):
            duplicated_ids, duplicated_rows, stale_batch, quarantined_rows, unreadable_file.
        text: what was found, in words, with numbers.
        p_value: of the evidence; 0 where no chance is involved.
        partner: the other column of a swap.
        strength: 0 to 1, how far a fault is likelier than an honest change; below .5 a population may do the same.
    """

    sign: str
    text: str
    p_value: float = 0.0
    partner: str = ""
    strength: float = 1.0


def find_fault(
    reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds, level: float
) -> Fault | None:
    """The first sign that counts tell of, gravest first; `level` is the p-value a chance finding must be below."""
    if window.missing:
        return Fault("missing_column", f"{reference.name} is missing from the window")
    if window.wrong_type:
        found = "no value and no type" if window.dtype in NO_TYPE else f"type {window.dtype}"
        return Fault("wrong_type", f"{reference.name} has {found}, expected {_expected(reference)}")
    for sign in SIGNS:
        fault = sign(reference, window, thresholds)
        if fault is not None and fault.p_value < level:
            return fault
    return None


def missing_values(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """Many more missing values than in the reference."""
    test = share_increase(reference.nulls, reference.rows, window.nulls, window.rows)
    if test.effect <= thresholds.max_null_increase:
        return None
    before, now = reference.nulls / reference.rows, window.nulls / window.rows
    text = f"{reference.name} is missing in {now:.1%} of the rows, against {before:.1%} in the reference"
    # A little more than the policy allows may be how people fill in forms; three times that is not.
    strength = min(1.0, test.effect / (3 * max(thresholds.max_null_increase, 1e-9)))
    return Fault("missing_values", text, test.p_value, strength=strength)


def infinite_values(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """Infinite values where there were none to speak of."""
    test = share_increase(reference.infinite, reference.rows, window.infinite, window.rows)
    if not window.infinite or test.effect <= 0:
        return None
    text = f"{reference.name} is infinite in {window.infinite} rows, against {reference.infinite} in the reference"
    return Fault("infinite_values", text, test.p_value)


def collapsed(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """One value only, where the reference had several."""
    if window.present < 2:
        return None
    if reference.kind == "numeric":
        several = reference.minimum != reference.maximum
        single = window.minimum == window.maximum
        value = f"{window.minimum:g}" if window.minimum is not None else "nothing"
        held = next((n for n, now in zip(reference.counts, window.counts, strict=True) if now), 0)
        most = max(reference.counts, default=0) / max(reference.present, 1)
    else:
        several = reference.distinct > 1
        single = window.distinct == 1
        value = next((v for v, n in zip(reference.categories, window.counts, strict=True) if n), None)
        held = reference.categories.get(value, 0) if value is not None else 0
        value = repr(value if value is not None else next(iter(window.new), "?"))
        most = max(reference.categories.values(), default=0) / max(reference.present, 1)
    lost = 1 - held / max(reference.present, 1)
    if not (several and single) or lost <= thresholds.max_null_increase:
        # What takes the place of so few rows' values is no more than a policy lets be missing.
        return None
    # Every row alike by chance: the most frequent value's share to the power of the rows; of rows that are alike where
    # they are neighbours, so many fewer count.
    periods = as_long_as(reference.periods, reference.present, window.present)
    rows = window.present / (1 + window.present * periods.variance) if periods else window.present
    chance = float(np.exp(rows * np.log(min(max(most, 1e-9), 1.0))))
    text = f"{reference.name} has the single value {value} in all {window.present} rows"
    # A value that nearly all rows had before may have taken the rest honestly.
    return Fault("collapsed", text, chance, strength=lost)


def out_of_range(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """Values farther outside the reference's range than that range is wide: -999 for an age, a date in 1900.

    A tail that grows reaches beyond the range too, but seldom so far and with so many rows. Not where most rows are outside: what moves as a whole is a time that goes on, another unit or another population.
    """
    if None in (reference.minimum, reference.maximum, window.minimum, window.maximum) or not window.present:
        return None
    share = window.outside / window.present
    if not OUTSIDE_LEAST <= share < OUTSIDE_MOST or reference.distinct < OUTSIDE_DISTINCT:
        return None
    text = (
        f"{reference.name} is far outside the reference's range ({reference.minimum:.6g} to {reference.maximum:.6g}) in "
        f"{share:.1%} of the rows; its values go from {window.minimum:.6g} to {window.maximum:.6g}"
    )
    return Fault("out_of_range", text, beyond_by_chance(reference.present, window.present, window.outside))


def beyond_by_chance(reference_rows: int, window_rows: int, outside: int) -> float:
    """Probability that the largest or smallest `outside` of both samples' rows all fall to the window.

    Under no change every order of n + m values is alike, so the k largest are all the window's with probability
    C(n + m - k, n) / C(n + m, n); twice that covers both ends (Gumbel & von Schelling 1950, exceedances).
    """
    n, m, k = reference_rows, window_rows, (outside + 1) // 2
    log = lgamma(n + m - k + 1) - lgamma(m - k + 1) + lgamma(m + 1) - lgamma(n + m + 1)
    return min(1.0, 2 * exp(log))


def renamed_category(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """A frequent value is gone, and one that is new has about its share."""
    appeared = {**window.new, **window.unlisted}
    if reference.kind != "categorical" or not appeared or not window.present:
        return None
    for (value, before), now in zip(reference.categories.items(), window.counts, strict=True):
        share = before / reference.present
        if now or share < thresholds.max_new_category_share / 2:
            continue
        for name, rows in appeared.items():
            new_share = rows / window.present
            spread = 4 * np.sqrt(share * (1 - share) * (1 / window.present + 1 / reference.present))
            if abs(new_share - share) <= max(spread, 0.1 * share):
                gone = float(np.exp(window.present * np.log1p(-min(share, 1 - 1e-9))))
                text = (
                    f"{reference.name}: category {value!r} ({share:.1%} of the reference) is gone and {name!r} "
                    f"({new_share:.1%} of the window) is new"
                )
                return Fault("renamed_category", text, gone)
    return None


def merged_category(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """A value that many rows had is gone, and another known one has taken nearly all of them: two codes became one."""
    if reference.kind != "categorical" or not window.present or reference.others:
        return None
    before = np.asarray(list(reference.categories.values())) / max(reference.present, 1)
    now = np.asarray(window.counts) / window.present
    for lost in np.flatnonzero((now == 0) & (before >= MERGED_SHARE)):
        gained = now - before
        taker = int(np.argmax(gained))
        if gained[taker] >= MERGED_TAKEN * before[lost]:
            names = list(reference.categories)
            gone = float(np.exp(window.present * np.log1p(-min(before[lost], 1 - 1e-9))))
            text = (
                f"{reference.name}: category {names[lost]!r} ({before[lost]:.1%} of the reference) is gone and "
                f"{names[taker]!r} has {now[taker]:.1%} of the rows, against {before[taker]:.1%} in the reference"
            )
            return Fault("merged_category", text, gone)
    return None


def new_categories(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """Many rows with values never seen before."""
    if reference.others:
        return _appeared_beside_others(reference, window, thresholds)
    if reference.kind != "categorical" or not window.new_rows:
        return None
    if reference.distinct < 2:
        # A constant reference never showed which values there are.
        return None
    # A column that is nearly all different values (a free text, a code list with a long tail) always brings new ones.
    test = unseen_values(reference.singletons, reference.doubletons, reference.present, window.new_rows, window.present)
    if test.effect <= thresholds.max_new_category_share:
        return None
    most = next(iter(window.new), "")
    share = window.new_rows / window.present
    text = f"{reference.name} has values that the reference does not have, such as {most!r}, in {share:.1%} of the rows"
    strength = min(1.0, test.effect / (2 * max(thresholds.max_new_category_share, 1e-9)))
    return Fault("new_categories", text, test.p_value, strength=strength)


def _appeared_beside_others(
    reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds
) -> Fault | None:
    """New values of a column with more of them than are listed: those that none of its unlisted values can have been."""
    if not window.unlisted or not window.present:
        return None
    # No unlisted value had more rows in the reference than the last that is listed.
    most = min(reference.categories.values())
    value, rows = next(iter(window.unlisted.items()))
    test = share_increase(most, reference.present, rows, window.present)
    if test.effect > thresholds.max_new_category_share:
        text = f"{reference.name} is {value!r} in {rows / window.present:.1%} of the rows, "
        text += f"against at most {most / reference.present:.2%} in the reference"
        strength = min(1.0, test.effect / (2 * max(thresholds.max_new_category_share, 1e-9)))
        return Fault("new_categories", text, min(1.0, test.p_value * window.distinct), strength=strength)
    # Values seen a few times only may have left by chance, and their share is overstated.
    lasting = [
        (n, now) for n, now in zip(reference.categories.values(), window.counts, strict=True) if n >= LISTED_LEAST
    ]
    listed = sum(n for n, _ in lasting) / reference.present
    if listed > thresholds.max_new_category_share and not any(now for _, now in lasting):
        text = f"{reference.name}: the {len(lasting)} most frequent values are gone; "
        text += f"others, such as {value!r}, have replaced them"
        return Fault("new_categories", text, exp(window.present * log1p(-min(listed, 1 - 1e-9))))
    return None


SIGNS = (
    missing_values,
    infinite_values,
    collapsed,
    out_of_range,
    renamed_category,
    merged_category,
    new_categories,
)
"""What is looked for in counts, gravest first."""


def _expected(reference: ColumnProfile) -> str:
    return "a number or a time" if reference.kind == "numeric" else "text"
