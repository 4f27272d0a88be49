"""Events by which people and gates judge: gate decisions, approvals, exceptions, findings, validations, policies."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, Event, Moment, SignedEvent

VALIDATING = ("validator", "model-risk")
"""Roles that record and close findings and validations."""


class GateDecided(Event):
    """A gate decided. The record's subject is the version, or `data:<digest>` for a decision on a snapshot.

    Attributes:
        gate: name of the gate.
        outcome: `passed`, `failed`, `not_measurable`, or `not_applicable` of a model that runs elsewhere.
        value: what was compared with the threshold, in the gate's unit; None where there is no single number.
        threshold: the limit, in the gate's unit; None where there is no single number.
        rule: the rule in words.
        reason: why, with names and numbers.
        policy_digest: of the policy it was decided under.
        tier: of the model.
        evidence: name to SHA-256 of what was looked at.
        details: `measured` is what the decision rests on; `absent` is true when there was nothing to measure.
    """

    KIND: ClassVar[str] = "gate_decision"

    gate: str
    outcome: Literal["passed", "failed", "not_measurable", "not_applicable"]
    value: float | None
    threshold: float | None
    rule: str
    reason: str
    policy_digest: Digest
    tier: str
    evidence: dict[str, Digest]
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def measured(self) -> Any:
        """What the decision rests on, for the gate to decide on again; None where it was not kept."""
        return self.details.get("measured")

    @property
    def absent(self) -> bool:
        """Whether there was nothing to measure."""
        return bool(self.details.get("absent"))

    @property
    def compared_on(self) -> tuple[str, str] | None:
        """Digest of the held-out rows on which the version was compared with a champion, and that champion; None without one."""
        measured = self.measured
        found = measured.get("comparison") if isinstance(measured, dict) else None
        if not isinstance(found, dict) or not found.get("holdout"):
            return None
        return str(found["holdout"]), str(found.get("champion_version"))


class Approval(SignedEvent):
    """A signed decision on a version. The record's subject is the version.

    Attributes:
        version: number of the version.
        decision: `approve` or `reject`.
        rationale: why.
        decisions: number of each gate's decision that the signer had before them.
    """

    KIND: ClassVar[str] = "approval"
    PURPOSE: ClassVar[str] = "approval/v1"

    version: str
    decision: Literal["approve", "reject"]
    rationale: str
    decisions: dict[str, int]


class ExceptionGranted(SignedEvent):
    """A gate was lifted for a time. The record's subject is the gate.

    Attributes:
        gate: that is lifted.
        version: the only version it is for, or None for every version of the model.
        reason: why.
        expires: when it ends.
    """

    KIND: ClassVar[str] = "exception_granted"
    PURPOSE: ClassVar[str] = "exception/v1"

    gate: str
    version: str | None
    reason: str
    expires: Moment


class ExceptionWithdrawn(SignedEvent):
    """An exception was ended early. The record's subject is the gate.

    Attributes:
        seq: number of the exception's record.
        reason: why.
    """

    KIND: ClassVar[str] = "exception_withdrawn"
    PURPOSE: ClassVar[str] = "exception-withdrawal/v1"

    seq: int
    reason: str


class FindingRecorded(SignedEvent):
    """A validator recorded a finding. The record's subject is the finding's id.

    Attributes:
        id: of the finding.
        version: concerned, or None for the model.
        severity: `low`, `medium`, `high` or `critical`.
        summary: what was found.
        owner: who must answer.
        due: by when it must be closed.
        condition: what must hold while it is open, or empty.
    """

    KIND: ClassVar[str] = "finding_recorded"
    PURPOSE: ClassVar[str] = "finding/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = VALIDATING

    id: str
    version: str | None
    severity: Literal["low", "medium", "high", "critical"]
    summary: str
    owner: str
    due: Moment
    condition: str = ""


class FindingResponded(SignedEvent):
    """Somebody answered a finding. The record's subject is the finding's id.

    Attributes:
        id: of the finding.
        response: the answer.
    """

    KIND: ClassVar[str] = "finding_responded"
    PURPOSE: ClassVar[str] = "finding-response/v1"

    id: str
    response: str


class FindingExtended(SignedEvent):
    """A validator moved the due date of a finding to a later day. The record's subject is the finding's id.

    Attributes:
        id: of the finding.
        due: by when it must be closed now.
        reason: why it may take longer.
    """

    KIND: ClassVar[str] = "finding_extended"
    PURPOSE: ClassVar[str] = "finding-extension/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = VALIDATING

    id: str
    due: Moment
    reason: str


class FindingClosed(SignedEvent):
    """A validator closed a finding. The record's subject is the finding's id.

    Attributes:
        id: of the finding.
        note: what settled it.
    """

    KIND: ClassVar[str] = "finding_closed"
    PURPOSE: ClassVar[str] = "finding-closure/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = VALIDATING

    id: str
    note: str


class ValidationRecorded(SignedEvent):
    """A validator judged a version. The record's subject is the version.

    Attributes:
        version: number of the version.
        outcome: `approved`, `approved_with_conditions` or `rejected`.
        summary: what was examined, and why this outcome.
        valid_until: when the validation ends.
        conditions: what must hold, in words.
        restrictions: which rows the version may be used on, as `governance.restrictions` reads them.
        follows: number of the version's validation before this one; 0 for the first.
    """

    KIND: ClassVar[str] = "validation_recorded"
    PURPOSE: ClassVar[str] = "validation/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = VALIDATING

    version: str
    outcome: Literal["approved", "approved_with_conditions", "rejected"]
    summary: str
    valid_until: Moment
    conditions: tuple[str, ...] = ()
    restrictions: tuple[dict[str, Any], ...] = ()
    follows: int = 0


class ClauseConcluded(SignedEvent):
    """A person concluded whether the evidence answers a clause. The record's subject is the version.

    Attributes:
        version: number of the version.
        profile: the requirement profile.
        clause: the rule's own numbering.
        outcome: `answered`, `not_answered`, or `not_applicable` where the clause is not about this model.
        rationale: why.
        evidence: digest over the artefacts that the person had before them; the conclusion counts while it is the same.
        follows: number of the version's conclusion before this one; 0 for the first.
    """

    KIND: ClassVar[str] = "clause_concluded"
    PURPOSE: ClassVar[str] = "clause-conclusion/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = VALIDATING

    version: str
    profile: str
    clause: str
    outcome: Literal["answered", "not_answered", "not_applicable"]
    rationale: str
    evidence: Digest
    follows: int


class ExceptionRules(BaseModel):
    """What a recorded policy says about exceptions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    roles: tuple[str, ...] = ()
    max_days: int = 0


REOPEN_DAYS = 90
"""Days after its closure within which a cause opens its incident again, where a policy says nothing else."""


class IncidentRules(BaseModel):
    """What a recorded policy says about closing incidents and opening them again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    close_roles: tuple[str, ...] = ()
    authors_may_close: bool = False
    reopen_days: int = REOPEN_DAYS


class AdoptionRules(BaseModel):
    """What a recorded policy says about who must sign the next one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    roles: tuple[str, ...] = ()


class AutomationRules(BaseModel):
    """What a recorded policy lets the service key do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suspend: bool = False
    rollback: bool = False


class SignatureCount(BaseModel):
    """So many different people in one role."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: str
    count: int = 1


class InterventionRules(BaseModel):
    """What a recorded policy says about who signs a change of the champion state; nothing: one person in any role."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suspension: tuple[SignatureCount, ...] = ()
    resumption: tuple[SignatureCount, ...] = ()
    rollback: tuple[SignatureCount, ...] = ()
    retirement: tuple[SignatureCount, ...] = ()

    def of(self, kind: str) -> tuple[SignatureCount, ...]:
        """Signatures that an intervention of this kind needs; those of a segment are those of the whole model."""
        whole = {"segment_paused": "suspension", "segment_resumed": "resumption"}
        found: tuple[SignatureCount, ...] = getattr(self, whole.get(kind, kind))
        return found


class AuthorityRules(BaseModel):
    """The part of a recorded policy that says whose signature counts for what.

    It is read from the record without the policy's own schema, which may have changed since.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    exceptions: ExceptionRules = ExceptionRules()
    incidents: IncidentRules = IncidentRules()
    adoption: AdoptionRules = AdoptionRules()
    automation: AutomationRules = AutomationRules()
    interventions: InterventionRules = InterventionRules()


class PolicyAdopted(Event):
    """A policy came into force for a model. The record's subject is the first 12 characters of the policy's digest.

    It is signed where the policy before it names roles for that; then the fields from `model` on are set.

    Attributes:
        policy_digest: of the policy.
        tier: of the model.
        policy: the whole policy.
        before: digest of the policy before, or None for the first.
        changes: fields that differ: `field`, `before`, `after`.
        account: operating-system account of the process; no authority rests on it.
        model, person, role, signed_at, rationale, follows, envelope: of the signature, where there is one; `follows` is the
            number of the adoption before.
    """

    KIND: ClassVar[str] = "policy_adopted"
    PURPOSE: ClassVar[str] = "policy_adopted/v1"

    policy_digest: Digest
    tier: str
    policy: dict[str, Any]
    before: Digest | None = None
    changes: tuple[dict[str, Any], ...] = ()
    account: str = ""
    model: str | None = None
    person: str | None = None
    role: str | None = None
    signed_at: Moment | None = None
    rationale: str | None = None
    follows: int | None = None
    envelope: dict[str, Any] | None = None

    def signed_fields(self) -> dict[str, Any]:
        """The fields that the signed statement must repeat, as JSON content."""
        return {name: value for name, value in self.body().items() if name not in ("schema_version", "envelope")}

    @property
    def authority(self) -> AuthorityRules:
        """Whose signature counts for what under this policy.

        Raises:
            pydantic.ValidationError: that part of the recorded policy cannot be read.
        """
        return AuthorityRules.model_validate(self.policy)
