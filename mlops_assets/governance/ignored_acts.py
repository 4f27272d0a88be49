"""Signed acts that change nothing because their signer was not allowed them, or because they are played again.

Every reader passes such a record over, which keeps it harmless; here it is named, so that nobody tries it unseen. The
signature itself is `governance.verification`'s, incidents are `response.incidents`', promotions and interventions
`release.audit`'s. What was right when it was signed and has been overtaken since (a new card, another policy) is no
ignored act.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from mlops_assets.governance import adoption, approvals, exceptions, findings, validations
from mlops_assets.governance.approval_subject import authors_of
from mlops_assets.ledger.canonical import moment
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NO_JUDGES, NotAllowed, People, Signed
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act
from mlops_assets.policy.policy import Policy
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy

PURPOSES = {
    "approval": approvals.PURPOSE,
    "exception_granted": exceptions.PURPOSE,
    "finding_recorded": findings.RECORD,
    "finding_closed": findings.CLOSE,
    validations.KIND: validations.PURPOSE,
}
"""Kinds that independence or a role is asked for; what anybody enrolled may sign cannot be disallowed."""
REGISTERED = "version_registered"


def ignored_acts(ledger: Ledger, root: PublicKey | None = None) -> list[Problem]:
    """Every such record with why it counts for nothing, in order; [] when there is none."""
    people = ledger.people(root)
    by_model: dict[str, list[Record]] = {}
    for record in ledger.records(kind=(*PURPOSES, REGISTERED, adoption.KIND)):
        by_model.setdefault(record.model, []).append(record)
    problems = [problem for records in by_model.values() for problem in _of_model(records, people)]
    return sorted(problems, key=lambda problem: problem.seq or 0)


def _of_model(records: Sequence[Record], people: People) -> list[Problem]:
    proposed = [r for r in records if r.kind == adoption.KIND]
    adopted = adoption.counted(proposed, people)
    standing = {r.seq for r in adopted}
    why = {r.seq: "a role that the policy in force names had to sign it" for r in proposed if r.seq not in standing}
    read: list[tuple[Record, Signed]] = []
    for record in records:
        if record.kind not in PURPOSES:
            continue
        try:
            signed = read_act(people, record, PURPOSES[record.kind])
        except (NotAllowed, SignatureRefused) as error:
            why[record.seq] = str(error)
            continue
        try:
            objection = _objection(record, signed, records, read, adopted)
        except (KeyError, TypeError, ValueError) as error:
            objection = f"what was signed cannot be read: {error!r}"
        if objection:
            why[record.seq] = objection
        else:
            read.append((record, signed))
    return [
        Problem("ignored", f"record {r.seq} ({r.kind} {r.model} {r.subject}) counts for nothing: {why[r.seq]}", r.seq)
        for r in records
        if r.seq in why
    ]


def _objection(
    record: Record,
    signed: Signed,
    records: Sequence[Record],
    earlier: Sequence[tuple[Record, Signed]],
    adopted: Sequence[Record],
) -> str:
    """Why an act counts for nothing; empty where it counted when it was signed."""
    said, payload = signed.predicate, record.body["envelope"]["payload"]
    version = said.get("version")
    if record.kind == "finding_closed":
        opened = next((r for r, _ in earlier if (r.kind, r.subject) == ("finding_recorded", record.subject)), None)
        if opened is None or signed.statement.subjects.get("finding") != opened.digest:
            return f"it was signed about finding {said.get('id')}, which is not the one on record here"
        version = opened.body.get("version")
    if signed.person.casefold() in _authors(records, record.seq, version):
        return f"{signed.person} built {'the model' if version is None else f'version {version}'}"
    again = next((r.seq for r, _ in earlier if r.body["envelope"]["payload"] == payload), None)
    if again is not None:
        return f"a replay of record {again}"
    match record.kind:
        case "approval":
            return _approval(record, signed, said, earlier)
        case "exception_granted":
            return _exception(record, signed, said, adopted)
        case _:
            named = said.get("version") if record.kind == validations.KIND else said.get("id")
            return _role(signed, findings.VALIDATING) or (
                "" if named == record.subject else f"it was signed about {named}"
            )


def _approval(record: Record, signed: Signed, said: dict[str, Any], earlier: Sequence[tuple[Record, Signed]]) -> str:
    if said.get("version") != record.subject:
        return f"it was signed for version {said.get('version')}"
    if said.get("role") in NO_JUDGES:
        return f"{said.get('role')} is no role of somebody who judges"
    for before, other in reversed(earlier):
        mine = before.kind == "approval" and other.person == signed.person
        if not mine or other.statement.subjects != signed.statement.subjects:
            continue
        if other.predicate["decision"] == said["decision"] == "approve":
            return f"{signed.person} already counts as {other.predicate['role']} (record {before.seq})"
        break
    return ""


def _exception(record: Record, signed: Signed, said: dict[str, Any], adopted: Sequence[Record]) -> str:
    if said["gate"] != record.subject:
        return f"it was signed for gate {said['gate']}"
    policies = [policy for policy in _policies(signed, record.seq, adopted) if policy is not None]
    if not policies:
        return ""
    days = max(policy.exceptions.max_days for policy in policies)
    if moment(said["expires"]) - record.recorded_at > timedelta(days=days, seconds=60):
        return f"it lasts longer than the {days} days that the policy in force allowed"
    return _role(signed, {role for policy in policies for role in policy.exceptions.roles})


def _policies(signed: Signed, seq: int, adopted: Sequence[Record]) -> list[Policy | None]:
    """The policy in force before a record, and the one it was signed under where that came into force as well."""
    named = signed.statement.subjects.get("policy")
    found = [next((r for r in reversed(adopted) if r.seq < seq), None)]
    found += [r for r in adopted if r.body.get("policy_digest") == named]
    return [_readable(r) for r in found if r is not None]


def _readable(record: Record) -> Policy | None:
    try:
        return recorded_policy(record.body)
    except UnreadablePolicy:
        return None


def _role(signed: Signed, roles: Collection[str]) -> str:
    role = signed.predicate.get("role")
    return "" if role in roles else f"the role {role} may not sign it: {' or '.join(sorted(roles)) or 'nobody'} may"


def _authors(records: Sequence[Record], before: int, version: Any) -> set[str]:
    built = [r for r in records if r.kind == REGISTERED and r.seq < before]
    return {name for r in built if version is None or r.subject == str(version) for name in authors_of(r)}
