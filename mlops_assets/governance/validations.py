"""Independent validation: a validator's signed judgement of a version, how long it holds, and for which use.

A validation approves, approves with conditions, or rejects. The latest one about a version is the one that stands; each
names the one it follows, so that an old judgement played again counts for nothing. It holds until the date it says, and
never longer than the policy's `validity_days`. Findings are `governance.findings`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from mlops_assets.governance.approval_subject import registered
from mlops_assets.governance.restrictions import Restriction, read_restriction
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import VALIDATING, ValidationRecorded
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.policy.policy import Policy

ValidationOutcome = Literal["approved", "approved_with_conditions", "rejected"]
OUTCOMES: tuple[str, ...] = get_args(ValidationOutcome)


@dataclass(frozen=True)
class Validation:
    """One judgement that counts.

    Attributes:
        seq: of its record.
        model: name.
        version: judged.
        outcome: `approved`, `approved_with_conditions` or `rejected`.
        summary: what was examined and why this outcome.
        conditions: what must hold, in words.
        restrictions: for which rows it holds, as data.
        person: validator.
        role: in which they signed.
        recorded_at: when.
        valid_until: as the validator said.
    """

    seq: int
    model: str
    version: str
    outcome: ValidationOutcome
    summary: str
    conditions: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    person: str
    role: str
    recorded_at: datetime
    valid_until: datetime

    def ends(self, policy: Policy) -> datetime:
        """Until when it holds under `policy`, which may have become stricter since."""
        return min(self.valid_until, self.recorded_at + timedelta(days=policy.validity_days))

    def to_dict(self) -> dict[str, Any]:
        """For a card or a report."""
        return {
            "outcome": self.outcome,
            "summary": self.summary,
            "conditions": list(self.conditions),
            "restrictions": [restriction.to_dict() for restriction in self.restrictions],
            "person": self.person,
            "role": self.role,
            "date": self.recorded_at,
            "valid_until": self.valid_until,
            "record": self.seq,
        }


def record_validation(
    ledger: Ledger,
    key: SigningKey,
    policy: Policy,
    model: str,
    version: str | int,
    outcome: ValidationOutcome,
    summary: str,
    *,
    valid_until: datetime | None = None,
    conditions: Sequence[str] = (),
    restrictions: Sequence[Mapping[str, Any]] = (),
    root: PublicKey | None = None,
) -> Record[ValidationRecorded]:
    """Sign a judgement on a version and record it.

    Args:
        ledger: to write to.
        key: of the validator.
        policy: the model's effective policy.
        model: name.
        version: as in the registry.
        outcome: `approved`, `approved_with_conditions` or `rejected`.
        summary: what was examined and why this outcome.
        valid_until: default and latest: `policy.validity_days` from now.
        conditions: what must hold, in words.
        restrictions: as `governance.restrictions.read_restriction` takes them.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        NotRegistered: there is no such version.
        RestrictionError: a restriction cannot be read.
        ValueError: unknown outcome, no summary, an end that is past or too far off, or conditions where none belong.
        Conflict: another validation of the model was recorded in the same moment; call again.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"found outcome {outcome!r}, expected one of {', '.join(OUTCOMES)}")
    if not summary.strip():
        raise ValueError("a validation needs a summary: what was examined, and why this outcome?")
    if (outcome == "approved_with_conditions") != bool(conditions or restrictions):
        raise ValueError(
            f"found outcome {outcome} with {len(conditions)} conditions and {len(restrictions)} restrictions: "
            "approved_with_conditions needs at least one of either, and the others have none"
        )
    now = ledger.clock()
    latest = now + timedelta(days=policy.validity_days)
    ends = valid_until or latest
    if not now < ends <= latest:
        raise ValueError(f"found valid_until {iso(ends)}, expected after now and by {iso(latest)}, as policy says")
    state = ledger.state(root=root).model(model)
    registration, before = registered(state, version), state.version(version).validations
    read = [read_restriction(restriction) for restriction in restrictions]
    body = sign_act(
        ledger,
        key,
        ValidationRecorded.PURPOSE,
        model,
        {"registration": registration.digest},
        {
            "version": str(version),
            "outcome": outcome,
            "summary": summary.strip(),
            "valid_until": iso(ends),
            "conditions": [condition.strip() for condition in conditions],
            "restrictions": [restriction.to_dict() for restriction in read],
            "follows": before[-1].seq if before else 0,
        },
        roles=VALIDATING,
        barred=registration.event.authors,
        root=root,
    )
    expect = Expected((ValidationRecorded.KIND,), model, state.last_seq(ValidationRecorded.KIND))
    return ledger.append(ValidationRecorded.model_validate(body), model=model, subject=str(version), expect=expect)


def validations(model: ModelState) -> list[Validation]:
    """Every validation of a model that counts, in order of record."""
    found = [record for version in model.versions.values() for record in version.validations]
    return [_validation(record) for record in sorted(found, key=lambda record: record.seq)]


def standing_validation(model: ModelState, version: str | int) -> Validation | None:
    """The validation in force for a version, or None; whether it has ended is the caller's question.

    Raises:
        RestrictionError: it restricts the use in a way that this release cannot read.
    """
    found = model.version(version).validations
    return _validation(found[-1]) if found else None


def restrictions_of(model: ModelState, version: str | int) -> tuple[Restriction, ...]:
    """What a version's rows must be; an expired validation's restrictions hold on.

    Raises:
        RestrictionError: a restriction cannot be read: then nobody can say which rows may be scored.
    """
    standing = standing_validation(model, version)
    return standing.restrictions if standing is not None else ()


def objections(validation: Validation | None, policy: Policy, at: datetime) -> list[str]:
    """What a validation, or its absence, holds against promotion at that moment."""
    if validation is None:
        return ["no validation is on record, and the policy requires one"] if policy.validation.required else []
    if validation.outcome == "rejected":
        return [f"{validation.person} rejected it in validation (record {validation.seq}): {validation.summary}"]
    if at >= validation.ends(policy):
        return [f"its validation (record {validation.seq}) expired on {iso(validation.ends(policy))}"]
    return []


def _validation(record: Record[ValidationRecorded]) -> Validation:
    event = record.event
    return Validation(
        record.seq, record.model, record.subject, event.outcome, event.summary, event.conditions,
        tuple(read_restriction(restriction) for restriction in event.restrictions), event.person, event.role,
        record.recorded_at, event.valid_until,
    )  # fmt: skip
