"""What has become laxer about a model without anybody's signature: a policy that asks for less, an exception that ended.

Says which incidents should stand, as `release.oversight` does, which asks here.
"""

from datetime import datetime

from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import PolicyAdopted
from mlops_assets.ledger.people import AUTOMATION, LEDGER, NotAllowed, People
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.policy.policy import Policy, laxer
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release.opening import Opening

POLICY_LOOSENED = "policy_loosened"
EXCEPTION_ENDED = "exception_ended"
SHOWN = 3


def loosened_policy(model: ModelState, people: People) -> list[Opening]:
    """The policy in force, where it requires less than the one before it and nobody but authors signed that."""
    adopted, record = model.policies, model.policy
    if record is None or _agreed(model, people, record):
        return []
    # Taken into force once more it is the same policy: what it is held against is the last other one.
    named = record.event.policy_digest
    record = next(r for i, r in enumerate(adopted) if all(a.event.policy_digest == named for a in adopted[i:]))
    before = next((a for a in reversed(adopted) if a.event.policy_digest != named), None)
    if before is None:
        return []
    try:
        fields = laxer(_policy(before), _policy(record))
    except UnreadablePolicy:
        return []
    rows = {row["field"]: row for row in record.event.changes}
    names = [field.split(":")[0].removeprefix("policy.") for field in fields]
    # To leave less to the service key is another rule and no laxer one.
    names = [n for n in names if not (n.startswith("automation.") and n in rows and rows[n]["after"] is False)]
    # A gate that is registered no more is in neither policy as it is read now.
    gates = record.event.policy.get("gates", {})
    asked = (before.event.policy.get("gates") or {}).items()
    names += [f"gates.{gate}.required" for gate, rule in asked if gate not in gates and rule.get("required")]
    if not names:
        return []
    fields = [f"{n} from {rows[n]['before']} to {rows[n]['after']}" if n in rows else n for n in names]
    more = f"; and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
    summary = (
        f"the policy {named[:12]} requires less than the one before it, and nobody signed it "
        f"(record {record.seq}, account {record.event.account or 'unknown'}): {'; '.join(fields[:SHOWN])}{more}"
    )
    occasion = str(record.seq)
    return [
        Opening(POLICY_LOOSENED, "act", summary, POLICY_LOOSENED, occasion, record.recorded_at, ("incident",), record.seq)
    ]  # fmt: skip


def _policy(record: Record[PolicyAdopted]) -> Policy:
    return recorded_policy(record.event.policy, record.event.policy_digest)


def _agreed(model: ModelState, people: People, record: Record[PolicyAdopted]) -> bool:
    """Whether somebody who built no version of the model signed for the policy."""
    try:
        signed = people.open_record(record, PolicyAdopted.PURPOSE)
    except (NotAllowed, SignatureRefused):
        return False
    role = signed.predicate.get("role")
    held = role in signed.period.roles and role not in (AUTOMATION, LEDGER)
    return held and signed.predicate.get("model") == model.name and signed.person.casefold() not in model.authors


def ended_exceptions(model: ModelState, policy: Policy, when: datetime) -> list[Opening]:
    """Gates that the champion did not pass, whose exception has expired or was withdrawn and that nothing lifts any more."""
    now = model.champion
    promotions = model.version(now.champion).promotions if now.champion and now.status == "active" else ()
    lifted = promotions[-1].event.exceptions if promotions else ()
    if not lifted:
        return []
    version = model.version(str(now.champion))
    in_force = lifts(model, policy, str(now.champion), when)
    latest = {
        d.gate: d for d in sorted((d for ds in version.decisions.values() for d in ds.values()), key=lambda d: d.seq)
    }
    found = []
    for exception in lifted:
        gate, expires = exception.gate, exception.expires
        if gate in in_force or (gate in latest and latest[gate].outcome == "passed"):
            continue
        how = f"expired on {iso(expires)}" if when >= expires else "was withdrawn"
        summary = (
            f"version {now.champion} decides under an exception to the gate {gate} that {how} (record {exception.seq}), "
            f"and the gate has not passed: grant another, promote a version that passes, or stop it: "
            f'mlops suspend {model.name} --key PEM --rationale "…"'
        )
        cause, occasion = f"{EXCEPTION_ENDED}:{gate}", f"{now.champion}/{exception.seq}"
        found.append(
            Opening(EXCEPTION_ENDED, "act", summary, cause, occasion, min(expires, when), ("incident",), exception.seq)
        )  # fmt: skip
    return found
