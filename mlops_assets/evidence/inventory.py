"""The inventory of the fleet, and the short status of each model, from declarations and the ledger.

What is asked of an inventory is in SR 26-2 VI.2 and SS1/23 1.2(c). Fields that nobody declared or recorded are None:
an inventory that guesses is worse than one with gaps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from mlops_assets import clock
from mlops_assets.declaration.changes import retraining_note
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.attention import UNDECLARED, attention, unjudged_windows
from mlops_assets.evidence.version_status import required_gates, version_statuses
from mlops_assets.evidence.window_evidence import OutcomeReports
from mlops_assets.governance.copies import copies
from mlops_assets.governance.exceptions import objection
from mlops_assets.governance.tiers import tier_standing
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import ExceptionGranted
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.judgements import Finding, GrantedException
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.ledger.state.versions import VersionState
from mlops_assets.policy.policy import Policy
from mlops_assets.response.alarm_precision import fleet_precision
from mlops_assets.response.incident_life import incident_life
from mlops_assets.response.incidents import concerning
from mlops_assets.response.runbooks import runbook_of

STATUS_FIELDS = (
    "model",
    "tier",
    "owner",
    "lifecycle",
    "champion",
    "window",
    "severity",
    "kind",
    "open_incidents",
    "open_findings",
    "exceptions",
    "evidence_missing",
    "unjudged_windows",
    "declaration_changed",
    "version_status",
    "needs_attention",
    "error",
    "alarm_precision",
)
"""Fields of `mlops status`, in order."""


class DeclaredModel(Protocol):
    """One model as read from its file: a declaration, or the reason why there is none."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def declaration(self) -> Declaration | None:
        """None when the file could not be read."""
        ...

    @property
    def error(self) -> str:
        """Why there is no declaration; empty when there is one."""
        ...


TRIAL = "trial"
"""Lifecycle of a name that was never declared in the fleet and never registered: nothing of it can run."""


def inventory(
    ledger: Ledger,
    models: Iterable[DeclaredModel],
    policies: Mapping[str, Any],
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
    *,
    reports: Mapping[str, OutcomeReports] | None = None,
) -> list[dict[str, Any]]:
    """One JSON-able row per model that is declared or that the ledger knows, by name.

    Args:
        ledger: To read.
        models: The declared models, broken ones included.
        policies: Effective policy by model name, or policy by tier.
        as_of: Only what had happened by then; None: everything.
        known_at: Only what was recorded by then; None: everything. For "what did we know on that day" give both.
        stale: Evidence that is out of date by model, a text each.
        reports: Reports of outcomes by model, where they have a source of their own.
    """
    found = ledger.state(known_at, happened_until=as_of)
    at = as_of or clock.now()
    earned = fleet_precision(ledger.state(known_at), as_of)
    declared = {m.name: m for m in models}
    rows = []
    for name in sorted(declared.keys() | found.models.keys()):
        state = found.model(name)
        row = _row(declared.get(name), state, policies, at)
        policy = policy_of(name, row["tier"], policies)
        granted, objected = exceptions_in_force(state, policy, at)
        row["open_incidents"] = [_incident(i, found.model) for i in concerning(found, name) if i.is_open]
        row["exceptions"] = [_exception(e) for e in granted]
        row["exceptions_refused"] = [*refused_exceptions(ledger, found, name, at), *objected]
        row |= _tier_and_copies(found, declared.get(name), state, policy, at)
        row["alarm_precision"] = [p.to_dict() for p in earned.get(name, [])]
        about = _Read(tuple((stale or {}).get(name, ())), (reports or {}).get(name))
        row |= _work(ledger, declared.get(name), found, row, policy, at, about)
        rows.append(row)
    return rows


def status(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The few fields of `mlops status`, from inventory rows.

    A name that the ledger knows from a refused trial alone, never declared since and never registered, is no model of
    the fleet; the inventory still has it.
    """
    return [{field: row[field] for field in STATUS_FIELDS} for row in rows if row["lifecycle"] != TRIAL]


def evidence_missing(known: VersionState | None, policy: Any | None) -> list[str]:
    """Missing evidence of the version that decides (or would): required gate decisions, the card, and parts of it."""
    if known is None:
        return ["model_version"]
    required = tuple(policy.gates.required) if policy is not None else ()
    decided = known.decided()
    missing = [f"gate:{gate}" for gate in required if gate not in decided]
    if known.card is None:
        return [*missing, "model_card"]
    # Approvals are signed over the card, so no card ever holds its own; the ledger has them.
    unsigned = bool(getattr(policy, "approvals", ()) and not known.approvals)
    return [*missing, *(f"card:{n}" for n in known.card.event.missing if n != "approvals" or unsigned)]


def exceptions_in_force(
    state: ModelState, policy: Any | None, at: datetime
) -> tuple[list[GrantedException], list[dict[str, Any]]]:
    """Exceptions that count at a time, and those that the policy in force now does not accept, with the reason."""
    objections = {e.seq: objection(policy, e) if policy else "" for e in state.exceptions_in_force(at)}
    granted = [e for e in state.exceptions_in_force(at) if not objections[e.seq]]
    refused = [e for e in state.exceptions_in_force(at) if objections[e.seq]]
    return granted, [{"gate": e.gate, "record": e.seq, "why": objections[e.seq]} for e in refused]


def refused_exceptions(ledger: Ledger, found: LedgerState, model: str, at: datetime) -> list[dict[str, Any]]:
    """Exceptions on record that count for nothing, with the reason; one that would have expired by then is left out."""
    refused = [r for r in found.refused if (r.model, r.kind) == (model, ExceptionGranted.KIND)]
    rows = []
    for one in refused:
        record = ledger.get(one.seq)
        event = record.event if record else None
        if not isinstance(event, ExceptionGranted) or event.expires > at:
            rows.append({"gate": one.subject, "record": one.seq, "why": one.reason})
    return rows


def _tier_and_copies(
    found: LedgerState, model: DeclaredModel | None, state: ModelState, policy: Any | None, at: datetime
) -> dict[str, Any]:
    """The assessment of the model's tier, and the retired or refused models that it is a copy of."""
    declaration = model.declaration if model else None
    if declaration is None:
        return {"tier_assessment": None, "copies": []}
    content = declaration.model_dump(mode="json")
    known = state.subject_version
    data = known.registration.event.data_digest if known and known.registration else None
    tier = tier_standing(state, policy, content, at).to_dict() if isinstance(policy, Policy) else None
    return {
        "tier_assessment": tier,
        "copies": [copy.to_dict() for copy in copies(found, state.name, content, data)],
    }


@dataclass(frozen=True)
class _Read:
    """What is known of a model from elsewhere than its records: evidence out of date, and reports of outcomes."""

    stale: tuple[str, ...]
    reports: OutcomeReports | None


def _work(
    ledger: Ledger,
    model: DeclaredModel | None,
    found: LedgerState,
    row: Mapping[str, Any],
    policy: Any | None,
    at: datetime,
    about: _Read,
) -> dict[str, Any]:
    """What the versions wait for, which windows were not judged, and what needs a person."""
    state = found.model(row["model"])
    statuses = version_statuses(ledger, policy, state)
    shared = [i for i in concerning(found, state.name) if i.is_open and not i.model]
    unjudged = unjudged_windows(model.declaration if model else None, state, at.date())
    items = attention(
        row, state, at, statuses=statuses, unjudged=unjudged, stale=about.stale, reports=about.reports, policy=policy,
        shared=shared, model_of=found.model,
        declared=model.declaration.digest if model and model.declaration else "",
    )  # fmt: skip
    return {
        "version_status": [asdict(status) for status in statuses.values()],
        "required_gates": sorted(required_gates(policy)),
        "unjudged_windows": list(unjudged),
        "needs_attention": [item.to_dict() for item in items],
    }


def declaration_changed(declaration: Declaration | None, state: ModelState) -> str | None:
    """That a training would make another model than the champion, and what has changed; None where it would not."""
    known = state.version(state.champion.champion or 0).registration
    if declaration is None or known is None or known.event.declaration_digest == declaration.digest:
        return None
    try:
        made = Declaration.model_validate(known.event.declaration)
    except ValidationError:  # a declaration of an earlier release
        return None
    return retraining_note(made, declaration)


def policy_of(name: str, tier: str | None, policies: Mapping[str, Any]) -> Any | None:
    """The effective policy of a model, or else that of its tier."""
    return policies.get(name) or (policies.get(tier) if tier else None)


def _row(model: DeclaredModel | None, state: ModelState, policies: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    declaration = model.declaration if model else None
    tier = declaration.tier.value if declaration else _recorded_tier(state)
    policy = policy_of(state.name, tier, policies)
    known = state.subject_version
    registered = known.registration.event if known and known.registration else None
    verdict = state.last_verdict
    trial = model is None and not state.versions and not state.changes
    error = (model.error or None) if model else None if trial else UNDECLARED
    return {
        "model": state.name,
        "tier": tier,
        "owner": declaration.owner if declaration else None,
        "runbook": declaration.runbook if declaration else None,
        "champion": state.champion.version,
        "window": verdict.window if verdict else None,
        "severity": verdict.severity if verdict else "not_measurable",
        "kind": verdict.kind if verdict else "none",
        "open_incidents": [],
        "exceptions": [],
        "evidence_missing": evidence_missing(known, policy),
        "error": error,
        "declaration_changed": declaration_changed(declaration, state),
        "lifecycle": TRIAL if trial else state.lifecycle,
        "version": known.version if known else None,
        "technique": registered.algorithm if registered else None,
        "task": declaration.task.value if declaration else None,
        "vendor": (declaration.supplied.supplier if declaration.supplied else "in-house") if declaration else None,
        "artifact_digest": registered.artifact_digest if registered else None,
        "data_digest": registered.data_digest if registered else None,
        "declaration_digest": registered.declaration_digest if registered else None,
        "card_digest": known.card.event.digest if known and known.card else None,
        "purpose": declaration.purpose if declaration else None,
        "intended_use": (declaration.intended_use or None) if declaration else None,
        "restrictions": list(declaration.card.out_of_scope) if declaration else None,
        "assumptions": list(declaration.card.assumptions) if declaration else None,
        "limitations": list(declaration.card.limitations) if declaration else None,
        "developers": list(declaration.developers) if declaration else None,
        "approvers": _approvers(known),
        "inputs": list(declaration.features) if declaration else None,
        "source": "/".join(declaration.source.key) if declaration else None,
        "target": declaration.target.column if declaration else None,
        "protected": [p.column for p in declaration.protected] if declaration else None,
        "cadence": declaration.monitoring.cadence.value if declaration and declaration.has_time else None,
        "monitored": bool(declaration and declaration.has_time),
        "policy_digest": getattr(policy, "digest", None),
        "registered_at": iso(known.registration.happened_at) if known and known.registration else None,
        "champion_since": iso(state.changes[-1].at) if state.changes else None,
        "valid_until": _valid_until(known),
        "open_findings": [_finding(f) for f in state.open_findings],
        "open_retraining_requests": [r.id for r in state.requests.values() if r.is_open],
        "last_change": state.changes[-1].kind if state.changes else None,
        "last_record": max(state.latest.values(), default=None),
    }


def _recorded_tier(state: ModelState) -> str | None:
    """Tier under which the last gate decided, for a model whose declaration cannot be read."""
    decided = [d for version in state.versions.values() for d in version.decided().values()]
    decided += [d for found in state.data_decisions.values() for d in found.values()]
    return max(decided, key=lambda d: d.seq).tier if decided else None


def _approvers(known: VersionState | None) -> list[dict[str, Any]]:
    events = [(given.record.event, given.record.seq) for given in (known.approvals if known else ())]
    return [{"person": e.person, "role": e.role, "decision": e.decision, "record": seq} for e, seq in events]


def _valid_until(known: VersionState | None) -> str | None:
    """The day until which the last validation of the version holds; None where none holds."""
    last = known.validations[-1].event if known and known.validations else None
    return iso(last.valid_until) if last and last.outcome != "rejected" else None


def _incident(incident: Incident, model_of: Callable[[str], ModelState]) -> dict[str, Any]:
    life = incident_life(incident, model_of)
    return {
        "id": incident.id,
        "model": incident.model or None,
        "kind": incident.kind,
        "severity": incident.severity,
        "window": incident.window,
        "summary": incident.summary,
        "state": incident.state,
        "opened_at": iso(incident.opened_at),
        "windows": list(life.windows),
        "worst": life.worst,
        "models": sorted(incident.models),
        "tickets": list(incident.tickets),
        "runbook": runbook_of(incident.kind) or None,
    }


def _exception(granted: GrantedException) -> dict[str, Any]:
    return {
        "gate": granted.gate,
        "version": granted.version,
        "reason": granted.reason,
        "person": granted.person,
        "role": granted.role,
        "expires": iso(granted.expires),
        "record": granted.seq,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "owner": finding.owner,
        "due": iso(finding.due),
        "summary": finding.summary,
        "condition": finding.condition,
        "response": finding.response,
        "version": finding.version,
    }
