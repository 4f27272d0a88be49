"""One cause of a window's verdict, quality that was lost by it, and the names of the rules that found it.

Belongs here: what a cause is. Causes are found in `input_causes.py` and `outcome_causes.py` and ranked in `triage.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.severity import Kind, Severity, at_least, worst
from mlops_assets.monitoring.verdict.sentences import Change, clauses


@dataclass(frozen=True)
class Cause:
    """One change that the window shows.

    Attributes:
        kind: of the change.
        severity: before persistence.
        changes: what happened, how large it is and how sure, one entry for each sign of it.
        columns: concerned, the most important first.
        weight: ranks causes of one severity: the importance of the columns concerned, or the size of the change in units of
            the threshold for acting.
        estimated: rests on an estimate, not on outcomes.
        certain: a data-quality fault that no honest change looks like; it ranks before everything it may explain.
        share: of all importance that the columns carry; None where it is not known.
        accumulated: found over several windows together; nothing has to be seen again before it is acted on.
    """

    kind: Kind
    severity: Severity
    changes: tuple[Change, ...]
    columns: tuple[str, ...] = ()
    weight: float = 0.0
    estimated: bool = False
    certain: bool = False
    accumulated: bool = False
    share: float | None = None

    @property
    def evidence(self) -> str:
        """The changes as a clause, statistics last, without a full stop."""
        return clauses(self.changes)


def merged(first: Cause, second: Cause) -> Cause:
    """Two signs of one change as one cause: the graver severity, the evidence of both."""
    return replace(
        first,
        severity=worst([first.severity, second.severity]),
        changes=(*first.changes, *second.changes),
        weight=max(first.weight, second.weight),
    )


@dataclass(frozen=True)
class Loss:
    """Quality below the reference's, by more than chance.

    Attributes:
        severity: of its size.
        change: with its numbers.
        weight: its size in units of the threshold for acting.
    """

    severity: Severity
    change: Change
    weight: float


def alarm_rules(
    cause: Cause,
    drift: DriftVerdict,
    performance: WindowPerformance | None,
    batch: Sequence[Fault],
    alpha: float,
) -> list[str]:
    """Names of the rules behind a cause, in alphabetical order; the same from window to window, so that their precision can
    be counted.

    A data-quality fault names its signs (`missing_values`, `unit_change`, `stale_batch`, ...), a covariate shift
    `input_psi`, `score_psi` or `joint`, and what outcomes show `ranking`, `relation` or `calibration`. What only several
    windows show together is `accumulated`.
    """
    if cause.accumulated:
        return ["accumulated"]
    if cause.kind == "data_quality":
        signs = {c.fault for c in drift.columns if c.fault and c.name in cause.columns}
        return sorted(signs or {fault.sign for fault in batch})
    if cause.kind == "covariate_shift" or cause.estimated:
        shifted = {c.name for c in drift.columns if c.name in cause.columns and at_least(c.severity, "watch")}
        found = {"score_psi" if name == SCORE_COLUMN else "input_psi" for name in shifted}
        return sorted(found) or ["joint"]
    if cause.kind == "label_shift":
        return ["calibration"]
    adjusted = performance.p_adjusted if performance else {}
    return [test for test in ("ranking", "relation") if adjusted.get(test, 1.0) < alpha] or ["relation"]
