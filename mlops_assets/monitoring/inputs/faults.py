"""Signs that a column is broken rather than changed: what a feed does and a population does not.

Each sign is a small function from the counts of a column in reference and window (and, for units and swaps, a bounded
sample of both) to a `Fault` or nothing. Whether the evidence is enough is part of each sign.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, lgamma, log1p

import numpy as np
import polars as pl

from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.profile import ColumnProfile, as_number
from mlops_assets.statistics.proportions import share_increase, unseen_values
from mlops_assets.statistics.psi import between_psi, net_psi

# Factors between units that tables really mix: powers of ten, percent, dozens, hours, minutes, days, weeks, miles,
# inches, pounds. Small factors look like honest shifts: they need a better fit, and many values.
UNIT_FACTORS = (10.0, 100.0, 1000.0, 1e4, 1e6, 12.0, 24.0, 60.0, 3600.0, 7.0, 30.0, 365.0, 1.609344, 2.54, 2.2046226)
SMALL_FACTOR = 5.0
SMALL_FACTOR_FIT = 0.02
SMALL_FACTOR_BINS = 12
MOST_SAMPLED = 20_000
MOSTLY = 0.5
MERGED_SHARE = 0.25
MERGED_TAKEN = 0.8
OUTSIDE_LEAST = 0.01
OUTSIDE_MOST = 0.5
OUTSIDE_DISTINCT = 10
PLACEHOLDER_DISTINCT = 50
LISTED_LEAST = 5
PLACEHOLDER_FIT = 0.05
LOOKS_ALIKE = 0.8
"""Strength of a fault that is told by one distribution fitting another: where much has moved, two may fit by accident."""
NO_TYPE = ("Unknown", "Null")

OTHER_SCALES: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("values have the other sign", lambda v: -v),
    ("values are degrees Fahrenheit where Celsius was meant", lambda v: (v - 32) / 1.8),
    ("values are degrees Celsius where Fahrenheit was meant", lambda v: v * 1.8 + 32),
    ("values are kelvin where degrees Celsius were meant", lambda v: v - 273.15),
    ("values are degrees Celsius where kelvin was meant", lambda v: v + 273.15),
)
"""What was done to values, and what undoes it."""


@dataclass(frozen=True)
class Fault:
    """A sign of a broken column.

    Attributes:
        sign: missing_column, wrong_type, missing_values, infinite_values, collapsed, out_of_range, renamed_category,
            merged_category, new_categories, unit_change, placeholder or swapped; of a whole batch (`batches.py`):
            duplicated_ids, duplicated_rows, stale_batch.
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
        return Fault("missing_column", f"{reference.name} is not in the window")
    if window.wrong_type:
        held = "holds nothing, not even a type" if window.dtype in NO_TYPE else f"is {window.dtype}"
        return Fault("wrong_type", f"{reference.name} {held}, expected {_expected(reference)}")
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
    text = f"{reference.name}: {now:.1%} of the rows are missing, {before:.1%} before"
    # A little more than the policy allows may be how people fill in forms; three times that is not.
    strength = min(1.0, test.effect / (3 * max(thresholds.max_null_increase, 1e-9)))
    return Fault("missing_values", text, test.p_value, strength=strength)


def infinite_values(reference: ColumnProfile, window: ColumnCounts, thresholds: MonitoringThresholds) -> Fault | None:
    """Infinite values where there were none to speak of."""
    test = share_increase(reference.infinite, reference.rows, window.infinite, window.rows)
    if not window.infinite or test.effect <= 0:
        return None
    return Fault("infinite_values", f"{reference.name}: {window.infinite} infinite values", test.p_value)


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
    text = f"{reference.name}: every one of {window.present} rows is {value}"
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
    text = f"{reference.name}: {share:.1%} of the rows are far outside {reference.minimum:.6g} to "
    text += f"{reference.maximum:.6g}, "
    text += f"the values run from {window.minimum:.6g} to {window.maximum:.6g}"
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
    """A frequent value is gone, and one never seen before stands at its place with about its share."""
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
                gone = float(np.exp(window.present * np.log1p(-share)))
                text = f"{reference.name}: {value!r} ({share:.1%}) is gone and {name!r} ({new_share:.1%}) is new"
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
                f"{reference.name}: {names[lost]!r} ({before[lost]:.1%}) is gone and {names[taker]!r} rose from "
                f"{before[taker]:.1%} to {now[taker]:.1%}"
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
        # A constant reference never showed what values there are: it is the reference that lacks them.
        return None
    # A column that is nearly all different values (a free text, a code list with a long tail) always brings new ones.
    test = unseen_values(reference.singletons, reference.doubletons, reference.present, window.new_rows, window.present)
    if test.effect <= thresholds.max_new_category_share:
        return None
    most = next(iter(window.new), "")
    share = window.new_rows / window.present
    text = f"{reference.name}: {share:.1%} of the rows hold values never seen, such as {most!r}"
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
        text = f"{reference.name}: {rows / window.present:.1%} of the rows are {value!r}, "
        text += f"no more than {most / reference.present:.2%} before"
        strength = min(1.0, test.effect / (2 * max(thresholds.max_new_category_share, 1e-9)))
        return Fault("new_categories", text, min(1.0, test.p_value * window.distinct), strength=strength)
    # Values seen a few times only may have left by chance, and their share is overstated.
    lasting = [
        (n, now) for n, now in zip(reference.categories.values(), window.counts, strict=True) if n >= LISTED_LEAST
    ]
    listed = sum(n for n, _ in lasting) / reference.present
    if listed > thresholds.max_new_category_share and not any(now for _, now in lasting):
        text = f"{reference.name}: none of its {len(lasting)} most frequent values is left, "
        text += f"others such as {value!r} stand at their place"
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


def find_unit_changes(
    shifted: Mapping[str, ColumnProfile], sample: pl.DataFrame, thresholds: MonitoringThresholds
) -> dict[str, Fault]:
    """Numeric columns that fit the reference again when divided by a factor between two units.

    Nothing is nothing in every unit: where most values are 0, the others alone are looked at.
    """
    found: dict[str, Fault] = {}
    for name, profile in shifted.items():
        if profile.kind != "numeric" or name not in sample.columns or not profile.edges:
            continue
        reference, values = _amounts(finite_values(sample[name]), profile)
        if len(values) < 100:
            continue
        # The size of the change as the sample sees it, so that both numbers carry the same noise.
        now = net_psi(reference, counts_in(values, profile))
        if now <= thresholds.psi_act:
            continue
        undone: list[tuple[np.ndarray, str, float]] = [
            (values / f, f"values are {f:.6g} times what they were", f)
            for base in UNIT_FACTORS
            for f in (base, 1 / base)
        ]
        undone += [(undo(values), said, 1.0) for said, undo in OTHER_SCALES]
        candidates = [(net_psi(reference, counts_in(_rounded_up(v), profile)), said, f) for v, said, f in undone]
        fit, said, factor = min(candidates, key=lambda candidate: candidate[0])
        small = max(factor, 1 / factor) < SMALL_FACTOR
        if small and (fit > SMALL_FACTOR_FIT or len(reference) < SMALL_FACTOR_BINS):
            continue
        if fits(fit, now, profile, len(values), thresholds):
            text = f"{name}: {said}; with that undone they fit (PSI {now:.2f} → {fit:.3f})"
            strength = 1.0 if max(factor, 1 / factor) >= SMALL_FACTOR else LOOKS_ALIKE
            found[name] = Fault("unit_change", text, strength=strength)
    return found


def fits(fit: float, now: float, profile: ColumnProfile, rows: int, thresholds: MonitoringThresholds) -> bool:
    """Whether a net PSI of `fit` is near enough to the reference, and far nearer than the `now` of the column as it is.

    Near enough is twice what periods of the reference are among themselves, where that is known: it is their mean.
    """
    usual = between_psi(as_long_as(profile.periods, profile.present, rows))
    return fit < thresholds.psi_watch + 2 * usual and fit < now / 5


def _rounded_up(values: np.ndarray) -> np.ndarray:
    """A hair more: rounded numbers are edges of bins, and come back from another unit a hair less."""
    return values + 1e-9 * np.abs(values)


def _amounts(values: np.ndarray, profile: ColumnProfile) -> tuple[np.ndarray, np.ndarray]:
    """The reference's counts and the values, both without 0 where it is most of the reference: it has a bin of its own."""
    reference = np.asarray(profile.counts)
    zero = int(np.searchsorted(profile.edges, 0.0, side="right"))
    if reference[zero] < MOSTLY * profile.present:
        return reference, values
    reference[zero] = 0
    return reference, values[values != 0]


def find_placeholders(
    shifted: Mapping[str, ColumnProfile],
    sample: pl.DataFrame,
    thresholds: MonitoringThresholds,
    beyond: Mapping[str, ColumnProfile] | None = None,
) -> dict[str, Fault]:
    """Numeric columns in which one value stands where many different ones were, and which fit again without it; and those
    in which many rows have one value `beyond` all that there were, whether or not the rest shows it."""
    found: dict[str, Fault] = {}
    for name, profile in {**shifted, **(beyond or {})}.items():
        if profile.kind != "numeric" or name not in sample.columns or profile.distinct < 2:
            continue
        values = finite_values(sample[name])
        if len(values) < 100:
            continue
        reference = np.asarray(profile.counts)
        different, times = np.unique(values, return_counts=True)
        strange = _stands_for_nothing(different, profile)
        if name in (beyond or {}) and times[strange].any():
            value, rows = different[strange][times[strange].argmax()], int(times[strange].max())
            # What moves as a whole is a time that goes on, another unit or another population.
            if thresholds.max_null_increase < rows / len(values) < OUTSIDE_MOST:
                said = f"{_shown(profile.minimum or 0.0, sample[name].dtype)} to {_shown(profile.maximum or 0.0, sample[name].dtype)}"
                text = f"{name}: {rows / len(values):.1%} of the rows are exactly {_shown(value, sample[name].dtype)}, "
                text += f"and none was before: the values ran from {said}"
                found[name] = Fault(
                    "placeholder", text, beyond_by_chance(profile.present, len(values), rows), strength=LOOKS_ALIKE
                )
                continue
        value, share = different[times.argmax()], times.max() / len(values)
        before = reference[np.searchsorted(profile.edges, value, side="right")] / max(profile.present, 1)
        rest = values[values != value]
        # A value with a bin of its own was frequent before: that it became more so is no sign of a filled gap.
        filled = share - before > thresholds.max_null_increase and before <= 2 / len(reference) and len(rest) >= 100
        if name not in shifted or profile.distinct < PLACEHOLDER_DISTINCT or not filled:
            continue
        now, fit = net_psi(reference, counts_in(values, profile)), net_psi(reference, counts_in(rest, profile))
        if fit < min(PLACEHOLDER_FIT, now / 5):
            shown = _shown(value, sample[name].dtype)
            text = f"{name}: {share:.1%} of the rows are exactly {shown}, which no value was before; "
            text += f"without them it fits (PSI {now:.2f} → {fit:.3f})"
            found[name] = Fault("placeholder", text)
    return found


def _stands_for_nothing(values: np.ndarray, profile: ColumnProfile) -> np.ndarray:
    """Which values outside the reference's range are such as stand for "not known": below 0 where none was, farther out than
    the range is wide, or all nines. Another value beyond it may be a new limit, which is no broken feed."""
    low, high = profile.minimum, profile.maximum
    if low is None or high is None:
        return np.zeros(len(values), dtype=bool)
    far = (values < 2 * low - high) | (values > 2 * high - low)
    nines = np.isin(np.abs(values), [10.0**digits - 1 for digits in range(1, 10)])
    return ((values < low) | (values > high)) & (far | nines | ((values < 0) & (low >= 0)))


def _shown(value: float, dtype: pl.DataType) -> str:
    return str(date(1970, 1, 1) + timedelta(days=value)) if dtype.is_temporal() else f"{value:.6g}"


def finite_values(series: pl.Series) -> np.ndarray:
    """Numbers or times as floats, at most 20,000, those alone that are there."""
    values = as_number(series).drop_nulls().head(MOST_SAMPLED).to_numpy()
    return values[np.isfinite(values)]


def counts_in(values: np.ndarray, profile: ColumnProfile) -> np.ndarray:
    """How many values lie in each bin of the profile."""
    return np.bincount(np.searchsorted(profile.edges, values, side="right"), minlength=len(profile.edges) + 1)


def _expected(reference: ColumnProfile) -> str:
    return "a number or a time" if reference.kind == "numeric" else "text"
