"""What would have been said of recorded windows under another policy: severity, kind and actions, replayed.

Each verdict is given again from the evidence that was kept beside it (its digest is in the record), under both policies,
window by window, so that persistence is counted over replayed windows as well. Nothing is measured anew: a threshold
that is applied while rows are counted cannot be replayed, and that is said. Which version decided, and what was trained, is
taken as it was: a replay shows what this policy would have said of these windows, not the history that would have followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.policy_replay import tightened
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.monitoring.inputs.drift import regraded
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.severity import SEVERITIES, Severity
from mlops_assets.monitoring.verdict.accumulated import Judged, accumulate
from mlops_assets.monitoring.verdict.fleet_control import FleetControl, hold_to_fleet
from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import ANSWERED, Health, triage
from mlops_assets.monitoring.window_results import DRIFT, PERFORMANCE
from mlops_assets.policy.policy import Policy, effective
from mlops_assets.stores.home import Home
from mlops_assets.stores.results import ResultError, WindowResults

REPLAYED = frozenset(
    f"{name}_{limit}"
    for name in ("psi", "performance_drop", "calibration", "bias", "relation")
    for limit in ("watch", "act")
) | {"persistence_k", "persistence_n", "statistics"}
"""Fields of `monitoring` that are held against numbers which the evidence keeps."""
NO_BEARING = frozenset({"jeffreys_alpha", "fairness_watch", "fairness_act", "estimate_score_shift"})
"""Fields that no verdict depends on: what they bear on stands beside it."""


@dataclass(frozen=True)
class VerdictChange:
    """One recorded verdict that another policy would have given otherwise.

    Attributes:
        model: name.
        window: its start; empty where it is about all of a model's windows.
        seq: of the record; 0 where it is about several.
        before: severity, kind and actions under the current policy.
        after: the same under the proposed one; None where it cannot be replayed.
        effect: graver, milder, other actions (or kind) at the same severity, or beyond replay.
        reason: the proposed verdict's, or why there is none.
    """

    model: str
    window: str
    seq: int
    before: str
    after: str | None
    effect: Literal["raises", "lowers", "acts_otherwise", "cannot_replay"]
    reason: str


def verdict_changes(
    ledger: Ledger,
    home: Home,
    current: Mapping[str, Policy],
    proposed: Mapping[str, Policy],
    declarations: Mapping[str, Declaration],
) -> list[VerdictChange]:
    """Replay the last verdict on each window under both policies, and list what differs, by model and window.

    Args:
        ledger: with the verdicts.
        home: where the evidence of windows is kept.
        current: policies in force, by tier.
        proposed: policies to try, by tier.
        declarations: of the models, by name; what each tightens holds under both policies.
    """
    changes: list[VerdictChange] = []
    for model, declaration in sorted(declarations.items()):
        tier = declaration.tier.value
        if tier not in current or tier not in proposed:
            continue
        ours, theirs = effective(current[tier], declaration.policy), tightened(proposed[tier], declaration.policy)
        differing = {f for f in type(ours.monitoring).model_fields if _of(ours, f) != _of(theirs, f)} - NO_BEARING
        if not differing and all(ours.actions(kind) == theirs.actions(kind) for kind in ANSWERED):
            continue
        last = {record.subject: record for record in ledger.of(HealthVerdict, model=model)}
        verdicts = [last[window] for window in sorted(last)]
        if not verdicts:
            continue
        beyond = sorted(differing - REPLAYED)
        if beyond:
            why = (
                f"{', '.join(f'monitoring.{name}' for name in beyond)} is applied while rows are counted, and no record keeps "
                "rows; try it with mlops drift on the tables"
            )
            changes.append(VerdictChange(model, "", 0, f"{len(verdicts)} verdicts", None, "cannot_replay", why))
            continue
        changes += _of_model(home, model, verdicts, ours, theirs)
    return changes


def _of(policy: Policy, field: str) -> Any:
    return getattr(policy.monitoring, field)


def _of_model(
    home: Home, model: str, verdicts: list[Record[HealthVerdict]], ours: Policy, theirs: Policy
) -> list[VerdictChange]:
    changes: list[VerdictChange] = []
    # What each window showed before persistence, by version, under the one policy and the other.
    seen: dict[str, tuple[list[Earlier], list[Earlier]]] = {}
    for record in verdicts:
        event = record.event
        before_them = seen.setdefault(event.version, ([], []))
        try:
            old, new = (
                _again(home, record, policy, earlier)
                for policy, earlier in zip((ours, theirs), before_them, strict=True)
            )
        except (ResultError, KeyError, TypeError, ValueError) as error:
            recorded = _words(event.severity, event.kind, event.action)
            changes.append(
                VerdictChange(
                    model,
                    record.subject,
                    record.seq,
                    recorded,
                    None,
                    "cannot_replay",
                    f"the recorded evidence cannot be used: {error}",
                )
            )
            for earlier in before_them:
                raw = cast(Mapping[str, Severity], event.raw)
                earlier.append(Earlier(record.subject, raw, event.accumulates, record.seq))
            continue
        for earlier, health in zip(before_them, (old, new), strict=True):
            earlier.append(Earlier(record.subject, health.raw, event.accumulates, record.seq))
        was, now = (_words(health.severity, health.kind, health.actions) for health in (old, new))
        if was != now:
            changes.append(
                VerdictChange(model, record.subject, record.seq, was, now, _effect(old, new), new.reasons[0])
            )
    return changes


def _again(home: Home, record: Record[HealthVerdict], policy: Policy, earlier: list[Earlier]) -> Health:
    """The verdict under a policy; raises what says that its evidence is not there, or is another."""
    event = record.event
    results, recorded = WindowResults(home.reports, record.model, record.subject), event.evidence
    drift = regraded(results.read(DRIFT, recorded[DRIFT.name]).verdict, policy.monitoring)
    performance = results.read(PERFORMANCE, recorded[PERFORMANCE.name])
    # A feed that is broken as a whole is the one cause of its kind that names no column.
    batch = [cause.evidence for cause in event.causes if cause.kind == "data_quality" and not cause.columns]
    windows = [Judged(w.window, w.evidence, w.arrived) for w in earlier if w.evidence is not None]
    if event.accumulates is not None:
        windows.append(Judged(record.subject, event.accumulates, record.seq))
    found = triage(
        drift,
        performance.performance,
        earlier,
        policy.monitoring,
        {kind: policy.actions(kind) for kind in ANSWERED},
        batch=[Fault("stale_batch", text, 0.0) for text in batch],
        segment=performance.segment,
        accumulated=accumulate(windows, policy.monitoring, performance.performance.task == "regression"),
    )
    if event.fleet is None:
        return found
    return hold_to_fleet(found, FleetControl(**event.fleet), policy.monitoring.alpha)


def _words(severity: str, kind: str, actions: Any) -> str:
    verdict = severity if kind == "none" else f"{severity} {kind}"
    return f"{verdict}: {', '.join(actions)}" if actions else verdict


def _effect(old: Health, new: Health) -> Literal["raises", "lowers", "acts_otherwise"]:
    before, after = SEVERITIES.index(old.severity), SEVERITIES.index(new.severity)
    return "acts_otherwise" if before == after else "raises" if after > before else "lowers"
