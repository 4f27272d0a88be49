"""Reference against window, column by column: how large a change is, how sure, and how much it matters.

An alarm needs evidence (a p-value, adjusted over the columns so that their number does not make alarms) *and* size (a
PSI, less what noise alone would give). Signs of a broken feed (`faults.py`) are told apart from a changed population.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import polars as pl

from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift, comparable_counts, graded, judge_column
from mlops_assets.monitoring.inputs.column_statistics import ColumnStatistic, measure_columns
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.inputs.functions_of_time import functions_of_time
from mlops_assets.monitoring.inputs.joint import JointDrift, compare_jointly
from mlops_assets.monitoring.inputs.swapped_columns import find_swaps
from mlops_assets.monitoring.inputs.value_faults import find_placeholders, find_unit_changes
from mlops_assets.monitoring.severity import Severity, at_least, worst
from mlops_assets.monitoring.wording import column_name, listed, shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import LEAST_PERIODS
from mlops_assets.statistics.counting import ColumnCounts, WindowCounts
from mlops_assets.statistics.multiplicity import benjamini_hochberg
from mlops_assets.statistics.profile import ColumnProfile, Profile
from mlops_assets.statistics.statistic import StatisticInputs

CRITICAL_SHARE = 0.5
"""Broken or shifted features that carry this share of all importance make the window critical."""
SCORE_COLUMN = RESERVED_PREFIX + "score"
"""Column of the model's own score beside the columns of a user's table."""
BROKEN_AT_ANY_TIME = ("missing_column", "wrong_type", "missing_values", "infinite_values")
"""Faults of a column whatever its values are."""
LOOKS_LIKE_A_SWAP = ("", "new_categories", "renamed_category", "merged_category", "out_of_range")


@dataclass(frozen=True)
class DriftVerdict:
    """A window's verdict over all columns.

    Attributes:
        rows: of the window.
        reference_rows: of the reference.
        severity: of the window: its worst column, weighted by importance.
        columns: worst first.
        faults: columns with a sign of a broken feed.
        shifted: columns whose distribution changed without such a sign.
        extra: columns that the reference does not have.
        reason: two sentences.
        joint: what the columns show together; looked at where none of them shows anything alone, else None.
    """

    rows: int
    reference_rows: int
    severity: Severity
    columns: tuple[ColumnDrift, ...]
    faults: tuple[str, ...]
    shifted: tuple[str, ...]
    extra: tuple[str, ...]
    reason: str
    joint: JointDrift | None = None

    def column(self, name: str) -> ColumnDrift:
        """The verdict on one column."""
        return next(c for c in self.columns if c.name == name)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "DriftVerdict":
        """Read back what `to_dict` wrote; keys it does not know are what others stored beside it."""
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        for name in ("faults", "shifted", "extra"):
            known[name] = tuple(known[name])
        if known.get("joint"):
            known["joint"] = JointDrift.from_dict(known["joint"])
        fields = ColumnDrift.__dataclass_fields__
        known["columns"] = tuple(
            ColumnDrift(
                **{k: v for k, v in column.items() if k in fields and k != "statistics"},
                statistics=tuple(ColumnStatistic.from_dict(one) for one in column.get("statistics") or ()),
            )
            for column in stored["columns"]
        )
        return cls(**known)


def compare(
    profile: Profile,
    counts: WindowCounts,
    thresholds: MonitoringThresholds,
    *,
    importance: Mapping[str, float] | None = None,
    sample: pl.DataFrame | None = None,
    reference_sample: pl.DataFrame | None = None,
    score: str = SCORE_COLUMN,
) -> DriftVerdict:
    """Judge a window.

    Args:
        profile: of the reference.
        counts: of the window, in the profile's bins.
        thresholds: thresholds.
        importance: weight of each feature in the model (any scale, negative counts as 0); None: all alike.
        sample: rows of the window, for what counts cannot tell (units, swapped columns); None: not looked for.
        reference_sample: rows of the reference, in the order of time where the profile knows periods; with them, columns
            that changed only together are looked for.
        score: column that holds the model's scores, if any does.
    """
    shares = _shares(importance)
    measurable = counts.rows >= thresholds.minimum_rows
    columns = [
        judge_column(
            column,
            counts.columns[name],
            thresholds,
            len(profile.columns),
            measurable,
            shares.get(name) if shares else None,
            is_score=name == score,
        )
        for name, column in profile.columns.items()
    ]
    in_order = any(c.periods for c in profile.columns.values())
    moving: frozenset[str] = frozenset()
    if in_order and reference_sample is not None:
        moving = functions_of_time(reference_sample, (n for n in profile.columns if n != score))
        columns = [_expected(c) if c.name in moving else c for c in columns]
    if measurable:
        columns = _adjusted(_with_statistics(columns, profile, counts), thresholds)
        if sample is not None:
            inputs = [c for c in columns if c.name != score]
            inputs = _with_sample_faults(inputs, profile, counts, sample, thresholds, reference_sample)
            columns = [*inputs, *(c for c in columns if c.name == score)]
    joint = None
    quiet = measurable and not any(c.fault or at_least(c.severity, "watch") for c in columns)
    if quiet and sample is not None and reference_sample is not None:
        periods = max(LEAST_PERIODS, ceil(profile.rows / counts.rows)) if in_order else 0
        standing = Profile(profile.rows, {n: c for n, c in profile.columns.items() if n not in moving})
        joint = compare_jointly(standing, reference_sample, sample, thresholds, periods=periods, score=score)
        columns = _with_swap(columns, joint)
    columns.sort(key=_rank)
    faults = tuple(c.name for c in columns if c.fault)
    shifted = tuple(c.name for c in columns if not c.fault and at_least(c.severity, "watch"))
    severity = _window_severity(columns, measurable)
    if joint is not None:
        severity = worst([severity, joint.severity])
    return DriftVerdict(
        rows=counts.rows,
        reference_rows=profile.rows,
        severity=severity,
        columns=tuple(columns),
        faults=faults,
        shifted=shifted,
        extra=counts.extra,
        reason=_reason(columns, counts, thresholds, faults, shifted, severity, joint),
        joint=joint,
    )


def regraded(verdict: DriftVerdict, thresholds: MonitoringThresholds) -> DriftVerdict:
    """What `compare` would have found under other `psi_watch` and `psi_act`, from the numbers that it kept.

    Faults, p-values and what the columns show together stay as they were found: they rest on rows that are not kept here.
    """
    columns = [
        c if c.fault or c.p_value is None else graded(replace(c, severity="none", reason=""), thresholds)
        for c in verdict.columns
    ]
    columns.sort(key=_rank)
    severity = _window_severity(columns, verdict.rows >= thresholds.minimum_rows)
    if verdict.joint is not None:
        severity = worst([severity, verdict.joint.severity])
    shifted = tuple(c.name for c in columns if not c.fault and at_least(c.severity, "watch"))
    return replace(verdict, severity=severity, columns=tuple(columns), shifted=shifted)


def _with_statistics(columns: list[ColumnDrift], profile: Profile, counts: WindowCounts) -> list[ColumnDrift]:
    """The columns whose distributions are compared, with what registered statistics found in them."""
    sides = [(profile.columns[c.name], counts.columns[c.name]) for c in columns if c.raw_p_value is not None]
    found = measure_columns([StatisticInputs(*comparable_counts(*side), *side) for side in sides])
    return [replace(c, statistics=found.get(c.name, ())) for c in columns]


def _expected(column: ColumnDrift) -> ColumnDrift:
    """A function of time without what is expected of it: new values, and others that are gone. Delivery faults stay."""
    if column.fault in BROKEN_AT_ANY_TIME:
        return column
    return replace(
        column,
        severity="none",
        reason="stands still within each period and changes with it, in the reference too: not compared",
        fault="",
        fault_strength=0.0,
        p_value=None,
        raw_p_value=None,
        log_e=None,
    )


def _adjusted(columns: list[ColumnDrift], thresholds: MonitoringThresholds) -> list[ColumnDrift]:
    tested = [i for i, c in enumerate(columns) if c.raw_p_value is not None]
    adjusted = benjamini_hochberg([columns[i].raw_p_value or 0.0 for i in tested])
    for i, p_value in zip(tested, adjusted, strict=True):
        columns[i] = graded(replace(columns[i], p_value=p_value), thresholds)
    return columns


def _with_sample_faults(
    columns: list[ColumnDrift],
    profile: Profile,
    counts: WindowCounts,
    sample: pl.DataFrame,
    thresholds: MonitoringThresholds,
    reference_sample: pl.DataFrame | None,
) -> list[ColumnDrift]:
    suspects = {
        c.name: profile.columns[c.name]
        for c in columns
        if at_least(c.severity, "watch") and (c.fault in LOOKS_LIKE_A_SWAP or c.fault_strength < 0.5)
    }
    changed = {
        c.name: profile.columns[c.name]
        for c in columns
        if not c.fault and c.p_value is not None and c.p_value < thresholds.alpha and (c.effect or 0.0) > 0
    }
    beyond = {
        c.name: profile.columns[c.name]
        for c in columns
        if (not c.fault or c.fault_strength < 0.5)
        and c.p_value is not None
        and _reaches_beyond(profile.columns[c.name], counts.columns[c.name])
    }
    found: dict[str, Fault] = {
        **find_placeholders(suspects, sample, thresholds, beyond),
        **find_unit_changes({**changed, **suspects}, sample, thresholds),
        **find_swaps(suspects, sample, thresholds, changed, reference_sample),
    }
    return [
        replace(
            c,
            severity="act",
            fault=found[c.name].sign,
            reason=found[c.name].text,
            partner=found[c.name].partner,
            fault_strength=found[c.name].strength,
        )
        if c.name in found
        else c
        for c in columns
    ]


def _reaches_beyond(reference: ColumnProfile, window: ColumnCounts) -> bool:
    if None in (reference.minimum, reference.maximum, window.minimum, window.maximum):
        return False
    return window.minimum < reference.minimum or window.maximum > reference.maximum  # type: ignore[operator]


def _with_swap(columns: list[ColumnDrift], joint: JointDrift | None) -> list[ColumnDrift]:
    if joint is None or not joint.swapped:
        return columns
    first, second = joint.swapped
    partner = {first: second, second: first}
    return [
        replace(
            c,
            severity="act",
            fault="swapped",
            fault_strength=1.0,
            partner=partner[c.name],
            reason=f"{first} and {second} have changed places: {joint.reason}",
        )
        if c.name in partner
        else c
        for c in columns
    ]


def _window_severity(columns: list[ColumnDrift], measurable: bool) -> Severity:
    severity = worst([c.severity for c in columns if measurable or c.fault])
    if severity != "act":
        return severity
    carried = sum(c.importance or 0.0 for c in columns if c.severity == "act")
    return "critical" if carried >= CRITICAL_SHARE else "act"


def _shares(importance: Mapping[str, float] | None) -> dict[str, float] | None:
    if not importance:
        return None
    positive = {name: max(0.0, value) for name, value in importance.items()}
    total = sum(positive.values())
    return {name: value / total for name, value in positive.items()} if total > 0 else None


def _rank(column: ColumnDrift) -> tuple[Any, ...]:
    order = {"critical": 0, "act": 1, "watch": 2, "none": 3, "not_measurable": 4}
    return (order[column.severity], not column.fault, -(column.importance or 0.0), -(column.effect or 0.0), column.name)


def _reason(
    columns: Sequence[ColumnDrift],
    counts: WindowCounts,
    thresholds: MonitoringThresholds,
    faults: tuple[str, ...],
    shifted: tuple[str, ...],
    severity: Severity,
    joint: JointDrift | None,
) -> str:
    """What happened in the window as a whole, in sentences."""
    if severity == "not_measurable":
        return (
            f"The window has {counts.rows} rows, fewer than the {thresholds.minimum_rows} that a verdict needs. "
            "Distributions are not compared."
        )
    parts = []
    if faults:
        parts.append(
            f"{len(faults)} column{'s have' if len(faults) > 1 else ' has'} a data-quality fault: {listed(faults)}."
        )
    if shifted:
        top = next(c for c in columns if c.name == shifted[0])
        have = "columns have" if len(shifted) > 1 else "column has"
        parts.append(f"{len(shifted)} {have} shifted, {column_name(top.name)} most ({top.reason}).")
    if joint is not None and not faults and at_least(joint.severity, "watch"):
        parts.append(
            f"No column shifted alone, but columns changed in how they go together: {joint.reason}, {shown_p(joint.p_value)}."
        )
    if not parts:
        tiny = [c for c in columns if c.p_value is not None and c.p_value < thresholds.alpha]
        parts.append(f"No input changed by more than its threshold ({len(columns)} columns, {counts.rows} rows).")
        if tiny:
            parts.append(f"Changed, but too little to matter: {listed([column_name(c.name) for c in tiny])}.")
    for name, other in near_names(columns, counts.extra):
        parts.append(f"{other!r} is new; it may be {name} under another spelling.")
    if counts.extra:
        parts.append(f"Columns that the reference does not have: {listed(counts.extra)}.")
    return " ".join(parts)


def near_names(columns: Sequence[ColumnDrift], extra: Sequence[str]) -> list[tuple[str, str]]:
    """Missing columns with the unknown one that has their name but for case, spaces and underscores."""

    def plain(name: str) -> str:
        return "".join(letter for letter in name.lower() if letter.isalnum())

    missing = [c.name for c in columns if c.fault == "missing_column"]
    return [(name, other) for name in missing for other in extra if plain(name) == plain(other)]
