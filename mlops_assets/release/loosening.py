"""What has become laxer about a model without anybody's signature: a policy that asks for less, an exception that ended.

Says which incidents should stand, as `release.oversight` does, which asks here.
"""

from datetime import datetime

from mlops_assets.governance.adoption import KIND as ADOPTED
from mlops_assets.governance.adoption import PURPOSE, counted
from mlops_assets.governance.approval_subject import authors_of_model
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NotAllowed, People
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act
from mlops_assets.policy.policy import Policy, laxer
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release.champion import ChampionState
from mlops_assets.release.opening import Opening

POLICY_LOOSENED = "policy_loosened"
EXCEPTION_ENDED = "exception_ended"
SHOWN = 3


def loosened_policy(ledger: Ledger, model: str, root: PublicKey | None = None) -> list[Opening]:
    """The policy in force, where it asks for less than the one before it and nobody but authors signed that."""
    people = ledger.people(root)
    adopted = counted(ledger.records(kind=ADOPTED, model=model), people)
    record = adopted[-1] if adopted else None
    if record is None or _agreed(ledger, people, record):
        return []
    # Taken into force once more it is the same policy: what it is held against is the last other one.
    named = record.body["policy_digest"]
    record = next(r for i, r in enumerate(adopted) if all(a.body["policy_digest"] == named for a in adopted[i:]))
    before = next((a for a in reversed(adopted) if a.body["policy_digest"] != named), None)
    if before is None:
        return []
    try:
        fields = laxer(recorded_policy(before.body), recorded_policy(record.body))
    except UnreadablePolicy:
        return []
    rows = {row["field"]: row for row in record.body.get("changes") or ()}
    names = [field.split(":")[0].removeprefix("policy.") for field in fields]
    # To leave less to the service key is another rule and no laxer one.
    names = [n for n in names if not (n.startswith("automation.") and n in rows and rows[n]["after"] is False)]
    if not names:
        return []
    fields = [f"{n} from {rows[n]['before']} to {rows[n]['after']}" if n in rows else n for n in names]
    more = f"; and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
    summary = (
        f"the policy {record.body['policy_digest'][:12]} asks for less than the one before it, and nobody signed it "
        f"(record {record.seq}, account {record.body.get('account', 'unknown')}): {'; '.join(fields[:SHOWN])}{more}"
    )
    occasion = str(record.seq)
    return [
        Opening(POLICY_LOOSENED, "act", summary, POLICY_LOOSENED, occasion, record.recorded_at, ("incident",), record.seq)
    ]  # fmt: skip


def _agreed(ledger: Ledger, people: People, record: Record) -> bool:
    """Whether somebody who built no version of the model signed for the policy."""
    try:
        read_act(people, record, PURPOSE, barred=authors_of_model(ledger, record.model))
    except (NotAllowed, SignatureRefused):
        return False
    return True


def ended_exceptions(
    ledger: Ledger, policy: Policy, now: ChampionState, when: datetime, root: PublicKey | None = None
) -> list[Opening]:
    """Gates that the champion did not pass, whose exception has expired or was withdrawn and that nothing lifts any more."""
    promotion = ledger.latest("promotion", model=now.model, subject=str(now.champion)) if now.champion else None
    lifted = (promotion.body.get("exceptions") or ()) if promotion is not None and now.status == "active" else ()
    if not lifted:
        return []
    standing = lifts(ledger, policy, now.model, str(now.champion), at=when, root=root)
    decisions = ledger.records(kind="gate_decision", model=now.model, subject=str(now.champion))
    outcomes = {record.body["gate"]: record.body["outcome"] for record in decisions}
    found = []
    for exception in lifted:
        gate, expires = str(exception["gate"]), moment(str(exception["expires"]))
        if gate in standing or outcomes.get(gate) == "passed":
            continue
        how = f"expired on {iso(expires)}" if when >= expires else "was withdrawn"
        summary = (
            f"version {now.champion} decides under an exception to the gate {gate} that {how} (record {exception['seq']}), "
            f"and the gate has not passed: grant another, promote a version that passes, or stop it: "
            f'mlops suspend {now.model} --key PEM --rationale "…"'
        )
        cause, occasion = f"{EXCEPTION_ENDED}:{gate}", f"{now.champion}/{exception['seq']}"
        found.append(
            Opening(EXCEPTION_ENDED, "act", summary, cause, occasion, min(expires, when), ("incident",), exception["seq"])
        )  # fmt: skip
    return found
