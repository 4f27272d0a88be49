"""What kind of change a window shows, how grave it is, and what is to be done: the verdict `health`.

Several causes may be true at once. Each is named with its evidence and ranked; the first gives the window its `kind`.
What inputs can tell (a broken feed, another population) is known at once; what only outcomes can tell (another base
rate, another relation) waits for them, and is said to be unknown until then.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.monitoring.severity import SEVERITIES, Kind, Severity, at_least, worst
from mlops_assets.monitoring.verdict.causes import Cause, Loss
from mlops_assets.monitoring.verdict.outcome_causes import base_rate_causes, relation_causes
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

CERTAIN = 0.5
"""Strength from which a fault is taken as one, whatever else has changed; a weaker one is ranked by what it carries."""
UNMISTAKABLE = 0.9
"""Strength from which a fault is one even where much else has moved."""
MUCH_MOVED = 0.3
ADVICE: dict[Kind, str] = {
    "none": "",
    "data_quality": "The feed must be repaired before these rows are used; retraining on them would learn the fault.",
    "covariate_shift": "Whether a model still does well on these inputs must be looked at.",
    "label_shift": "Scores must be calibrated anew before they are used as probabilities.",
    "concept_drift": "A model of the reference must be trained again, or suspended.",
}
"""What follows where no policy attaches an action."""
LOSS = "performance_loss"
"""Key of lost quality that is no changed relation, among the actions of a policy and the severities before persistence."""
ANSWERED = ("data_quality", "covariate_shift", "label_shift", "concept_drift", LOSS)
"""What a policy attaches actions to."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier window found, as persistence needs it: severity by kind (and of a loss), before persistence."""

    window: str
    raw: Mapping[str, Severity] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    """The verdict on one window.

    Attributes:
        severity: after persistence: `act` and worse only where it was seen in k of the last n windows, or where the
            feed is broken.
        kind: of the first cause.
        causes: ranked.
        actions: what the policy attaches to the first cause, when it is worth acting on, and to lost quality that comes
            with it; empty otherwise.
        columns: of the first cause.
        reasons: two sentences: what was found, and what follows.
        raw: severity by kind, and of lost quality that is no changed relation, before persistence; handed to later
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
        return asdict(self)


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
) -> Health:
    """Give the verdict.

    Args:
        drift: what inputs and score show.
        performance: what matured outcomes show; None while there are none.
        earlier: the windows before this one under the same champion, oldest first.
        thresholds: thresholds and persistence.
        response: actions by kind, and for `performance_loss`.
        batch: signs that the delivery as a whole is broken (`batches.py`).
        segment: the part of the rows that a changed relation is confined to, where there is one.
        score: column that holds the model's scores, if any does.
    """
    found, loss = _causes(drift, performance, thresholds, batch, segment, score)
    causes = sorted(found, key=_order)
    raw: dict[str, Severity] = {}
    for cause in causes:
        raw[cause.kind] = worst([cause.severity, *(c.severity for c in causes if c.kind == cause.kind)])
    if loss is not None:
        raw[LOSS] = loss.severity
    unknown = _unknown(performance)
    if not causes:
        measurable = drift.severity != "not_measurable" or bool(performance and performance.measurable)
        severity: Severity = "none" if measurable else "not_measurable"
        return Health(severity, "none", (), (), (), _calm(drift, performance, severity), raw, unknown)
    held: list[Severity] = [
        cause.severity if cause.certain else _held(cause.kind, cause.severity, earlier, thresholds) for cause in causes
    ]
    lost: Severity = _held(LOSS, loss.severity, earlier, thresholds) if loss is not None else "none"
    severity = worst([*held, lost])
    # Ranking is by what stands after persistence; within that, causes keep their order.
    ranks = sorted(range(len(causes)), key=lambda i: (-causes[i].certain, -SEVERITIES.index(held[i]), i))
    ranked = tuple(causes[i] for i in ranks)
    first = ranked[0]
    actions = tuple(response.get(first.kind, ())) if at_least(severity, "act") else ()
    if at_least(lost, "act") and first.kind != "data_quality":
        # What a broken feed loses comes back with the feed.
        actions = tuple(dict.fromkeys([*actions, *response.get(LOSS, ())]))
    if first.estimated:
        # Without outcomes there is nothing new to learn from, and an estimate stops nothing.
        actions = tuple(a for a in actions if a not in ("retrain", "suspend"))
    return Health(
        severity,
        first.kind,
        ranked,
        actions,
        first.columns,
        _sentences(first, ranked, severity, raw, actions),
        raw,
        unknown,
    )


def _causes(
    drift: DriftVerdict,
    performance: WindowPerformance | None,
    thresholds: MonitoringThresholds,
    batch: Sequence[Fault],
    segment: Segment | None,
    score: str,
) -> tuple[list[Cause], Loss | None]:
    found = [*_broken_batch(batch), *_data_quality_faults(drift)]
    if performance is not None and performance.measurable:
        population = _population(drift, score)
        told = base_rate_causes(performance, thresholds, population, score)
        relation, loss = relation_causes(performance, thresholds, bool(population), bool(told), segment)
        told = [*relation, *told]
        if any(c.kind == "label_shift" for c in told) and all(c.columns == (score,) for c in population):
            # Scores that moved by themselves are what a base rate does that inputs tell of.
            population = []
        explaining = [*population, *told]
        if loss is not None:
            explaining[0] = _with_loss(explaining[0], loss)
        return [*found, *explaining], loss
    implied = _implied_base_rate(drift, score)
    return [*found, *(implied or _population(drift, score))], None


def _with_loss(cause: Cause, loss: Loss) -> Cause:
    """The cause with the quality that was lost by it."""
    return replace(
        cause,
        evidence=f"{cause.evidence}; {loss.text} with it, while the same scores mean what they meant",
        weight=max(cause.weight, loss.weight),
    )


def _broken_batch(batch: Sequence[Fault]) -> list[Cause]:
    if not batch:
        return []
    return [Cause("data_quality", "act", "; ".join(f.text for f in batch), (), 1.0, certain=True)]


def _implied_base_rate(drift: DriftVerdict, name: str) -> list[Cause]:
    """Scores that moved while inputs hardly did: another base rate is the likeliest; only outcomes can confirm it."""
    score = next((c for c in drift.columns if c.name == name), None)
    if score is None or score.implied_base_rate is None or score.fault or not at_least(score.severity, "watch"):
        return []
    if any(at_least(c.severity, "watch") for c in drift.columns if c.name != name):
        return []
    text = (
        f"no input moved by more than its threshold, but the scores did, as if the base rate had gone from "
        f"{score.reference_base_rate:.3f} to {score.implied_base_rate:.3f} (an estimate; outcomes are not known yet)"
    )
    return [Cause("label_shift", score.severity, text, (name,), 0.5, estimated=True)]


def _data_quality_faults(drift: DriftVerdict) -> list[Cause]:
    broken = [c for c in drift.columns if c.fault]
    if not broken:
        return []
    carried = _carried(broken, len(drift.columns))
    severity: Severity = "critical" if carried >= 0.5 else "act"
    # Of two columns that changed places both say so.
    told = list(dict.fromkeys(c.reason for c in broken))
    text = "; ".join(told[:8]) + (f"; and {len(told) - 8} more columns" if len(told) > 8 else "")
    strength = 1 - math.prod(1 - c.fault_strength for c in broken)
    names = tuple(c.name for c in broken)
    others = [c for c in drift.columns if not c.fault]
    moved = sum(at_least(c.severity, "watch") for c in others)
    # Where much else has moved, a value that took a whole column may have come with other people, not with a feed.
    explained = moved >= MUCH_MOVED * max(len(others), 1) and max(c.fault_strength for c in broken) < UNMISTAKABLE
    certain = strength >= CERTAIN and not explained
    return [Cause("data_quality", severity, text, names, carried * strength, certain=certain)]


def _population(drift: DriftVerdict, score: str) -> list[Cause]:
    shifted = [c for c in drift.columns if not c.fault and at_least(c.severity, "watch")]
    inputs = [c for c in shifted if c.name != score]
    if not shifted:
        return _together(drift)
    severity = worst([c.severity for c in shifted])
    named = inputs or shifted
    text = ", ".join(f"{c.name} ({c.reason})" for c in named[:4])
    if len(named) > 4:
        text += f" and {len(named) - 4} more columns"
    if any(c.name == score for c in shifted):
        text += "; the scores have moved with them" if inputs else " have moved while no single input did"
    return [Cause("covariate_shift", severity, text, tuple(c.name for c in named), _carried(named, len(drift.columns)))]


def _together(drift: DriftVerdict) -> list[Cause]:
    """Inputs that changed only in how they go together; two that have changed places are a fault, named as one."""
    joint = drift.joint
    if joint is None or joint.swapped or not at_least(joint.severity, "watch"):
        return []
    concerned = [c for c in drift.columns if c.name in joint.columns]
    text = f"no input moved by more than its threshold, but {joint.reason}"
    return [Cause("covariate_shift", joint.severity, text, joint.columns, _carried(concerned, len(drift.columns)))]


def _carried(columns: Sequence[ColumnDrift], of: int) -> float:
    """Share of all importance that columns carry; where it is not known, their share of the columns."""
    if any(c.importance is not None for c in columns):
        return sum(c.importance or 0.0 for c in columns)
    return len(columns) / max(of, 1)


def _held(kind: str, severity: Severity, earlier: Sequence[Earlier], thresholds: MonitoringThresholds) -> Severity:
    """Severity after persistence: acting on a change needs it in k of the last n windows, this one included."""
    if not at_least(severity, "act"):
        return severity
    recent = list(earlier)[-(thresholds.persistence_n - 1) :] if thresholds.persistence_n > 1 else []
    seen = 1 + sum(at_least(window.raw.get(kind, "none"), "act") for window in recent)
    return severity if seen >= thresholds.persistence_k else "watch"


def _order(cause: Cause) -> tuple[float, ...]:
    # A feed that is broken for certain explains what follows from it (moved scores, lost ranking), not the other way.
    return (-cause.certain, -SEVERITIES.index(cause.severity), -cause.weight, cause.kind != "data_quality")


def _unknown(performance: WindowPerformance | None) -> tuple[str, ...]:
    if performance is not None and performance.measurable:
        return ()
    return ("label_shift and concept_drift show in outcomes, and too few of them are known",)


def _calm(drift: DriftVerdict, performance: WindowPerformance | None, severity: Severity) -> tuple[str, ...]:
    if severity == "not_measurable":
        return (drift.reason, "No verdict is given; the window is too small.")
    seen = (
        "Outcomes agree with the scores."
        if performance is not None and performance.measurable
        else ("Whether outcomes still agree with the scores is not known yet.")
    )
    return (drift.reason, seen)


def _sentences(
    first: Cause, ranked: Sequence[Cause], severity: Severity, raw: Mapping[str, Severity], actions: Sequence[str]
) -> tuple[str, ...]:
    said = f"{first.kind.replace('_', ' ').capitalize()}: {first.evidence}."
    if actions:
        follows = f"Policy: {', '.join(a.replace('_', ' ') for a in actions)}."
    elif at_least(severity, "act"):
        follows = ADVICE[first.kind]
    elif at_least(raw[first.kind], "act"):
        follows = "It is watched: it must be seen in more windows before anything is done."
    else:
        follows = "Nothing is to be done but to watch."
    others = [c.kind.replace("_", " ") for c in ranked[1:]]
    if others:
        follows += f" Also true: {', '.join(dict.fromkeys(others))}."
    return (said, follows)
