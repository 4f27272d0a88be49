"""What kind of change a window shows, how grave it is, and what to do: the verdict `health`.

Several causes may be true at once. Each is named with its evidence and ranked; the first gives the window its `kind`.
Causes that inputs show (`input_causes.py`) are known at once; those that only outcomes show (`outcome_causes.py`) are
listed as unknown until outcomes have matured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.monitoring.severity import SEVERITIES, Kind, Severity, at_least, worst
from mlops_assets.monitoring.verdict.accumulated import Accumulated
from mlops_assets.monitoring.verdict.accumulated_causes import accumulated_causes
from mlops_assets.monitoring.verdict.causes import Cause, Loss, merged
from mlops_assets.monitoring.verdict.input_causes import (
    batch_causes,
    covariate_shift_causes,
    data_quality_causes,
    implied_base_rate_causes,
)
from mlops_assets.monitoring.verdict.outcome_causes import base_rate_causes, new_class_causes, relation_causes
from mlops_assets.monitoring.verdict.persistence import Earlier, after_persistence, run_before
from mlops_assets.monitoring.verdict.sentences import (
    NEEDS_OUTCOMES,
    finding,
    outcomes_agree,
    outcomes_not_known,
    quality_not_measurable,
    same_meaning,
    too_small,
    what_to_do,
)
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

EXPLAINS = 0.1
"""Share of all importance from which broken columns may explain a loss, and block what would be done about it otherwise."""
LOSS = "performance_loss"
"""Key of lost performance without a changed relation, among the actions of a policy and severities before persistence."""
ANSWERED = ("data_quality", "covariate_shift", "label_shift", "concept_drift", LOSS)
"""What a policy attaches actions to."""


@dataclass(frozen=True)
class Health:
    """The verdict on one window.

    Attributes:
        severity: after persistence: `act` and worse only where a change was seen in k of the last n windows, or where data
            are certainly broken. Never above the severity of every cause.
        kind: of the first cause.
        causes: ranked.
        actions: that the policy attaches to the first cause, when it is worth acting on, and to lost performance beside
            it; empty otherwise.
        columns: of the first cause.
        reasons: sentences: what happened, and what to do.
        raw: severity by kind, and of lost performance without a changed relation, before persistence; handed to later
            windows as `Earlier`.
        unknown: what cannot be known yet.
    """

    severity: Severity
    kind: Kind
    causes: tuple[Cause, ...]
    actions: tuple[str, ...]
    columns: tuple[str, ...]
    reasons: tuple[str, ...]
    raw: dict[str, Severity]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        found = asdict(self)
        for cause, shown in zip(self.causes, found["causes"], strict=True):
            shown["evidence"] = cause.evidence
        return found


def triage(
    drift: DriftVerdict,
    performance: WindowPerformance | None,
    earlier: Sequence[Earlier],
    thresholds: MonitoringThresholds,
    response: Mapping[str, Sequence[str]],
    *,
    batch: Sequence[Fault] = (),
    segment: Segment | None = None,
    score: str = SCORE_COLUMN,
    accumulated: Sequence[Accumulated] = (),
) -> Health:
    """Give the verdict.

    Args:
        drift: what inputs and score show.
        performance: what matured outcomes show; None while there are none.
        earlier: the windows before this one under the same champion, oldest first.
        thresholds: sizes, levels and persistence.
        response: actions by kind, and for `performance_loss`.
        batch: signs that the delivery as a whole is broken (`batches.py`).
        segment: the part of the rows that a changed relation is confined to, where there is one.
        score: column that holds the model's scores, if any does.
        accumulated: changes that this window and the ones before it show together.
    """
    found = [*batch_causes(batch), *data_quality_causes(drift)]
    if performance is not None:
        found += new_class_causes(performance, thresholds)
    loss = None
    if performance is not None and performance.measurable:
        changes, loss = _with_outcomes(drift, performance, thresholds, segment, score)
        found += changes
    else:
        found += implied_base_rate_causes(drift, score) or covariate_shift_causes(drift, score)
    metric = performance.ranking.metric if performance is not None and performance.ranking is not None else "quality"
    found += accumulated_causes(accumulated, found, drift, thresholds, metric, score)
    unknown = _unknown(performance)
    if not found:
        known = performance is not None and performance.measurable
        coarse = performance is not None and known and performance.severity == "not_measurable"
        measurable = not coarse and (drift.severity != "not_measurable" or known)
        severity: Severity = "none" if measurable else "not_measurable"
        return Health(severity, "none", (), (), (), _nothing_found(drift, performance, severity), {}, unknown)
    raw = _by_kind(found, loss)
    lost = after_persistence(LOSS, loss.severity, earlier, thresholds) if loss is not None else "none"
    ranked = _ranked(found, loss, lost, earlier, thresholds)
    first = ranked[0][0]
    severity = worst([held for _, held in ranked])
    actions = _actions(ranked, severity, lost, response)
    causes = tuple(cause for cause, _ in ranked)
    asked = what_to_do(
        first.kind,
        actions,
        act=at_least(severity, "act"),
        waits=at_least(raw[first.kind], "act"),
        persistence=(thresholds.persistence_k, thresholds.persistence_n),
        others=[cause.kind for cause in causes[1:]],
    )
    reasons = (finding(first.changes, run_before(first.kind, earlier)), asked)
    return Health(severity, first.kind, causes, actions, first.columns, reasons, raw, unknown)


def _with_outcomes(
    drift: DriftVerdict,
    performance: WindowPerformance,
    thresholds: MonitoringThresholds,
    segment: Segment | None,
    score: str,
) -> tuple[list[Cause], Loss | None]:
    """Causes beside data quality where outcomes are known, and performance that was lost without a changed relation."""
    inputs = covariate_shift_causes(drift, score)
    base_rate = base_rate_causes(performance, thresholds, inputs, score)
    relation, loss = relation_causes(performance, thresholds, inputs, bool(base_rate), segment, score)
    followed = [c for c in base_rate if c.kind == "concept_drift"]
    if followed and relation:
        # One changed relation: what grades show, and that outcomes as a whole did not follow the inputs.
        relation = [merged(relation[0], followed[0])]
        base_rate = []
    if base_rate and not followed and all(c.columns == (score,) for c in inputs):
        # Scores that moved alone follow from the base rate, where inputs are related to the outcome.
        inputs = []
    return [*inputs, *relation, *base_rate], loss


def _by_kind(causes: Sequence[Cause], loss: Loss | None) -> dict[str, Severity]:
    raw: dict[str, Severity] = {}
    for cause in sorted(causes, key=_order):
        raw[cause.kind] = worst([raw.get(cause.kind, "not_measurable"), cause.severity])
    if loss is not None:
        raw[LOSS] = loss.severity
    return raw


def _ranked(
    causes: Sequence[Cause],
    loss: Loss | None,
    lost: Severity,
    earlier: Sequence[Earlier],
    thresholds: MonitoringThresholds,
) -> list[tuple[Cause, Severity]]:
    """Causes with their severities after persistence, the first to be named first.

    Performance that was lost without a changed relation belongs to the change that explains it, and raises its severity.
    """
    explaining = next((i for i, cause in enumerate(causes) if cause.kind != "data_quality"), None)
    found: list[tuple[Cause, Severity]] = []
    for i, cause in enumerate(causes):
        sure = cause.certain or cause.accumulated
        held = cause.severity if sure else after_persistence(cause.kind, cause.severity, earlier, thresholds)
        if loss is not None and i == explaining:
            cause = _with_loss(cause, loss)
            held = worst([held, lost])
        found.append((cause, held))
    found.sort(key=lambda pair: _order(pair[0]))
    return sorted(found, key=lambda pair: (-pair[0].certain, -SEVERITIES.index(pair[1])))


def _with_loss(cause: Cause, loss: Loss) -> Cause:
    return replace(
        cause,
        severity=worst([cause.severity, loss.severity]),
        changes=(*cause.changes, loss.change, same_meaning()),
        weight=max(cause.weight, loss.weight),
    )


def _order(cause: Cause) -> tuple[float, ...]:
    # Data that are certainly broken explain what follows from them (moved scores, lost performance), not the other way.
    return (-cause.certain, -SEVERITIES.index(cause.severity), -cause.weight, cause.kind != "data_quality")


def _actions(
    ranked: Sequence[tuple[Cause, Severity]], severity: Severity, lost: Severity, response: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """What the policy attaches to the first cause, and to every other change that is to be acted on by itself.

    After a fault the others count only where the fault's columns are too unimportant to explain them: what broken data lose
    otherwise comes back when they are repaired.
    """
    first = ranked[0][0]
    actions = [*response.get(first.kind, ())] if at_least(severity, "act") else []
    if first.kind != "data_quality" or (first.share is not None and first.share < EXPLAINS):
        for cause, held in ranked[1:]:
            # A fault that is not the first cause is reported, and sets no window aside.
            if at_least(held, "act") and not cause.estimated and cause.kind != "data_quality":
                actions += response.get(cause.kind, ())
        if at_least(lost, "act"):
            actions += response.get(LOSS, ())
    actions = tuple(dict.fromkeys(actions))
    if first.estimated:
        # Without outcomes there is nothing new to learn from, and an estimate stops nothing.
        actions = tuple(a for a in actions if a not in ("retrain", "suspend"))
    return actions


def _unknown(performance: WindowPerformance | None) -> tuple[str, ...]:
    if performance is not None and performance.measurable:
        return ()
    return (NEEDS_OUTCOMES,)


def _nothing_found(drift: DriftVerdict, performance: WindowPerformance | None, severity: Severity) -> tuple[str, ...]:
    known = performance if performance is not None and performance.measurable else None
    if severity == "not_measurable":
        return (drift.reason, quality_not_measurable(known.reasons[0]) if known else too_small())
    if known is None:
        return (drift.reason, outcomes_not_known())
    if known.ranking is None:
        return (drift.reason, outcomes_agree("", None))
    return (drift.reason, outcomes_agree(known.ranking.metric, known.ranking.smallest_detectable))
