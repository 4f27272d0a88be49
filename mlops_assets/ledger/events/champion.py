"""Events that change which version of a model decides: promotion, rollback, suspension, resumption, retirement; and the
signature that a step on the way to promotion is passed."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, Event, Moment, SignedEvent


class ExceptionUsed(BaseModel):
    """An exception that a promotion rested on.

    Attributes:
        gate: that was lifted.
        seq: number of the exception's record.
        expires: when it ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str
    seq: int
    expires: Moment


class Approver(BaseModel):
    """Somebody whose approval a promotion counted.

    Attributes:
        person: name.
        role: in which they signed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str
    role: str


class CopyOf(BaseModel):
    """A retired or refused model that the promoted one is a copy of.

    Attributes:
        model: its name.
        ended: `retired` or `rejected`.
        record: number of the record by which it was.
        same: what is the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    ended: str
    record: int
    same: str


class LadderStep(BaseModel):
    """Where a version stood on the release ladder when it was promoted.

    Attributes:
        step: `top`, or `none` where the policy asks for no ladder or there was no champion.
        reason: why it stood there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    reason: str


class Promotion(Event):
    """A version became champion. The record's subject is the version.

    Attributes:
        former: champion before, or None for the first.
        digests: what the approvals were signed over: name to SHA-256.
        policy_digest: of the policy it was promoted under.
        policy: the whole policy.
        decisions: numbers of the gate decisions that counted.
        exceptions: exceptions that were needed.
        approvals: numbers of the approvals that counted.
        approvers: who approved.
        validation: number of the validation that counted, or None.
        assessment: number of the tier's assessment that counted, or None: then the policy is that of the highest tier.
        copies: retired or refused models with the same rows and target: a warning.
        ladder: where the version stood on the ladder.
    """

    KIND: ClassVar[str] = "promotion"

    former: int | None
    digests: dict[str, Digest] = Field(default_factory=dict)
    policy_digest: Digest
    policy: dict[str, Any]
    decisions: tuple[int, ...] = ()
    exceptions: tuple[ExceptionUsed, ...] = ()
    approvals: tuple[int, ...] = ()
    approvers: tuple[Approver, ...] = ()
    validation: int | None = None
    assessment: int | None = None
    copies: tuple[CopyOf, ...] = ()
    ladder: LadderStep


class StepSigned(SignedEvent):
    """Somebody signed that a challenger passed a step of the release ladder. The record's subject is its version.

    Attributes:
        version: of the challenger.
        step: label of the step, such as `shadow` or `canary 0.1`.
        champion: version beside which it was seen.
        tested: number of the last record of a test that the signer had seen; 0 for none.
        rationale: why.
    """

    KIND: ClassVar[str] = "ladder_step_signed"
    PURPOSE: ClassVar[str] = "ladder-step/v1"

    version: str
    step: str
    champion: int
    tested: int
    rationale: str


class Intervention(SignedEvent):
    """A signed change of the champion state. The record's subject is the version concerned.

    Attributes:
        subject: version concerned, or empty; of a segment, the segment.
        rationale: why.
        follows: number of the record that made the state which this changes; 0 for none.
        cause, occasion, evidence, policy_digest, policy: of an act of the service key: what called for it, which time, the
            record it rests on, and the policy that allows it.
    """

    BY_SERVICE_KEY: ClassVar[bool] = False

    subject: str
    rationale: str
    follows: int
    cause: str | None = None
    occasion: str | None = None
    evidence: int | None = None
    policy_digest: Digest | None = None
    policy: dict[str, Any] | None = None


class SegmentPaused(Intervention):
    """No version decides about the rows of a segment. The record's subject is the segment, as it is written.

    Attributes:
        where: the segment, such as `state == 'TX'`.
    """

    KIND: ClassVar[str] = "segment_paused"
    PURPOSE: ClassVar[str] = "segment-pause/v1"

    where: str


class SegmentResumed(Intervention):
    """Versions decide again about the rows of a segment. The record's subject is the segment, as it is written.

    Attributes:
        where: the segment.
        pause: number of the record by which it was paused.
    """

    KIND: ClassVar[str] = "segment_resumed"
    PURPOSE: ClassVar[str] = "segment-resumption/v1"

    where: str
    pause: int


class Rollback(Intervention):
    """A former champion decides again.

    Attributes:
        former: champion before.
        version: that decides now.
    """

    KIND: ClassVar[str] = "rollback"
    PURPOSE: ClassVar[str] = "rollback/v1"
    BY_SERVICE_KEY: ClassVar[bool] = True

    former: int | None
    version: str


class Suspension(Intervention):
    """The champion was stopped: nothing decides until it is resumed."""

    KIND: ClassVar[str] = "suspension"
    PURPOSE: ClassVar[str] = "suspension/v1"
    BY_SERVICE_KEY: ClassVar[bool] = True


class Resumption(Intervention):
    """A suspended champion decides again."""

    KIND: ClassVar[str] = "resumption"
    PURPOSE: ClassVar[str] = "resumption/v1"


class Retirement(Intervention):
    """A model was ended: no version of it decides again."""

    KIND: ClassVar[str] = "retirement"
    PURPOSE: ClassVar[str] = "retirement/v1"
