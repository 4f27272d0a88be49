"""Registered statistics of every column: what each found, and the alarms that they raise beside the verdict on the column.

An alarm needs evidence and size here as well: a p-value, adjusted over the columns that the statistic is for, and a value from
the policy's limit on. A statistic that fails is not measurable, with the reason, and changes no severity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.monitoring.wording import shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.multiplicity import benjamini_hochberg
from mlops_assets.statistics.statistic import STATISTICS, Change, Statistic, StatisticInputs


@dataclass(frozen=True)
class ColumnStatistic:
    """What a registered statistic found in one column.

    Attributes:
        name: of the statistic.
        value: None where it could not be measured; `reason` then says why.
        p_value: adjusted over the columns; None: the statistic is no test.
        reason: why nothing was measured, or empty.
        code: SHA-256 of the source of a statistic that does not belong to this package; None for one that does.
    """

    name: str
    value: float | None
    p_value: float | None = None
    reason: str = ""
    code: str | None = None

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "ColumnStatistic":
        """Read back what was stored."""
        return cls(**{name: stored[name] for name in cls.__dataclass_fields__ if name in stored})


def measure_columns(columns: Sequence[StatisticInputs]) -> dict[str, tuple[ColumnStatistic, ...]]:
    """Every registered statistic of every column that it is for, by column."""
    found: dict[str, list[ColumnStatistic]] = {column.reference.name: [] for column in columns}
    for name, statistic in STATISTICS.items():
        code = STATISTICS.code(name)
        measured = {c.reference.name: _measured(statistic, c) for c in columns if c.reference.kind in statistic.kinds}
        tested = [column for column, one in measured.items() if one is not None and one.p_value is not None]
        raw = [one.p_value for column in tested if (one := measured[column]) is not None and one.p_value is not None]
        adjusted = dict(zip(tested, benjamini_hochberg(raw), strict=True)) if raw else {}
        for column, one in measured.items():
            if one is not None:
                found[column].append(replace(one, p_value=adjusted.get(column), code=code))
    return {column: tuple(statistics) for column, statistics in found.items()}


def _measured(statistic: Statistic, column: StatisticInputs) -> ColumnStatistic | None:
    """What the statistic found; None where it does not apply."""
    try:
        change = statistic.measure(column)
    except Exception as error:  # a statistic of the bank's own may raise whatever it likes
        return _not_measurable(statistic, f"{type(error).__name__}: {error}")
    if change is None:
        return None
    if not isinstance(change, Change):
        return _not_measurable(statistic, f"measure returned {type(change).__name__}, expected Change or None")
    for what, number in (("value", change.value), ("p_value", change.p_value)):
        if what == "p_value" and number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
            return _not_measurable(statistic, f"found the {what} {number!r}, expected a finite number")
    if change.p_value is not None and not 0 <= change.p_value <= 1:
        return _not_measurable(statistic, f"found the p_value {change.p_value!r}, expected 0 to 1")
    p_value = None if change.p_value is None else float(change.p_value)
    return ColumnStatistic(statistic.name, float(change.value), p_value)


def _not_measurable(statistic: Statistic, why: str) -> ColumnStatistic:
    return ColumnStatistic(statistic.name, None, reason=f"not measurable: {why}")


def alarm(statistics: Sequence[ColumnStatistic], thresholds: MonitoringThresholds) -> tuple[Severity, str]:
    """The gravest alarm of a column's statistics, and the reason for it; `none` without one."""
    severity: Severity = "none"
    reason = ""
    for one in statistics:
        if one.value is None or one.p_value is None or one.p_value >= thresholds.alpha:
            continue
        rule = thresholds.statistics.rule(one.name)
        limits: tuple[tuple[Severity, float | None], ...] = (("act", rule.act), ("watch", rule.watch))
        reached: Severity | None = next(
            (step for step, limit in limits if limit is not None and one.value >= limit), None
        )
        if reached is not None and not at_least(severity, reached):
            severity, reason = reached, f"{one.name} {one.value:.3g}, {shown_p(one.p_value)}"
    return severity, reason
