"""Every kind of signed event as it counts: what is signed, over what, by whom, and who may not. Tests change one thing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mlops_assets.governance.adoption import adopt
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.events import champion, discovery, judgements, privacy, response, tiers
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.response.incidents import open_incident
from mlops_assets_tests.governance.assessments import statement
from mlops_assets_tests.governance.world import MODEL, World, policy
from mlops_assets_tests.ledger.raw import raw

OTHER = "cards"
"""A second model, in the same state as the first."""
UNDER = policy(
    adoption={"roles": ["model-risk"]},
    exceptions={"roles": ["model-risk"], "max_days": 90},
    incidents={"close_roles": ["validator"], "authors_may_close": False},
    automation={"suspend": True, "rollback": True},
)
"""The policy in force for both."""
NEXT = policy(adoption={"roles": ["model-risk"]}, validity_days=30)


@dataclass(frozen=True)
class Act:
    """A signed event that would count.

    Attributes:
        event: its class.
        subject: of its record.
        about: name to digest of what it is signed over.
        statement: what is signed beside model, person, role and time.
        by: name of somebody who may sign it.
        role: in which they do.
        wrong: name of somebody enrolled who may not, and their role.
        author: role in which an author of the version must not sign it; empty where an author may.
        changed: a field of the record, and another value for it.
        unsigned: fields of the record that are not signed.
        left_out: fields of the statement that the record does not repeat.
    """

    event: type[Event]
    subject: str
    about: Mapping[str, str]
    statement: Mapping[str, Any]
    by: str
    role: str
    wrong: tuple[str, str]
    author: str
    changed: tuple[str, Any]
    unsigned: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def body(
        self, world: World, *, key: SigningKey | None = None, person: str = "", role: str = "", model: str = MODEL
    ) -> dict[str, Any]:
        """The content of its record, signed with a key in somebody's name."""
        person, role = person or self.by, role or self.role
        added = {"model": model, "person": person, "role": role, "signed_at": iso(world.clock())}
        full = {**self.statement, **added}
        purpose: str = self.event.PURPOSE  # pyright: ignore[reportAttributeAccessIssue]
        envelope = sign_statement(key or world.keys[person], self.about, purpose, full)
        repeated = {name: value for name, value in full.items() if name not in self.left_out}
        return {**repeated, **self.unsigned, "envelope": envelope}

    def write(self, world: World, body: Mapping[str, Any], model: str = MODEL) -> int:
        """Append a record with this content, past every function that would refuse it; returns its number."""
        return world.ledger.append(raw(self.event.KIND, body), model=model, subject=self.subject).seq


def settle(world: World) -> None:
    """Two models, each with two promoted versions, a policy in force, and the developer enrolled in every role."""
    enrol(world.ledger, world.keys["root"], "ledger", world.keys["head"].public, ["ledger"])
    roles = ["developer", "validator", "model-risk"]
    enrol(world.ledger, world.keys["root"], "developer", world.keys["developer"].public, roles)
    world.keys["ledger"], world.keys["service"] = world.keys["head"], SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "service", world.keys["service"].public, ["automation"])
    for model in (MODEL, OTHER):
        adopt(world.ledger, model, UNDER, key=world.keys["risk"], rationale="the first policy")
        for version in (1, 2):
            world.register(version, model)
            promote(world, version, model)
    for model in (MODEL, OTHER):
        open_incident(
            world.ledger, model, kind="data_quality", severity="act", window="2026-01-01", summary="a column is gone"
        )


def promote(world: World, version: int, model: str) -> None:
    """Record a promotion; nothing is asked that `release.promotion` asks."""
    event = champion.Promotion(
        former=version - 1 or None,
        policy_digest=UNDER.digest,
        policy=UNDER.model_dump(mode="json"),
        ladder=champion.LadderStep(step="none", reason=""),
    )
    world.ledger.append(event, model=model, subject=str(version))


def _registration(world: World, version: int = 1) -> str:
    found = world.ledger.state().model(MODEL).version(version).registration
    assert found is not None
    return found.digest


def _written(world: World, act: Act, model: str = MODEL) -> int:
    return act.write(world, act.body(world, model=model), model)


def approval(world: World) -> Act:
    statement = {"version": "1", "decision": "approve", "rationale": "sound", "decisions": {"fairness": 3}}
    return Act(
        judgements.Approval, "1", {"registration": _registration(world)}, statement,
        "validator", "validator", ("root", "root"), "validator", ("decision", "reject"),
    )  # fmt: skip


def exception_granted(world: World, model: str = MODEL) -> Act:
    expires = iso(world.clock.now + timedelta(days=9))
    statement = {"gate": "cost", "version": "1", "reason": "a pilot", "expires": expires}
    about = {"policy": UNDER.digest, "registration": _registration(world)}
    return Act(
        judgements.ExceptionGranted, "cost", about, statement,
        "risk", "model-risk", ("validator", "validator"), "model-risk", ("reason", "no pilot"),
    )  # fmt: skip


def exception_withdrawn(world: World) -> Act:
    seq = _written(world, exception_granted(world))
    digest = world.ledger.state().model(MODEL).exceptions[-1].digest
    return Act(
        judgements.ExceptionWithdrawn, "cost", {"exception": digest}, {"seq": seq, "reason": "it is over"},
        "validator", "validator", ("service", "automation"), "", ("reason", "another"),
    )  # fmt: skip


def finding_recorded(world: World) -> Act:
    statement = {
        "id": "loans-F1", "version": "1", "severity": "high", "summary": "weak data", "owner": "developer",
        "due": iso(world.clock.now + timedelta(days=9)), "condition": "",
    }  # fmt: skip
    return Act(
        judgements.FindingRecorded, "loans-F1", {"registration": _registration(world)}, statement,
        "validator", "validator", ("root", "root"), "validator", ("severity", "low"),
    )  # fmt: skip


def finding_responded(world: World) -> Act:
    _written(world, finding_recorded(world))
    digest = world.ledger.state().model(MODEL).findings["loans-F1"].digest
    return Act(
        judgements.FindingResponded, "loans-F1", {"finding": digest}, {"id": "loans-F1", "response": "so it is"},
        "developer", "developer", ("service", "automation"), "", ("response", "it is not"),
    )  # fmt: skip


def finding_extended(world: World) -> Act:
    _written(world, finding_recorded(world))
    digest = world.ledger.state().model(MODEL).findings["loans-F1"].digest
    later = iso(world.clock.now + timedelta(days=30))
    return Act(
        judgements.FindingExtended, "loans-F1", {"finding": digest},
        {"id": "loans-F1", "due": later, "reason": "rows are missing"},
        "second", "validator", ("root", "root"), "validator", ("reason", "none"),
    )  # fmt: skip


def finding_closed(world: World) -> Act:
    _written(world, finding_recorded(world))
    digest = world.ledger.state().model(MODEL).findings["loans-F1"].digest
    return Act(
        judgements.FindingClosed, "loans-F1", {"finding": digest}, {"id": "loans-F1", "note": "settled"},
        "second", "validator", ("root", "root"), "validator", ("note", "not settled"),
    )  # fmt: skip


def validation_recorded(world: World) -> Act:
    statement = {
        "version": "1", "outcome": "approved", "summary": "examined", "conditions": [], "restrictions": [],
        "valid_until": iso(world.clock.now + timedelta(days=9)), "follows": 0,
    }  # fmt: skip
    return Act(
        judgements.ValidationRecorded, "1", {"registration": _registration(world)}, statement,
        "validator", "validator", ("root", "root"), "validator", ("outcome", "rejected"),
    )  # fmt: skip


def clause_concluded(world: World) -> Act:
    statement = {
        "version": "1", "profile": "sr_26_2", "clause": "V.1.a", "outcome": "answered", "rationale": "examined",
        "evidence": "e" * 64, "follows": 0,
    }  # fmt: skip
    return Act(
        judgements.ClauseConcluded, "1", {"registration": _registration(world), "evidence": "e" * 64}, statement,
        "validator", "validator", ("root", "root"), "validator", ("outcome", "not_answered"),
    )  # fmt: skip


def policy_adopted(world: World) -> Act:
    before = world.ledger.state().model(MODEL).policy
    assert before is not None
    statement = {
        "policy_digest": NEXT.digest, "tier": NEXT.tier, "policy": NEXT.model_dump(mode="json"),
        "before": before.event.policy_digest, "changes": [], "account": "somebody", "rationale": "shorter",
        "follows": before.seq,
    }  # fmt: skip
    return Act(
        judgements.PolicyAdopted, NEXT.digest[:12], {"policy": NEXT.digest}, statement,
        "risk", "model-risk", ("validator", "validator"), "model-risk", ("rationale", "longer"),
    )  # fmt: skip


def tier_assessed(world: World) -> Act:
    signs = statement({}, "low", world.clock.now + timedelta(days=9))
    return Act(
        tiers.TierAssessed, "low", {"rules": signs["rules_digest"]}, signs,
        "validator", "validator", ("root", "root"), "validator", ("purpose", "another"),
    )  # fmt: skip


def ladder_step_signed(world: World) -> Act:
    statement = {"version": "1", "step": "shadow", "champion": 2, "tested": 0, "rationale": "it was no worse"}
    return Act(
        champion.StepSigned, "1", {"registration": _registration(world)}, statement,
        "validator", "validator", ("service", "automation"), "validator", ("step", "canary 0.1"),
    )  # fmt: skip


def _intervention(world: World, event: type[champion.Intervention], subject: str, **more: Any) -> dict[str, Any]:
    now = world.ledger.state().model(MODEL).champion
    return {"subject": subject, "rationale": "because", "follows": now.seq, **more}


def suspension(world: World) -> Act:
    return Act(
        champion.Suspension, "2", {"state": "a" * 64}, _intervention(world, champion.Suspension, "2"),
        "developer", "developer", ("ledger", "ledger"), "", ("rationale", "another"),
    )  # fmt: skip


def segment_paused(world: World) -> Act:
    where = "state == 'TX'"
    return Act(
        champion.SegmentPaused, where, {"state": "a" * 64},
        _intervention(world, champion.SegmentPaused, where, where=where),
        "developer", "developer", ("service", "automation"), "", ("rationale", "another"),
    )  # fmt: skip


def segment_resumed(world: World) -> Act:
    paused, where = segment_paused(world), "state == 'TX'"
    seq = paused.write(world, paused.body(world))
    return Act(
        champion.SegmentResumed, where, {"state": "a" * 64},
        _intervention(world, champion.SegmentResumed, where, where=where, pause=seq),
        "validator", "validator", ("service", "automation"), "validator", ("rationale", "another"),
    )  # fmt: skip


def resumption(world: World) -> Act:
    _suspended(world)
    return Act(
        champion.Resumption, "2", {"state": "a" * 64}, _intervention(world, champion.Resumption, "2"),
        "validator", "validator", ("service", "automation"), "validator", ("rationale", "another"),
    )  # fmt: skip


def rollback(world: World) -> Act:
    """From a suspended state: then it lets the model decide again, which its authors may not do."""
    _suspended(world)
    return Act(
        champion.Rollback, "1", {"state": "a" * 64},
        _intervention(world, champion.Rollback, "1", former=2, version="1"),
        "validator", "validator", ("ledger", "ledger"), "validator", ("former", 1),
    )  # fmt: skip


def retirement(world: World) -> Act:
    return Act(
        champion.Retirement, "2", {"state": "a" * 64}, _intervention(world, champion.Retirement, "2"),
        "validator", "validator", ("service", "automation"), "validator", ("rationale", "another"),
    )  # fmt: skip


def _suspended(world: World) -> None:
    for model in (MODEL, OTHER):
        follows = world.ledger.state().model(model).champion.seq
        act = suspension(world)
        statement = {**act.statement, "follows": follows}
        Act(**{**vars(act), "statement": statement}).write(
            world, Act(**{**vars(act), "statement": statement}).body(world, model=model), model
        )


def _incident(world: World) -> tuple[str, str]:
    found = world.ledger.state().model(MODEL).open_incidents[0]
    return found.id, found.digest


def incident_acknowledged(world: World) -> Act:
    identity, digest = _incident(world)
    return Act(
        response.IncidentAcknowledged, identity, {"incident": digest}, {"id": identity, "note": "looking"},
        "developer", "developer", ("service", "automation"), "", ("note", "not looking"),
    )  # fmt: skip


def incident_closed(world: World) -> Act:
    identity, digest = _incident(world)
    statement = {"id": identity, "disposition": "true", "note": "mended"}
    return Act(
        response.IncidentClosed, identity, {"incident": digest}, statement,
        "validator", "validator", ("risk", "model-risk"), "validator", ("disposition", "false"),
    )  # fmt: skip


def incident_mitigated(world: World) -> Act:
    identity, digest = _incident(world)
    return Act(
        response.IncidentMitigated, identity, {"incident": digest}, {"id": identity, "note": "limits lowered"},
        "developer", "developer", ("service", "automation"), "", ("note", "nothing was done"),
    )  # fmt: skip


def incident_reported(world: World) -> Act:
    identity, digest = _incident(world)
    statement = {"id": identity, "report": "b" * 64, "note": ""}
    return Act(
        response.IncidentReported, identity, {"incident": digest, "report": "b" * 64}, statement,
        "developer", "developer", ("service", "automation"), "", ("report", "c" * 64),
    )  # fmt: skip


def incident_merged(world: World) -> Act:
    own = open_incident(world.ledger, MODEL, kind="covariate_shift", severity="act", summary="the inputs moved")
    (other,) = world.ledger.state().model(OTHER).open_incidents
    statement = {"id": own.id, "into": other.id, "into_model": OTHER, "note": "one source"}
    return Act(
        response.IncidentMerged, own.id, {"incident": own.digest, "into": other.digest}, statement,
        "validator", "validator", ("risk", "model-risk"), "validator", ("into", "another"),
    )  # fmt: skip


def retraining_request(world: World) -> Act:
    statement = {"cause": "new data", "window": "2026-01-01", "kind": "manual", "until": "2026-01-05"}
    return Act(
        response.RetrainingRequested, "loans-2026-01-01-x", {"policy": UNDER.digest}, statement,
        "developer", "developer", ("service", "automation"), "", ("until", "2027-01-05"),
        unsigned={"automatic": False, "policy_digest": UNDER.digest}, left_out=("model", "role", "signed_at"),
    )  # fmt: skip


def discover(world: World, model: str = MODEL, **changes: Any) -> str:
    """Record that something was found, and return the digest of the record. Searches are about the fleet; the rules are the same."""
    found = discovery.ModelDiscovered.model_validate(FOUND | changes)
    return world.ledger.append(found, model=model, subject=FOUND_ID).digest


FOUND_ID = "D-1"
FOUND: dict[str, Any] = {
    "source": "notebooks", "place": "notebooks/churn.ipynb", "name": "churn", "form": "notebook", "why": "it calls .fit",
    "confidence": "likely", "digest": "a" * 64, "basis": "b" * 64,
}  # fmt: skip


def discovery_ignored(world: World) -> Act:
    digest = discover(world)
    discover(world, OTHER)
    statement = {"id": FOUND_ID, "reason": "a plot", "expires": iso(world.clock.now + timedelta(days=9))}
    return Act(
        discovery.DiscoveryIgnored, FOUND_ID, {"discovery": digest}, statement,
        "risk", "model-risk", ("root", "root"), "", ("reason", "no plot"),
    )  # fmt: skip


def discovery_assigned(world: World) -> Act:
    digest = discover(world)
    discover(world, OTHER)
    statement = {"id": FOUND_ID, "governed_by": MODEL, "reason": "it was developed there"}
    return Act(
        discovery.DiscoveryAssigned, FOUND_ID, {"discovery": digest}, statement,
        "risk", "model-risk", ("root", "root"), "", ("governed_by", OTHER),
    )  # fmt: skip


def _removed_from(rows: int, leaves: int) -> dict[str, Any]:
    """One row of a table, or all of it."""
    return {
        "table": f"{MODEL}/predictions", "window": "2026-01-01", "digest": "d" * 64, "root": "e" * 64, "rows": rows,
        "removed": leaves or rows, "columns": ["id"], "leaves": [{"position": 2, "leaf": "f" * 64}] * leaves,
    }  # fmt: skip


def rows_erased(world: World) -> Act:
    statement = {"id": "erasure-1", "reason": "asked for", "basis": "law", "tables": [_removed_from(9, 1)]}
    return Act(
        privacy.RowsErased, "erasure-1", {"tables": "a" * 64}, statement,
        "risk", "model-risk", ("validator", "validator"), "model-risk", ("reason", "another"),
    )  # fmt: skip


def rows_expired(world: World) -> Act:
    statement = {
        "day": "2026-01-05", "reason": "past its date", "policy_digest": UNDER.digest, "retention_days": 9, "versions": ["1"],
        "tables": [_removed_from(9, 0)],
    }  # fmt: skip
    return Act(
        privacy.RowsExpired, "2026-01-05", {"policy": UNDER.digest}, statement,
        "risk", "model-risk", ("validator", "validator"), "model-risk", ("retention_days", 1),
    )  # fmt: skip


ACTS: dict[str, Callable[[World], Act]] = {
    "approval": approval,
    "exception_granted": exception_granted,
    "exception_withdrawn": exception_withdrawn,
    "finding_recorded": finding_recorded,
    "finding_responded": finding_responded,
    "finding_extended": finding_extended,
    "finding_closed": finding_closed,
    "validation_recorded": validation_recorded,
    "clause_concluded": clause_concluded,
    "policy_adopted": policy_adopted,
    "tier_assessed": tier_assessed,
    "ladder_step_signed": ladder_step_signed,
    "rows_erased": rows_erased,
    "rows_expired": rows_expired,
    "rollback": rollback,
    "suspension": suspension,
    "segment_paused": segment_paused,
    "segment_resumed": segment_resumed,
    "resumption": resumption,
    "retirement": retirement,
    "incident_acknowledged": incident_acknowledged,
    "incident_mitigated": incident_mitigated,
    "incident_reported": incident_reported,
    "incident_merged": incident_merged,
    "incident_closed": incident_closed,
    "retraining_request": retraining_request,
    "discovery_ignored": discovery_ignored,
    "discovery_assigned": discovery_assigned,
}
