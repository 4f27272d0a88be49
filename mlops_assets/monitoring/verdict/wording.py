"""A window's drift in words.

Belongs here: sentences. What they say is found in `drift.py`.
"""

from collections.abc import Sequence
from typing import Any

from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.joint import JointDrift
from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import WindowCounts


def explain(
    columns: Sequence[ColumnDrift],
    counts: WindowCounts,
    thresholds: MonitoringThresholds,
    faults: tuple[str, ...],
    shifted: tuple[str, ...],
    severity: Severity,
    joint: JointDrift | None,
) -> str:
    """Two sentences on a whole window."""
    if severity == "not_measurable":
        return (
            f"The window has {counts.rows} rows, fewer than the {thresholds.minimum_rows} that a verdict needs. "
            "Nothing is said about its distributions."
        )
    parts = []
    if faults:
        parts.append(f"{len(faults)} column{'s look' if len(faults) > 1 else ' looks'} broken: {_list(faults)}.")
    if shifted:
        top = next(c for c in columns if c.name == shifted[0])
        have = "columns have" if len(shifted) > 1 else "column has"
        parts.append(f"{len(shifted)} {have} shifted, most of all {top.name} ({top.reason}).")
    if joint is not None and not faults and at_least(joint.severity, "watch"):
        parts.append(f"No column has shifted alone, but together they have: {joint.reason}.")
    if not parts:
        tiny = [c for c in columns if c.p_value is not None and c.p_value < thresholds.alpha]
        parts.append(f"None of {len(columns)} columns changed by more than its threshold in {counts.rows} rows.")
        if tiny:
            parts.append(f"Changed for certain, but too little to matter: {_list([c.name for c in tiny])}.")
    for name, other in near_names(columns, counts.extra):
        parts.append(f"{other!r} is new: it may be {name}, written otherwise.")
    if counts.extra:
        parts.append(f"Columns the reference does not know: {_list(counts.extra)}.")
    return " ".join(parts)


def _list(names: Any, most: int = 8) -> str:
    names = list(names)
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def near_names(columns: Sequence[ColumnDrift], extra: Sequence[str]) -> list[tuple[str, str]]:
    """Missing columns with the unknown one that has their name but for case, spaces and underscores."""

    def plain(name: str) -> str:
        return "".join(letter for letter in name.lower() if letter.isalnum())

    missing = [c.name for c in columns if c.fault == "missing_column"]
    return [(name, other) for name in missing for other in extra if plain(name) == plain(other)]
