"""Approvals: signatures on a version, and whether they are enough.

An approval is a signed statement over the version's approval_subject. It counts when its signer's key counted at that place in
the ledger, holds the role, is no author of the version, and signed exactly the digests that stand now. One person
counts once. Nothing is read from a record's summary fields: only from what was signed.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.governance.approval_subject import ApprovalSubject, approval_subject
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NO_JUDGES, NotAllowed, People, Signed
from mlops_assets.ledger.signatures import SignatureRefused, sign_statement
from mlops_assets.policy.policy import Policy

PURPOSE = "approval/v1"
Decision = Literal["approve", "reject"]


@dataclass(frozen=True)
class ApprovalState:
    """Where the approval of a version stands.

    Attributes:
        status: `approved`, `pending` or `rejected`.
        counted: approvals that count: (person, role, seq).
        rejections: rejections that stand: (person, role, seq).
        missing: what is still asked for: (role, count).
        refused: signatures that count for nothing: (seq, person, why).
        command: the `mlops approve` lines that would supply what is missing, one a line.
    """

    status: Literal["pending", "approved", "rejected"]
    counted: tuple[tuple[str, str, int], ...]
    rejections: tuple[tuple[str, str, int], ...]
    missing: tuple[tuple[str, int], ...]
    refused: tuple[tuple[int, str, str], ...]
    command: str


def sign_approval(
    ledger: Ledger,
    key: SigningKey,
    model: str,
    version: str | int,
    rationale: str,
    decision: Decision = "approve",
    *,
    role: str | None = None,
    policy: Policy | None = None,
    root: PublicKey | None = None,
) -> Record:
    """Sign a decision on a version and record it; signing the same again returns the record that is there.

    Args:
        ledger: to read the digests from and write the approval to.
        key: of the signer.
        model: name.
        version: as in the registry.
        rationale: why, in a sentence or more.
        decision: `approve` or `reject`.
        role: in which the signer acts; needed when they hold several that the policy asks for.
        policy: under which; default: that of the version's latest gate decision.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the signer is not enrolled for it, is an author, or acts in two roles.
        NotRegistered: there is no such version, or no gate has decided on it.
        ValueError: no rationale, or an unknown decision.
    """
    if decision not in ("approve", "reject"):
        raise ValueError(f"found decision {decision!r}, expected approve or reject")
    if not rationale.strip():
        raise ValueError("a decision needs a rationale: why is this version fit, or not, for its use?")
    about = approval_subject(ledger, model, version, policy.digest if policy else None)
    now = ledger.clock()
    people = ledger.people(root)
    signer = people.signer(key.public, model, now)
    chosen = _choose_role(signer.person, signer.roles, role, policy)
    if signer.person.casefold() in about.authors:
        raise NotAllowed(f"{signer.person} built {model} version {about.version} and cannot judge it")
    earlier = _read(ledger, about, people)
    mine = [(signed, record) for signed, record, why in earlier if why is None and signed.person == signer.person]
    if mine:
        signed, record = mine[-1]
        if (signed.predicate["decision"], signed.predicate["role"]) == (decision, chosen):
            return record
        if decision == "approve" and signed.predicate["decision"] == "approve":
            raise NotAllowed(
                f"{signer.person} already approved as {signed.predicate['role']} (record {record.seq}): "
                "one person cannot count in two roles"
            )
    predicate: dict[str, Any] = {
        "model": model,
        "version": about.version,
        "decision": decision,
        "person": signer.person,
        "role": chosen,
        "rationale": rationale.strip(),
        "signed_at": iso(now),
        "decisions": {gate: record.seq for gate, record in about.decisions.items()},
    }
    envelope = sign_statement(key, about.subjects, PURPOSE, predicate)
    summary = {name: predicate[name] for name in ("decision", "person", "role", "rationale")}
    return ledger.append("approval", {**summary, "envelope": envelope}, model=model, subject=about.version)


def state(
    ledger: Ledger,
    policy: Policy,
    model: str,
    version: str | int,
    *,
    root: PublicKey | None = None,
    known_at: datetime | None = None,
) -> ApprovalState:
    """Look every approval of a version up again, check every signature, and count.

    Raises:
        NotRegistered: the ledger knows no such version.
    """
    about = approval_subject(ledger, model, version, policy.digest, known_at)
    people = ledger.people(root, known_at)
    asked = {rule.role: rule.count for rule in policy.approvals}
    standing: dict[str, tuple[Signed, Record]] = {}
    refused: list[tuple[int, str, str]] = []
    for signed, record, why in _read(ledger, about, people, known_at):
        if why is None and asked and signed.predicate["role"] not in asked:
            why = f"the policy asks for no decision as {signed.predicate['role']}"
        before = standing.get(signed.person) if why is None else None
        if before is not None and _says(before[0]) == _says(signed) == "approve":
            why = f"{signed.person} already counts as {before[0].predicate['role']} (record {before[1].seq})"
        if why is not None:
            refused.append((record.seq, str(record.body.get("person", "")), why))
        else:
            standing[signed.person] = (signed, record)
    rows = {
        said: tuple(
            (person, str(signed.predicate["role"]), record.seq)
            for person, (signed, record) in standing.items()
            if _says(signed) == said
        )
        for said in ("approve", "reject")
    }
    have = [role for _, role, _ in rows["approve"]]
    missing = tuple((role, count - have.count(role)) for role, count in asked.items() if have.count(role) < count)
    status = "rejected" if rows["reject"] else "pending" if missing else "approved"
    command = _command(ledger, people, about, missing, set(standing))
    return ApprovalState(status, rows["approve"], rows["reject"], missing, tuple(refused), command)


def _says(signed: Signed) -> str:
    return str(signed.predicate["decision"])


def _read(
    ledger: Ledger, about: ApprovalSubject, people: People, known_at: datetime | None = None
) -> list[tuple[Any, Record, str | None]]:
    """Every approval record of the version with what was signed, and why it does not count (None: it does).

    The first member is a `Signed` wherever the third is None.
    """
    result: list[tuple[Any, Record, str | None]] = []
    seen: dict[str, int] = {}
    for record in ledger.records(kind="approval", model=about.model, subject=about.version, known_at=known_at):
        try:
            signed = people.open_record(record, PURPOSE)
            # Recorded once more it would undo what its signer has decided since.
            first = seen.setdefault(str(record.body["envelope"]["payload"]), record.seq)
            replayed = f"a replay of record {first}" if first != record.seq else None
            result.append((signed, record, replayed or _objection(signed, about)))
        except (SignatureRefused, NotAllowed) as error:
            result.append((None, record, str(error)))
    return result


def _objection(signed: Signed, about: ApprovalSubject) -> str | None:
    said = signed.predicate
    if (said.get("model"), said.get("version")) != (about.model, about.version):
        return f"signed for {said.get('model')} version {said.get('version')}"
    if said.get("decision") not in ("approve", "reject"):
        return f"found decision {said.get('decision')!r}, expected approve or reject"
    if said.get("role") not in signed.period.roles:
        return f"{signed.person} does not hold the role {said.get('role')}"
    if signed.person.casefold() in about.authors:
        return f"{signed.person} built this version"
    changed = sorted(
        name
        for name in {*about.subjects, *signed.statement.subjects}
        if about.subjects.get(name) != signed.statement.subjects.get(name)
    )
    if changed:
        return f"signed over other digests of: {', '.join(changed)}"
    return None


def _choose_role(person: str, held: Sequence[str], role: str | None, policy: Policy | None) -> str:
    roles = [r for r in held if r not in NO_JUDGES]
    if not roles:
        raise NotAllowed(f"{person} holds {', '.join(held)}, which is no role of somebody who judges")
    if role is not None:
        if role not in roles:
            raise NotAllowed(f"{person} holds {', '.join(roles)}, not the role {role}")
        return role
    asked = [r for r in roles if policy is None or any(rule.role == r for rule in policy.approvals)]
    if len(asked) == 1:
        return asked[0]
    if not asked and policy is not None and policy.approvals:
        raise NotAllowed(
            f"{person} holds {', '.join(roles)}, and the policy asks for "
            f"{', '.join(rule.role for rule in policy.approvals)}"
        )
    if len(roles) == 1:
        return roles[0]
    raise NotAllowed(f"{person} holds {', '.join(asked or roles)}: say with --role in which of them this is signed")


def _command(
    ledger: Ledger, people: People, about: ApprovalSubject, missing: Sequence[tuple[str, int]], busy: set[str]
) -> str:
    lines = []
    taken = set(busy)
    for role, count in missing:
        able = [
            period
            for period in people.active(about.model, ledger.clock(), role)
            if period.person not in taken and period.person.casefold() not in about.authors
        ]
        for number in range(count):
            signer = able[number] if number < len(able) else None
            name = signer.person if signer else f"NAME-OF-A-{role.upper()}"
            taken.add(name)
            several = f" --role {role}" if signer is None or len(signer.roles) > 1 else ""
            line = f"mlops approve {about.model} {about.version} --key $MLOPS_HOME/keys/{shlex.quote(name)}.pem"
            line += f'{several} --rationale "…"'
            lines.append(
                line if signer else f"{line}    # nobody who may act is enrolled as {role}: mlops people enrol"
            )
    return "\n".join(lines)
