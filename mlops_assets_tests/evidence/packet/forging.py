"""What somebody can write who has the machine and the ledger's head key: records past the functions that would refuse them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlops_assets.governance.approval_subject import approval_subject
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.champion import ExceptionUsed, LadderStep, Promotion
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.governance.world import MODEL, Clock, World
from mlops_assets_tests.ledger.raw import raw

Do = Callable[[World, Policy], None]


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: what is tried.
        do: the attack.
        live: part of what the audit of the live ledger says.
        packet: part of what the verifier says of a packet.
    """

    name: str
    do: Do
    live: str
    packet: str


def past_promote(world: World, rules: Policy, version: int = 1, **changes: Any) -> None:
    """A promotion written past `promote`, resting on all that is on record, with changes."""
    state = world.ledger.state().model(MODEL)
    about = approval_subject(state, version, rules.digest)
    given = [a for a in state.version(version).approvals if a.record.event.decision == "approve"]
    event = Promotion(
        former=state.champion.champion, digests=dict(about.subjects), policy_digest=rules.digest,
        policy=rules.model_dump(mode="json"), decisions=tuple(d.seq for d in about.decisions.values()),
        approvals=tuple(a.record.seq for a in given),
        exceptions=tuple(ExceptionUsed(gate=e.gate, seq=e.seq, expires=e.expires) for e in state.exceptions),
        ladder=LadderStep(step="champion", reason="nothing to climb"),
    )  # fmt: skip
    world.ledger.append(event.model_copy(update=changes), model=MODEL, subject=str(version))


def signed(world: World, kind: str, purpose: str, subjects: dict[str, str], **fields: Any) -> Record:
    """A signed record written past the function that would refuse it."""
    person = fields.pop("person")
    subject = fields.pop("about", "1")
    says = {"model": MODEL, "person": person, "signed_at": iso(world.clock()), **fields}
    envelope = sign_statement(world.keys[person], subjects, purpose, says)
    return world.ledger.append(raw(kind, {**says, "envelope": envelope}), model=MODEL, subject=subject)


def approval(world: World, rules: Policy, person: str, role: str) -> Record:
    about = approval_subject(world.ledger.state().model(MODEL), 1, rules.digest)
    says = {"version": "1", "decision": "approve", "rationale": "sound", "role": role, "person": person}
    decisions = {gate: found.seq for gate, found in about.decisions.items()}
    return signed(world, "approval", "approval/v1", dict(about.subjects), decisions=decisions, **says)


def second_version(world: World, rules: Policy, *, approved: bool = True, time: bool = False) -> None:
    world.register(2, time=time)
    world.decide(rules, 2)
    if approved:
        world.approve(rules, "validator", "risk", version=2)


def anew(world: World, rules: Policy) -> None:
    """Every gate decides anew, so that what was approved before does not count."""
    world.decide(rules, performance="failed")
    world.decide(rules)


def written_again(world: World, keep: Callable[[Record], bool]) -> None:
    """Another ledger in the world's place: the records that are kept, each at its time, under heads signed again."""
    records = world.ledger.records()
    world.ledger.close()
    folder = Path(world.folder) / "again"
    folder.mkdir()
    clock = Clock()
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", world.keys["head"], folder / "anchor.json", clock=clock)
    for one in (r for r in records if keep(r)):
        clock.now = one.recorded_at - timedelta(milliseconds=1)
        ledger.append(
            raw(one.kind, one.body), model=one.model, subject=one.subject, happened_at=one.happened_at, key=one.key
        )
    world.ledger = ledger
