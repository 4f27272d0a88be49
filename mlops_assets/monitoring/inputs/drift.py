"""Reference against window, column by column: how large a change is, how sure, and how much it matters.

An alarm needs evidence (a p-value, adjusted over the columns so that their number does not make alarms) *and* size (a
PSI, less what noise alone would give). Signs of a broken feed (`faults.py`) are told apart from a changed population.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import polars as pl

from mlops_assets.monitoring.inputs.cells import comparable_counts, grown_group
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.faults import Fault, find_fault, find_placeholders, find_unit_changes
from mlops_assets.monitoring.inputs.joint import JointDrift, compare_jointly
from mlops_assets.monitoring.inputs.swapped_columns import find_swaps
from mlops_assets.monitoring.severity import Severity, at_least, worst
from mlops_assets.monitoring.verdict.shown import shown_p
from mlops_assets.monitoring.verdict.wording import explain
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import LEAST_PERIODS, as_long_as
from mlops_assets.statistics.counting import ColumnCounts, WindowCounts
from mlops_assets.statistics.homogeneity import chi_square_two_sample
from mlops_assets.statistics.implied_base_rate import implied_base_rate
from mlops_assets.statistics.jensen_shannon import jensen_shannon
from mlops_assets.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from mlops_assets.statistics.multiplicity import benjamini_hochberg
from mlops_assets.statistics.profile import ColumnProfile, Profile
from mlops_assets.statistics.psi import between_psi, net_psi, psi
from mlops_assets.statistics.wasserstein import normalised_wasserstein

HARDLY_USED = 0.01
"""A feature with less than this share of all importance is worth a note; an alarm on it alone is only `watch`."""
CRITICAL_SHARE = 0.5
"""Broken or shifted features that carry this share of all importance make the window critical."""
SCORE_COLUMN = "score"
LOOKS_LIKE_A_SWAP = ("", "new_categories", "renamed_category", "merged_category", "out_of_range")
BASE_RATE_WATCH = 0.2
"""Change of the base rate, relative to it, worth a word: seen in outcomes, or meant by a moved mean score."""
LEAST_EVIDENCE = 30
"""Below the minimum of rows no distribution is judged, but a fault this many rows agree on is still named."""


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
        extra: columns the reference does not know.
        reason: two sentences.
        joint: what the columns show together, looked at where none of them shows anything alone; None where it was not.
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
            ColumnDrift(**{k: v for k, v in column.items() if k in fields}) for column in stored["columns"]
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
        _judge(
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
    if measurable:
        columns = _adjusted(columns, thresholds, shares)
        if sample is not None:
            columns = _with_sample_faults(columns, profile, counts, sample, thresholds, reference_sample)
    joint = None
    quiet = measurable and not any(c.fault or at_least(c.severity, "watch") for c in columns)
    if quiet and sample is not None and reference_sample is not None:
        in_order = any(c.periods for c in profile.columns.values())
        periods = max(LEAST_PERIODS, ceil(profile.rows / counts.rows)) if in_order else 0
        joint = compare_jointly(profile, reference_sample, sample, thresholds, periods=periods)
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
        reason=explain(columns, counts, thresholds, faults, shifted, severity, joint),
        joint=joint,
    )


def regraded(verdict: DriftVerdict, thresholds: MonitoringThresholds) -> DriftVerdict:
    """What `compare` would have said under other `psi_watch` and `psi_act`, from the numbers that it kept.

    Faults, p-values and what the columns show together stay as they were found: they rest on rows that are not kept here.
    """
    columns = [
        c if c.fault or c.p_value is None else _graded(replace(c, severity="none", reason=""), thresholds)
        for c in verdict.columns
    ]
    columns.sort(key=_rank)
    severity = _window_severity(columns, verdict.rows >= thresholds.minimum_rows)
    if verdict.joint is not None:
        severity = worst([severity, verdict.joint.severity])
    shifted = tuple(c.name for c in columns if not c.fault and at_least(c.severity, "watch"))
    return replace(verdict, severity=severity, columns=tuple(columns), shifted=shifted)


def _judge(
    reference: ColumnProfile,
    window: ColumnCounts,
    thresholds: MonitoringThresholds,
    tests: int,
    measurable: bool,
    share: float | None,
    is_score: bool,
) -> ColumnDrift:
    level = thresholds.alpha / max(tests, 1) / 5
    fault = find_fault(reference, window, thresholds, level) if counts_enough(window) else None
    base = ColumnDrift(
        name=reference.name,
        kind=reference.kind,
        statistic="psi",
        value=None,
        effect=None,
        p_value=None,
        raw_p_value=None,
        severity="not_measurable",
        reason=f"{window.rows} rows are fewer than {thresholds.minimum_rows}",
        null_share=window.nulls / window.rows if window.rows else 0.0,
        reference_null_share=reference.nulls / reference.rows,
        new_share=window.new_rows / window.present if window.present else 0.0,
        importance=share,
    )
    if fault is not None:
        base = replace(base, severity="act", reason=fault.text, fault=fault.sign, fault_strength=fault.strength)
    if window.missing or window.wrong_type or not measurable:
        return base
    before, now = comparable_counts(reference, window)
    if before.sum() == 0 or now.sum() == 0:
        return base if fault else replace(base, reason="no value to compare", severity="not_measurable")
    periods = as_long_as(reference.periods, reference.present, window.present)
    test = chi_square_two_sample(before, now, periods)
    distances: dict[str, float | None] = {"jensen_shannon": jensen_shannon(before, now)}
    p_value = test.p_value
    if reference.kind == "numeric":
        smirnov = kolmogorov_smirnov(before, now)
        distances["ks"] = smirnov.statistic
        if periods is None:
            p_value = min(1.0, 2 * min(p_value, smirnov.p_value))
        if None not in (reference.minimum, reference.maximum, window.minimum, window.maximum, reference.std):
            low, high = min(reference.minimum, window.minimum), max(reference.maximum, window.maximum)  # type: ignore[type-var]
            distances["wasserstein"] = normalised_wasserstein(before, now, reference.edges, low, high, reference.std)  # type: ignore[arg-type]
    extra: dict[str, Any] = {}
    if reference.kind == "categorical":
        extra["group"], extra["group_factor"] = grown_group(reference, window, level)
    elif is_score and fault is None:
        moved = implied_base_rate(reference, window, periods)
        if moved is not None:
            p_value = min(1.0, 1.5 * min(p_value, 2 * moved.p_value))
            extra = {"implied_base_rate": moved.window, "reference_base_rate": moved.reference}
    return replace(
        base,
        value=psi(before, now),
        effect=net_psi(before, now, periods),
        variation=between_psi(periods),
        raw_p_value=p_value,
        severity=base.severity if fault else "none",
        reason=base.reason if fault else "",
        **distances,
        **extra,
    )


def counts_enough(window: ColumnCounts) -> bool:
    """Whether a window has the rows for a fault to be more than an accident."""
    return window.rows >= LEAST_EVIDENCE


def _adjusted(
    columns: list[ColumnDrift], thresholds: MonitoringThresholds, shares: Mapping[str, float] | None
) -> list[ColumnDrift]:
    tested = [i for i, c in enumerate(columns) if c.raw_p_value is not None]
    adjusted = benjamini_hochberg([columns[i].raw_p_value or 0.0 for i in tested])
    for i, p_value in zip(tested, adjusted, strict=True):
        columns[i] = _graded(replace(columns[i], p_value=p_value), thresholds)
    return columns


def _graded(column: ColumnDrift, thresholds: MonitoringThresholds) -> ColumnDrift:
    if column.fault:
        return column
    effect, p_value = column.effect or 0.0, column.p_value if column.p_value is not None else 1.0
    if p_value >= thresholds.alpha:
        usual = (
            f"no more than periods of the reference differ by (PSI {column.variation:.2f})" if column.variation else ""
        )
        return replace(column, reason=usual or "no more than chance would bring")
    if effect < thresholds.psi_watch and column.group:
        return replace(
            column,
            severity="watch",
            reason=f"{column.group!r} is {column.group_factor:.1f} times as frequent as it was",
        )
    implied, expected = column.implied_base_rate, column.reference_base_rate
    moved = abs(implied / expected - 1) if implied is not None and expected else 0.0
    if effect < thresholds.psi_watch and moved >= BASE_RATE_WATCH:
        reason = f"as if the base rate had gone from {expected:.3f} to {implied:.3f}"
        return replace(column, severity="watch", reason=reason)
    if effect < thresholds.psi_watch:
        return replace(column, reason=f"changed, but little: PSI {effect:.3f} net of noise")
    severity: Severity = "act" if effect >= thresholds.psi_act else "watch"
    reason = f"PSI {effect:.2f} net of noise, {shown_p(p_value)}"
    if severity == "act" and column.importance is not None and column.importance < HARDLY_USED:
        return replace(column, severity="watch", reason=f"{reason}; the model hardly uses it ({column.importance:.1%})")
    return replace(column, severity=severity, reason=reason)


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
        if (not c.fault or c.fault_strength < 0.5) and _reaches_beyond(profile.columns[c.name], counts.columns[c.name])
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
