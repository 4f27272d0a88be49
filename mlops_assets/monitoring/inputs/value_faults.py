"""Signs of a broken numeric column that only its values show: another unit, and a number that stands for "not known".

Belongs here: what needs rows of the window. Signs that counts show are in `faults.py`, columns that changed places in
`swapped_columns.py`.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from mlops_assets.monitoring.inputs.faults import OUTSIDE_MOST, Fault, beyond_by_chance
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.profile import ColumnProfile, as_number
from mlops_assets.statistics.psi import between_psi, net_psi

# Factors between units that tables really mix: powers of ten, percent, dozens, hours, minutes, days, weeks, miles,
# inches, pounds. Small factors look like honest shifts: they need a better fit, and many values.
UNIT_FACTORS = (10.0, 100.0, 1000.0, 1e4, 1e6, 12.0, 24.0, 60.0, 3600.0, 7.0, 30.0, 365.0, 1.609344, 2.54, 2.2046226)
SMALL_FACTOR = 5.0
SMALL_FACTOR_FIT = 0.02
SMALL_FACTOR_BINS = 12
MOST_SAMPLED = 20_000
MOSTLY = 0.5
PLACEHOLDER_DISTINCT = 50
PLACEHOLDER_FIT = 0.05
LOOKS_ALIKE = 0.8
"""Strength of a fault that is told by one distribution fitting another: where much has moved, two may fit by accident."""

OTHER_SCALES: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("values have the other sign", lambda v: -v),
    ("values are degrees Fahrenheit where Celsius was meant", lambda v: (v - 32) / 1.8),
    ("values are degrees Celsius where Fahrenheit was meant", lambda v: v * 1.8 + 32),
    ("values are kelvin where degrees Celsius were meant", lambda v: v - 273.15),
    ("values are degrees Celsius where kelvin was meant", lambda v: v + 273.15),
)
"""What was done to values, and what undoes it."""


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
        undone += [(undo(values), claim, 1.0) for claim, undo in OTHER_SCALES]
        candidates = [(net_psi(reference, counts_in(_rounded_up(v), profile)), claim, f) for v, claim, f in undone]
        fit, claim, factor = min(candidates, key=lambda candidate: candidate[0])
        small = max(factor, 1 / factor) < SMALL_FACTOR
        if small and (fit > SMALL_FACTOR_FIT or len(reference) < SMALL_FACTOR_BINS):
            continue
        limit = largest_fit(now, profile, len(values), thresholds)
        if fit < limit:
            text = (
                f"{name}: {claim}; with that undone they fit the reference (PSI {fit:.3f} after {now:.2f}, limit "
                f"{limit:.2g})"
            )
            strength = 1.0 if max(factor, 1 / factor) >= SMALL_FACTOR else LOOKS_ALIKE
            found[name] = Fault("unit_change", text, strength=strength)
    return found


def largest_fit(now: float, profile: ColumnProfile, rows: int, thresholds: MonitoringThresholds) -> float:
    """Net PSI below which a column with the change undone counts as fitting the reference.

    It is far nearer than the `now` of the column as it is, and within the threshold for watching; where periods of the
    reference are known to differ, twice their mean distance is added.
    """
    usual = between_psi(as_long_as(profile.periods, profile.present, rows))
    return min(thresholds.psi_watch + 2 * usual, now / 5)


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
    """Numeric columns in which one value has replaced many different ones, and which fit the reference without it; and
    columns in which many rows have one value `beyond` the reference's range, whether or not the other rows fit."""
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
                low, high = (_shown(v or 0.0, sample[name].dtype) for v in (profile.minimum, profile.maximum))
                text = (
                    f"{name} is exactly {_shown(value, sample[name].dtype)} in {rows / len(values):.1%} of the rows, outside "
                    f"the reference's range ({low} to {high})"
                )
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
            text = (
                f"{name} is exactly {shown} in {share:.1%} of the rows, which no value was in the reference; the other rows "
                f"fit the reference (PSI {fit:.3f} after {now:.2f})"
            )
            found[name] = Fault("placeholder", text)
    return found


def _stands_for_nothing(values: np.ndarray, profile: ColumnProfile) -> np.ndarray:
    """Which values outside the reference's range usually mean "not known": below 0 where none was, farther out than the
    range is wide, or all nines. Another value beyond it may be a new limit, which is no fault."""
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
