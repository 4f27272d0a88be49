"""Why a version will not become champion, as far as that is settled: gates, people, or the ladder refused it."""

from datetime import datetime

from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.policy.policy import Policy
from mlops_assets.release.ladder import climb


def refusal(state: LedgerState, policy: Policy, name: str, version: int | str, at: datetime) -> str:
    """Why a version is refused; empty where it merely waits for signatures, windows, or a decision that was not made yet.

    Args:
        state: of the ledger.
        policy: effective policy of the model.
        name: of the model.
        version: that is registered.
        at: for exceptions.
    """
    model = state.model(name)
    gates = standing(model, version, policy, lifts=lifts(model, policy, version, at), at=at)
    failed = [f"gate {g.gate}: {g.reason}" for g in gates.blocking if g.state in ("failed", "not_measurable")]
    if failed:
        return "; ".join(failed)
    approvals = approval_state(state, policy, name, version, at)
    if approvals.status == "rejected":
        return "; ".join(f"{person} rejected it as {role} (record {seq})" for person, role, seq in approvals.rejections)
    step = climb(model, policy, version)
    return step.reason if step.name == "sent_back" else ""
