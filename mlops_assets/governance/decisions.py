"""Decisions of gates as records, and where a version stands by them.

A gate decides once: its result is appended to the ledger, and whoever needs it later looks it up. Nothing here computes
a decision (`mlops_assets/gates/`) and nothing acts on one (`mlops_assets/release/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from mlops_assets import clock
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates.applicability import not_applicable
from mlops_assets.gates.gate import GateResult
from mlops_assets.gates.registry import CODE, GATES
from mlops_assets.ledger.canonical import digest, plain
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import DATA_SUBJECT, Decision
from mlops_assets.policy.policy import Policy

GateState = Literal["passed", "failed", "not_measurable", "not_applicable", "missing", "excepted"]


@dataclass(frozen=True)
class Lift:
    """A valid exception that stands in for one gate's pass."""

    gate: str
    seq: int
    expires: datetime
    role: str = ""
    person: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GateStanding:
    """One gate of one version.

    Attributes:
        gate: name.
        state: outcome of the decision that counts; `missing` without one; `excepted` where an exception lifts it.
        required: by the policy.
        blocks: whether it keeps the version from becoming champion.
        reason: the decision's, or what to do.
        decision: that counts.
        lift: the exception, if one is needed and holds.
    """

    gate: str
    state: GateState
    required: bool
    blocks: bool
    reason: str
    decision: Decision | None = None
    lift: Lift | None = None


@dataclass(frozen=True)
class Standing:
    """Every gate of one version under one policy."""

    model: str
    version: str
    policy_digest: str
    gates: tuple[GateStanding, ...]

    @property
    def ok(self) -> bool:
        """Whether no gate blocks."""
        return not self.blocking

    @property
    def blocking(self) -> tuple[GateStanding, ...]:
        """The gates that block."""
        return tuple(gate for gate in self.gates if gate.blocks)

    @property
    def excepted(self) -> tuple[GateStanding, ...]:
        """The gates that an exception lifts."""
        return tuple(gate for gate in self.gates if gate.state == "excepted")

    @property
    def decisions(self) -> tuple[int, ...]:
        """Numbers of the records that count, in order."""
        return tuple(sorted(gate.decision.seq for gate in self.gates if gate.decision is not None))


def record(
    ledger: Ledger,
    model: str,
    version: str | int,
    result: GateResult,
    policy: Policy,
    happened_at: datetime | None = None,
) -> Record[GateDecided]:
    """Append a decision; deciding the same again from the same evidence returns the record that is there.

    A decision from other evidence is a new record, and from then on the one that counts; both stay.

    Args:
        ledger: to write to.
        model: name.
        version: as in the registry, or `data:<digest>` for a decision on a snapshot.
        result: what the gate found.
        policy: the model's effective policy.
        happened_at: default now.

    Raises:
        ValueError: the result names a gate that the policy does not know, or rests on no evidence.
    """
    if result.gate not in policy.gates.names:
        raise ValueError(f"found gate {result.gate!r}, expected one of {', '.join(policy.gates.names)}")
    if not result.evidence:
        raise ValueError(f"gate {result.gate}: found a decision without evidence, expected the digest of what it read")
    subject = str(version)
    state = ledger.state().model(model)
    event = GateDecided(
        gate=result.gate,
        outcome=result.outcome,
        value=result.value,
        threshold=result.threshold,
        rule=result.rule,
        reason=result.reason,
        policy_digest=policy.digest,
        tier=policy.tier,
        evidence=result.evidence,
        details=plain(result.details),
    )
    before = _decided(state, subject, policy.digest).get(result.gate)
    if before is not None and _content(before) == _content(event):
        found = ledger.get(before.seq)
        assert found is not None
        return cast(Record[GateDecided], found)
    # The key names what it follows, so that of two processes deciding the same thing at once one record remains,
    # while a later return to an earlier result is still recorded.
    registration = state.version(subject).registration
    follows = before.seq if before else registration.seq if registration else 0
    cause = digest([policy.digest, result.evidence, result.outcome, result.value, follows])
    return ledger.append(
        event,
        model=model,
        subject=subject,
        happened_at=happened_at,
        key=f"gate/{model}/{subject}/{result.gate}/{cause}",
    )


def standing(
    model: ModelState,
    version: str | int,
    policy: Policy,
    *,
    lifts: Mapping[str, Lift] | None = None,
    at: datetime | None = None,
    codes: Mapping[str, str] | None = None,
) -> Standing:
    """Where every gate of a version stands.

    Only decisions under exactly this policy count: when the policy has changed, the gates must decide again. So must a gate of
    the bank's own whose code has changed.

    Args:
        model: its state.
        version: as in the registry.
        policy: effective policy of the model.
        lifts: exceptions by gate, as `governance.exceptions.lifts` returns them.
        at: moment at which exceptions must hold; default now.
        codes: digest of the code of gates that do not belong to this package, by gate; default: as they are now. An audit of
            the past passes none: the code that decided then need not be there any more.
    """
    moment = at or clock.now()
    codes = GATES.codes() if codes is None else codes
    found = _decided(model, str(version), policy.digest)
    gates = tuple(
        _gate_standing(name, policy, _of_code(found.get(name), codes.get(name)), (lifts or {}).get(name), moment)
        for name in policy.gates.names
    )
    gates = tuple(_if_applicable(gate, _without(model, str(version))) for gate in gates)
    return Standing(model.name, str(version), policy.digest, gates)


def result_of(record: Record[GateDecided]) -> GateResult:
    """The result that a record of a decision holds."""
    event = record.event
    return GateResult(
        event.gate, event.outcome, event.value, event.threshold, event.rule, event.reason, event.details, event.evidence
    )  # fmt: skip


def blocks(policy: Policy, gate: str, outcome: str, absent: bool) -> bool:
    """Whether an outcome keeps a version from becoming champion, exceptions apart.

    Args:
        policy: effective.
        gate: name.
        outcome: of the decision.
        absent: whether there was nothing to measure.
    """
    rule = policy.gates.rule(gate)
    if outcome == "not_measurable":
        return rule.required and (getattr(rule, "absence_blocks", True) if absent else rule.not_measurable_blocks)
    return rule.required and outcome != "passed"


def _without(model: ModelState, version: str) -> Mapping[str, str]:
    """Gates that cannot apply to a version, by the declaration that it was registered with."""
    registration = model.version(version).registration
    if registration is None or registration.event.declaration.get("origin", "trained") == "trained":
        return {}
    return not_applicable(Declaration.model_validate(registration.event.declaration))


def _if_applicable(gate: GateStanding, without: Mapping[str, str]) -> GateStanding:
    """A gate that is recorded as not applicable does not block where that is so, and blocks where it is not."""
    if gate.state != "not_applicable" or (gate.required and gate.gate not in without):
        return gate
    return replace(gate, blocks=False)


def _of_code(decision: Decision | None, code: str | None) -> Decision | None:
    """The decision, unless other code of the gate made it."""
    return decision if decision is None or code is None or decision.evidence.get(CODE) == code else None


def _gate_standing(
    gate: str, policy: Policy, decision: Decision | None, lift: Lift | None, moment: datetime
) -> GateStanding:
    required = policy.gates.rule(gate).required
    if decision is None:
        state: GateState = "missing"
        also = "" if GATES.code(gate) is None else " and the gate's present code"
        reason = f"no decision under the policy {policy.digest[:12]}{also}: let the gate decide again"
        blocked = required
    else:
        state, reason = cast(GateState, decision.outcome), decision.reason
        blocked = blocks(policy, gate, state, decision.absent)
    # An exception lifts a decision that was made, never one that was not.
    if blocked and decision is not None and lift is not None and moment < lift.expires:
        return GateStanding(gate, "excepted", required, False, reason, decision, lift)
    return GateStanding(gate, state, required, blocked, reason, decision)


def _decided(model: ModelState, subject: str, policy_digest: str) -> Mapping[str, Decision]:
    """The latest decision of each gate about a version, or about a snapshot, under one policy."""
    if subject.startswith(DATA_SUBJECT):
        found = model.data_decisions.get(subject, {})
        return {gate: d for gate, d in found.items() if d.policy_digest == policy_digest}
    return model.version(subject).decided(policy_digest) if policy_digest else {}


def _content(decision: Decision | GateDecided) -> str:
    return digest([decision.outcome, decision.evidence, decision.value, decision.threshold])
