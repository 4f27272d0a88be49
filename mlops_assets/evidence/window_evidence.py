"""What was measured in the windows of a model, from the reports that monitoring keeps, in the shape that pages show.

Pure: the JSON of `drift` and `performance` in, numbers for pictures and tables out. A window without a report, or whose
report says nothing, is a gap and never a zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.evidence.plots import Interval

LEADING = ("roc_auc", "rmse", "log_loss", "accuracy")
"""The metric that a model is watched by: the first of these that is measured."""
GRAVITY = {"none": 0, "not_measurable": 0, "watch": 1, "act": 2, "critical": 3}


@dataclass(frozen=True)
class GroupRow:
    """One group of a protected attribute in a window.

    Attributes:
        attribute, group: which.
        rows: of the window with a known outcome.
        rate: favourable decisions with interval; None where the group is too small, or nothing is decided.
        measure: what is compared with all other groups.
        gap_then, gap_now: the group against the others in it, on held-out rows and in the window.
        least: smallest change of the gap that would have been seen.
        note: why it was not measured.
    """

    attribute: str
    group: str
    rows: int
    rate: Interval | None
    measure: str
    gap_then: float | None
    gap_now: float | None
    least: float | None
    note: str


@dataclass(frozen=True)
class OutcomeReports:
    """What became of the reports of a source of outcomes of its own: of all of them, not of one window's.

    Attributes:
        places: how many are in which place, as `datasets/outcome_source.py` names them.
        reasons: those in quarantine by reason.
    """

    places: Mapping[str, int]
    reasons: Mapping[str, int]

    @property
    def quarantined(self) -> int:
        """How many could not be used."""
        return self.places.get("quarantined", 0)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.places.values())

    @property
    def summary(self) -> str:
        """How many are in quarantine, of how many."""
        verb = "is" if self.quarantined == 1 else "are"
        return f"{self.quarantined:,} of {self.total:,} reports of outcomes {verb} in quarantine"

    @property
    def why(self) -> str:
        """The reasons, most frequent first; empty where none is in quarantine."""
        ordered = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        return "; ".join(f"{reason} ({count:,})" for reason, count in ordered)


@dataclass(frozen=True)
class WindowEvidence:
    """One window as measured.

    Attributes:
        window: its start.
        rows: scored, None where unknown.
        columns: severity by column.
        metrics: value with interval by name, on matured outcomes.
        references: what the version did on held-out rows, by the same names.
        outcomes: how many had matured.
        estimated: value with interval by name, where outcomes had not matured.
        estimates: what estimates for earlier windows turned out to be worth.
        drivers: how what drives the scores differs from the reference.
        groups: of protected attributes.
        joined: counts of the join of predictions with outcomes, by name (`scoring/outcomes.py`, `OutcomeSummary`).
        reports: of a source of outcomes of its own, when the window's outcomes were read; None where there is none.
    """

    window: str
    rows: int | None
    columns: Mapping[str, str]
    metrics: Mapping[str, Interval]
    references: Mapping[str, float]
    outcomes: int | None
    estimated: Mapping[str, Interval]
    estimates: str = ""
    drivers: str = ""
    groups: tuple[GroupRow, ...] = ()
    joined: Mapping[str, Any] = field(default_factory=dict)
    reports: OutcomeReports | None = None


def window_evidence(
    window: str,
    drift: Mapping[str, Any] | None,
    performance: Mapping[str, Any] | None,
    outcomes: Mapping[str, Any] | None = None,
) -> WindowEvidence:
    """Read one window's results; None where there is none."""
    measured = (performance or {}).get("performance") or {}
    metrics = measured.get("metrics") or {}
    return WindowEvidence(
        window=window,
        rows=(drift or {}).get("rows"),
        columns={str(c["name"]): str(c["severity"]) for c in (drift or {}).get("columns") or []},
        metrics=_intervals(metrics),
        references={n: float(m["reference"]) for n, m in metrics.items() if m.get("reference") is not None},
        outcomes=measured.get("n"),
        estimated=_intervals(((performance or {}).get("estimate") or {}).get("metrics") or {}),
        estimates=((performance or {}).get("estimate_record") or {}).get("reason") or "",
        drivers=((drift or {}).get("attribution") or {}).get("reason") or "",
        groups=_groups(measured),
        joined=(performance or {}).get("outcomes") or {},
        reports=outcome_reports(outcomes),
    )


def outcome_reports(outcomes: Mapping[str, Any] | None) -> OutcomeReports | None:
    """The reports of outcomes in the result of the stage `outcomes`; None where outcomes come with the inputs."""
    found = (outcomes or {}).get("reports") or {}
    return OutcomeReports(found["places"], found["reasons"]) if found else None


def leading_metric(windows: Sequence[WindowEvidence]) -> str:
    """The metric that is drawn over time; empty when nothing was measured."""
    names = {name for w in windows for name in (*w.metrics, *w.estimated)}
    return next((name for name in LEADING if name in names), min(names, default=""))


def heat(windows: Sequence[WindowEvidence], limit: int = 24) -> tuple[list[str], list[list[str]], int]:
    """Severity of columns over windows, the columns that moved most first.

    Args:
        windows: in order of time.
        limit: columns shown.

    Returns:
        Names, one row of severities a column (`not_measurable` where a window has no report), and how many further
        columns there are.
    """
    names = list(dict.fromkeys(name for w in windows for name in w.columns))
    weight = {name: sum(GRAVITY.get(w.columns.get(name, "none"), 0) ** 2 for w in windows) for name in names}
    ordered = sorted(names, key=lambda name: -weight[name])[:limit]
    rows = [[w.columns.get(name, "not_measurable") for w in windows] for name in ordered]
    return ordered, rows, len(names) - len(ordered)


def _intervals(metrics: Mapping[str, Any]) -> dict[str, Interval]:
    return {
        name: Interval(name, float(m["value"]), m.get("low"), m.get("high"))
        for name, m in metrics.items()
        if m.get("value") is not None
    }


def _groups(measured: Mapping[str, Any]) -> tuple[GroupRow, ...]:
    """Groups with the first of their gaps: of two groups one gap says all, and the other has none."""
    gaps: dict[tuple[str, str], Mapping[str, Any]] = {}
    for change in measured.get("group_changes") or []:
        gaps.setdefault((change["attribute"], change["group"]), change)
    rows = []
    for attribute in (measured.get("fairness") or {}).get("attributes") or []:
        for group in attribute["groups"]:
            gap = gaps.get((attribute["attribute"], group["group"]), {})
            rate = group.get("selection_rate")
            rows.append(
                GroupRow(
                    attribute=attribute["attribute"],
                    group=group["group"],
                    rows=int(group["n"]),
                    rate=Interval("selection_rate", rate, group.get("low"), group.get("high"))
                    if rate is not None
                    else None,
                    measure=str(gap.get("measure") or ""),
                    gap_then=gap.get("reference_gap"),
                    gap_now=gap.get("window_gap"),
                    least=gap.get("smallest_detectable"),
                    note=group.get("reason") or "",
                )
            )
    return tuple(rows)
