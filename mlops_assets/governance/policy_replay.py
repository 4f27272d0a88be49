"""What would have been decided otherwise under another policy: recorded evidence through the gates again.

Nothing is measured anew and nothing is written. Each `gate_decision` record keeps what its decision rested on, so a
policy can be tried on the whole history before it is adopted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates.registry import decide
from mlops_assets.governance.decisions import blocks
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.policy.policy import Policy, PolicyError, effective


@dataclass(frozen=True)
class Change:
    """One recorded decision that another policy would have made otherwise.

    Attributes:
        model: name.
        version: or the snapshot, `data:<digest>`, that the decision was about.
        gate: name.
        seq: of the record.
        before: outcome under the current policy.
        after: outcome under the proposed one; None where it cannot be replayed.
        blocked_before: whether the outcome blocks promotion under the current policy.
        blocked_after: the same under the proposed one; None where it cannot be replayed.
        reason: the proposed decision's, or why there is none.
    """

    model: str
    version: str
    gate: str
    seq: int
    before: str
    after: str | None
    blocked_before: bool
    blocked_after: bool | None
    reason: str

    @property
    def effect(self) -> Literal["blocks", "unblocks", "outcome_only", "cannot_replay"]:
        """What it would mean for promotion."""
        if self.blocked_after is None:
            return "cannot_replay"
        if self.blocked_before == self.blocked_after:
            return "outcome_only"
        return "blocks" if self.blocked_after else "unblocks"


def diff(
    ledger: Ledger,
    current: Mapping[str, Policy],
    proposed: Mapping[str, Policy],
    declarations: Mapping[str, Declaration],
) -> list[Change]:
    """Replay every recorded gate decision under both policies, and list what differs.

    Args:
        ledger: to read.
        current: policies in force, by tier.
        proposed: policies to try, by tier.
        declarations: of the models, by name; records of other models are left out. Both policies are tightened by what
            the model declares. Where a model's own value is laxer than the proposed tier's, the tier's value is taken.

    Returns:
        Changes by model and record; the latest decision of a gate for each version only.
    """
    changes: list[Change] = []
    for model, declaration in sorted(declarations.items()):
        tier = declaration.tier.value
        if tier not in current or tier not in proposed:
            continue
        ours = effective(current[tier], declaration.policy)
        theirs = tightened(proposed[tier], declaration.policy)
        if ours.gates == theirs.gates:
            continue
        latest = {(record.subject, record.event.gate): record for record in ledger.of(GateDecided, model=model)}
        for record in sorted(latest.values(), key=lambda r: r.seq):
            change = _replay(record, ours, theirs)
            if change is not None:
                changes.append(change)
    return changes


def tightened(policy: Policy, overrides: Mapping) -> Policy:
    """The policy with those of a model's values that are not laxer than its own."""
    try:
        return effective(policy, overrides)
    except PolicyError:
        kept = policy
        for part in _leaves(overrides):
            try:
                kept = effective(kept, part)
            except PolicyError:
                continue
        return kept


def _leaves(overrides: Mapping) -> list[dict]:
    """Overrides of one value each."""
    found: list[dict] = []
    for name, value in overrides.items():
        found += [{name: inner} for inner in _leaves(value)] if isinstance(value, Mapping) else [{name: value}]
    return found


def _replay(record: Record[GateDecided], ours: Policy, theirs: Policy) -> Change | None:
    gate, recorded, evidence = record.event.gate, record.event.outcome, record.event.measured

    def change(before: str, after: str | None, was: bool, now: bool | None, reason: str) -> Change:
        return Change(record.model, record.subject, gate, record.seq, before, after, was, now, reason)

    if recorded == "not_applicable":
        return None
    if evidence is None:
        was = blocks(ours, gate, recorded, False)
        return change(recorded, None, was, None, "the record keeps no evidence that the gate could decide on again")
    try:
        old, new = decide(gate, evidence, ours.gates), decide(gate, evidence, theirs.gates)
    except (
        Exception
    ) as error:  # a gate that is not registered here, one of the bank's own that fails, or evidence of another form
        was = blocks(ours, gate, recorded, False)
        return change(recorded, None, was, None, f"the gate cannot decide on the recorded evidence: {error}")
    was, now = (
        blocks(policy, gate, result.outcome, bool(result.details.get("absent")))
        for policy, result in ((ours, old), (theirs, new))
    )
    if old.outcome == new.outcome and was == now:
        return None
    return change(old.outcome, new.outcome, was, now, new.reason)
