"""The life of one model, written with real keys and real signatures at the times at which it happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from mlops_assets.governance.approval_subject import approval_subject
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.events import champion, judgements, response, tiers, versions, windows
from mlops_assets.ledger.events.base import Event, SignedEvent
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.governance.assessments import statement

MODEL = "sba_loan_default"
ROLES = {"root": "root", "developer": "developer", "validator": "validator", "model-risk": "model-risk"}
E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=SignedEvent)

POLICY = Policy.model_validate(
    {
        "tier": "high",
        "approvals": [{"role": "validator", "count": 1}, {"role": "model-risk", "count": 1}],
        "exceptions": {"roles": ["model-risk"], "max_days": 200},
        # Most tests are about what comes after a policy has come into force.
        "adoption": {"roles": []},
    }
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Clock:
    """Moves one second at each look, and to wherever it is set."""

    def __init__(self, at: datetime):
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def signed(ledger: Ledger, key: SigningKey, event: type[S], subjects: Mapping[str, str], /, **fields: Any) -> S:
    """An event with the signature of `key` over `subjects` and over all of its fields."""
    unsigned = event.model_validate({**fields, "signed_at": ledger.clock(), "envelope": {}})
    envelope = sign_statement(key, subjects, event.PURPOSE, unsigned.signed_fields())
    return unsigned.model_copy(update={"envelope": envelope})


@dataclass
class Life:
    """A model, the people around it, and what they record.

    Attributes:
        ledger: to write to.
        clock: of the ledger; `when` sets it, so that a record is written when it happens.
        model: name.
        declaration: that its versions are registered with.
        keys: by person; each holds the role of that name.
    """

    ledger: Ledger
    clock: Clock
    model: str = MODEL
    declaration: Mapping[str, Any] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=lambda: {name: SigningKey.generate() for name in ROLES})

    def enrol(self, when: str = "2003-01-01") -> None:
        self.clock.at = at(when)
        for name, role in ROLES.items():
            enrol(self.ledger, self.keys["root"], name, self.keys[name].public, [role])

    def write(self, event: E, subject: str = "", when: str | None = None) -> Record[E]:
        """Record an event; with `when`, at that time."""
        if when is not None:
            self.clock.at = max(self.clock.at, at(when))
        return self.ledger.append(event, model=self.model, subject=subject)

    def sign(self, person: str, event: type[S], subjects: Mapping[str, str], /, **fields: Any) -> S:
        """An event signed by a person in the role of their name."""
        fields = {"model": self.model, "person": person, "role": ROLES.get(person, person), **fields}
        return signed(self.ledger, self.keys[person], event, subjects, **fields)

    def adopt(self, policy: Policy = POLICY, when: str | None = None) -> Record[judgements.PolicyAdopted]:
        event = judgements.PolicyAdopted(
            policy_digest=policy.digest, tier=policy.tier, policy=policy.model_dump(mode="json")
        )
        return self.write(event, policy.digest[:12], when)

    def assess(
        self, person: str, tier: str, expires: str, when: str | None = None, **fields: Any
    ) -> Record[tiers.TierAssessed]:
        """An assessment of the model's tier as its declaration is."""
        follows = self.ledger.state().model(self.model).last_seq(tiers.TierAssessed.KIND)
        signs = statement(dict(self.declaration), tier, at(expires), follows, **fields)
        event = self.sign(person, tiers.TierAssessed, {"rules": signs["rules_digest"]}, **signs)
        return self.write(event, tier, when)

    def snapshot(self, version: str, when: str | None = None, rows: int = 1000) -> Record[versions.SnapshotTaken]:
        """A snapshot whose digest is the version's number 64 times."""
        event = versions.SnapshotTaken(
            rows=rows, quarantined=3, table=f"{self.model}/training_data", ordered_by="id", delta_version=int(version),
            declaration_digest="d" * 64,
        )  # fmt: skip
        return self.write(event, version * 64, when)

    def register(self, version: str, when: str | None = None, **fields: Any) -> Record[versions.VersionRegistered]:
        given = {
            "algorithm": "linear", "artifact_digest": "c" * 64, "data_digest": version * 64, "snapshot_record": 1,
            "declaration_digest": "d" * 64, "declaration": dict(self.declaration), "training_key": version * 64,
            "run_id": f"run-{version}", "code_version": "1", "environment_digest": "e" * 64, "developers": ("developer",),
        }  # fmt: skip
        return self.write(versions.VersionRegistered.model_validate({**given, **fields}), version, when)

    def decide(
        self, version: str, gate: str, outcome: str = "passed", when: str | None = None, **fields: Any
    ) -> Record[judgements.GateDecided]:
        given = {
            "gate": gate, "outcome": outcome, "value": 0.7, "threshold": 0.6, "rule": "at least", "reason": "measured",
            "policy_digest": POLICY.digest, "tier": "high", "evidence": {},
        }  # fmt: skip
        return self.write(judgements.GateDecided.model_validate({**given, **fields}), version, when)

    def card(self, version: str, *missing: str) -> Record[versions.CardIssued]:
        event = versions.CardIssued(digest="e" * 64, path=f"cards/{self.model}/v{version}", missing=missing, files={})
        return self.write(event, version)

    def approve(
        self, person: str, version: str, decision: str = "approve", rationale: str = "Evidence reviewed", **fields: Any
    ) -> Record[judgements.Approval]:
        about = approval_subject(self.ledger.state().model(self.model), version, POLICY.digest)
        event = self.sign(
            person, judgements.Approval, about.subjects, version=version, decision=decision, rationale=rationale,
            decisions={gate: record.seq for gate, record in about.decisions.items()}, **fields,
        )  # fmt: skip
        return self.write(event, version)

    def promote(self, version: str, former: int | None, **fields: Any) -> Record[champion.Promotion]:
        """A promotion that rests on every decision and approval of the version."""
        about = approval_subject(self.ledger.state().model(self.model), version, POLICY.digest)
        approvals = self.ledger.of(judgements.Approval, model=self.model, subject=version)
        event = champion.Promotion(
            former=former, digests=about.subjects, policy_digest=POLICY.digest, policy=POLICY.model_dump(mode="json"),
            decisions=tuple(record.seq for record in about.decisions.values()), approvals=tuple(r.seq for r in approvals),
            approvers=tuple(champion.Approver(person=r.event.person, role=r.event.role) for r in approvals),
            ladder=champion.LadderStep(step="champion", reason="nothing to climb"), **fields,
        )  # fmt: skip
        return self.write(event, version)

    def release(self, version: str, when: str, former: int | None = None) -> None:
        """Everything from the snapshot to the promotion, at one time."""
        taken = self.snapshot(version, when, rows=1000 * int(version))
        self.register(version, snapshot_record=taken.seq)
        self.decide(version, "performance")
        self.card(version, "risk_register")
        for person in ("validator", "model-risk"):
            self.approve(person, version)
        self.promote(version, former)

    def intervene(
        self, person: str, event: type[champion.Intervention], deciding: str, rationale: str, when: str | None = None,
        **fields: Any,
    ) -> Record[champion.Intervention]:  # fmt: skip
        """A rollback, suspension, resumption or retirement of the state as it is."""
        if when is not None:
            self.clock.at = max(self.clock.at, at(when))
        now = self.ledger.state().model(self.model).champion
        subjects = {"policy": POLICY.digest}
        signed_event = self.sign(
            person, event, subjects, subject=deciding, rationale=rationale, follows=now.seq, **fields
        )  # fmt: skip
        return self.write(signed_event, deciding)

    def judge(
        self, window: str, end: str, severity: str, kind: str = "none", version: str = "2", when: str | None = None,
        **fields: Any,
    ) -> Record[windows.HealthVerdict]:  # fmt: skip
        """Score a window and give a verdict, both at its end unless `when` says otherwise."""
        self.write(windows.WindowScored(version=int(version), rows=100), window, when or end)
        event = windows.HealthVerdict.model_validate(
            {
                "window_end": date.fromisoformat(end), "severity": severity, "kind": kind, "reasons": (), "version": version,
                "policy_digest": POLICY.digest, **fields,
            }
        )  # fmt: skip
        return self.write(event, window)

    def incident(self, identity: str, when: str | None = None, **fields: Any) -> Record[response.IncidentOpened]:
        given = {
            "kind": "label_shift", "severity": "act", "window": "2004-01-01", "summary": "Defaults doubled",
            "cause": "label_shift",
        }  # fmt: skip
        return self.write(response.IncidentOpened.model_validate({**given, **fields}), identity, when)

    def close(
        self, person: str, incident: Record[response.IncidentOpened], note: str, disposition: str = "true",
        when: str | None = None,
    ) -> Record[response.IncidentClosed]:  # fmt: skip
        if when is not None:
            self.clock.at = max(self.clock.at, at(when))
        event = self.sign(
            person, response.IncidentClosed, {"incident": incident.digest}, id=incident.subject,
            disposition=disposition, note=note,
        )  # fmt: skip
        return self.write(event, incident.subject)

    def grant(
        self, person: str, gate: str, reason: str, expires: str, when: str | None = None, version: str | None = None
    ) -> Record[judgements.ExceptionGranted]:
        if when is not None:
            self.clock.at = max(self.clock.at, at(when))
        subjects = {"policy": POLICY.digest}
        if version is not None:
            (registration,) = self.ledger.of(versions.VersionRegistered, model=self.model, subject=version)
            subjects["registration"] = registration.digest
        event = self.sign(
            person, judgements.ExceptionGranted, subjects, gate=gate, version=version, reason=reason,
            expires=at(expires),
        )  # fmt: skip
        return self.write(event, gate)

    def withdraw(
        self, person: str, granted: Record[judgements.ExceptionGranted], reason: str
    ) -> Record[judgements.ExceptionWithdrawn]:
        event = self.sign(
            person, judgements.ExceptionWithdrawn, {"exception": granted.digest}, seq=granted.seq, reason=reason
        )
        return self.write(event, granted.subject)

    def find(
        self, person: str, identity: str, summary: str, due: str, severity: str = "high", version: str | None = None,
        condition: str = "",
    ) -> Record[judgements.FindingRecorded]:  # fmt: skip
        subjects = {"policy": POLICY.digest}
        if version is not None:
            registration = self.ledger.state().model(self.model).version(version).registration
            assert registration is not None
            subjects = {"registration": registration.digest}
        event = self.sign(
            person, judgements.FindingRecorded, subjects, id=identity, version=version,
            severity=severity, summary=summary, owner="developer", due=at(due), condition=condition,
        )  # fmt: skip
        return self.write(event, identity)

    def validate(
        self, person: str, version: str, outcome: str, summary: str, valid_until: str, **fields: Any
    ) -> Record[judgements.ValidationRecorded]:
        known = self.ledger.state().model(self.model).version(version)
        assert known.registration is not None
        event = self.sign(
            person, judgements.ValidationRecorded, {"registration": known.registration.digest}, version=version,
            outcome=outcome, summary=summary, valid_until=at(valid_until),
            follows=known.validations[-1].seq if known.validations else 0, **fields,
        )  # fmt: skip
        return self.write(event, version)

    def request(self, identity: str, cause: str, window: str, when: str | None = None) -> Record[Event]:
        """A retraining that policy asks for."""
        event = response.RetrainingRequested(
            cause=cause, window=date.fromisoformat(window), kind="label_shift", until=date.fromisoformat(window),
            automatic=True, policy_digest=POLICY.digest,
        )  # fmt: skip
        return self.write(event, identity, when)
