"""Approvals: signatures on a version, and whether they are enough.

An approval is a signed statement over the version's approval subject. The ledger's state holds those with a valid signature
by somebody who may judge the version; here is decided whether they were made over the digests that hold now, and whether
they are as many, in the roles, as the policy requires. One person counts once.
"""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.governance.approval_subject import ApprovalSubject, approval_subject
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import Approval
from mlops_assets.ledger.keys import PublicKey, SigningKey, home_keys
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NO_JUDGES, NotAllowed, People
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.versions import GivenApproval
from mlops_assets.policy.policy import Policy

ApprovalDecision = Literal["approve", "reject"]


@dataclass(frozen=True)
class ApprovalState:
    """Whether a version is approved.

    Attributes:
        status: `approved`, `pending` or `rejected`.
        counted: approvals that count: (person, role, seq).
        rejections: rejections in force: (person, role, seq).
        missing: approvals that are still required: (role, count).
        refused: signatures that do not count: (seq, person, why).
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
    decision: ApprovalDecision = "approve",
    *,
    role: str | None = None,
    policy: Policy | None = None,
    root: PublicKey | None = None,
) -> Record[Approval]:
    """Sign a decision on a version and record it; signing the same again returns the record that is there.

    Args:
        ledger: to read the digests from and write the approval to.
        key: of the signer.
        model: name.
        version: as in the registry.
        rationale: why, in a sentence or more.
        decision: `approve` or `reject`.
        role: in which the signer acts; needed when they hold several that the policy requires.
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
    state = ledger.state(root=root)
    about = approval_subject(state.model(model), version, policy.digest if policy else None)
    now = ledger.clock()
    signer = state.people.signer(key.public, model, now)
    chosen = _choose_role(signer.person, signer.roles, role, policy)
    if signer.person.casefold() in about.authors:
        raise NotAllowed(f"{signer.person} built {model} version {about.version} and may not judge it")
    if decision == "approve" and (unknown := unknown_developers(state.people, about)):
        raise NotAllowed(f"{model} version {about.version} cannot be approved: {_not_enrolled(unknown)}")
    valid, _ = _over_these_digests(state.model(model), about)
    mine = [given.record for given in valid if given.record.event.person == signer.person]
    if mine:
        last = mine[-1]
        if (last.event.decision, last.event.role) == (decision, chosen):
            return last
        if decision == "approve" and last.event.decision == "approve":
            raise NotAllowed(
                f"{signer.person} already approved as {last.event.role} (record {last.seq}): "
                "one person cannot count in two roles"
            )
    predicate = {
        "model": model,
        "version": about.version,
        "decision": decision,
        "person": signer.person,
        "role": chosen,
        "rationale": rationale.strip(),
        "signed_at": iso(now),
        "decisions": {gate: found.seq for gate, found in about.decisions.items()},
    }
    envelope = sign_statement(key, about.subjects, Approval.PURPOSE, predicate)
    event = Approval.model_validate({**predicate, "envelope": envelope})
    return ledger.append(event, model=model, subject=about.version)


def approval_state(
    state: LedgerState, policy: Policy, model: str, version: str | int, at: datetime | None = None
) -> ApprovalState:
    """Count the approvals of a version against its policy.

    Args:
        state: of the ledger.
        policy: the model's effective policy.
        model: name.
        version: as in the registry.
        at: time at which somebody must be able to sign to be proposed in `command`; None: no command is proposed.

    Raises:
        NotRegistered: the ledger knows no such version.
    """
    of_model = state.model(model)
    about = approval_subject(of_model, version, policy.digest)
    required = {rule.role: rule.count for rule in policy.approvals}
    valid, refused = _over_these_digests(of_model, about)
    refused += [
        (r.seq, r.person, r.reason)
        for r in state.refused
        if (r.kind, r.model, r.subject) == (Approval.KIND, model, about.version)
    ]
    counting: dict[str, Record[Approval]] = {}
    unknown = unknown_developers(state.people, about) if required else ()
    for given in valid:
        event, before = given.record.event, counting.get(given.record.event.person)
        if required and event.role not in required:
            why = f"the policy requires no decision as {event.role}"
        elif unknown and event.decision == "approve":
            why = _not_enrolled(unknown)
        elif before is not None and before.event.decision == event.decision == "approve":
            why = f"{event.person} already counts as {before.event.role} (record {before.seq})"
        else:
            counting[event.person] = given.record
            continue
        refused.append((given.record.seq, event.person, why))
    rows = {
        decision: tuple(
            (r.event.person, r.event.role, r.seq) for r in counting.values() if r.event.decision == decision
        )
        for decision in ("approve", "reject")
    }
    have = [role for _, role, _ in rows["approve"]]
    missing = tuple((role, count - have.count(role)) for role, count in required.items() if have.count(role) < count)
    status = "rejected" if rows["reject"] else "pending" if missing else "approved"
    command = _command(state.people, about, missing, set(counting), at) if at is not None else ""
    if command and unknown:
        command = f"# first: {_not_enrolled(unknown)}\n{command}"
    return ApprovalState(status, rows["approve"], rows["reject"], missing, tuple(sorted(refused)), command)


def unknown_developers(people: People, about: ApprovalSubject) -> tuple[str, ...]:
    """Declared developers of a version who were never enrolled.

    Authors are kept from approving by their names. A version with a developer whom nobody knows could be approved by its
    true author, who is enrolled under another name.
    """
    enrolled = {period.person.casefold() for period in people.periods}
    declared = about.registration.event.developers
    return tuple(sorted(name for name in declared if name.strip().casefold() not in enrolled))


def _not_enrolled(unknown: Sequence[str]) -> str:
    several = len(unknown) > 1
    return (
        f"the declared developer{'s' if several else ''} {', '.join(unknown)} {'are' if several else 'is'} not enrolled; "
        "enrol them with `mlops people enrol`, or correct `developers` in the declaration and train again"
    )


def _over_these_digests(
    model: ModelState, about: ApprovalSubject
) -> tuple[list[GivenApproval], list[tuple[int, str, str]]]:
    """Approvals that were signed over the digests that hold now, and the others with what has changed since."""
    valid: list[GivenApproval] = []
    refused: list[tuple[int, str, str]] = []
    for given in model.version(about.version).approvals:
        changed = sorted(
            name for name in {*about.subjects, *given.subjects} if about.subjects.get(name) != given.subjects.get(name)
        )
        if changed:
            why = f"signed over other digests of: {', '.join(changed)}"
            refused.append((given.record.seq, given.record.event.person, why))
        else:
            valid.append(given)
    return valid, refused


def _choose_role(person: str, held: Sequence[str], role: str | None, policy: Policy | None) -> str:
    roles = [r for r in held if r not in NO_JUDGES]
    if not roles:
        raise NotAllowed(f"{person} holds {', '.join(held)}, none of which may judge a model")
    if role is not None:
        if role not in roles:
            raise NotAllowed(f"{person} holds {', '.join(roles)}, not the role {role}")
        return role
    required = [r for r in roles if policy is None or any(rule.role == r for rule in policy.approvals)]
    if len(required) == 1:
        return required[0]
    if not required and policy is not None and policy.approvals:
        raise NotAllowed(
            f"{person} holds {', '.join(roles)}, and the policy requires "
            f"{', '.join(rule.role for rule in policy.approvals)}"
        )
    if len(roles) == 1:
        return roles[0]
    raise NotAllowed(f"{person} holds {', '.join(required or roles)}: say with --role in which of them this is signed")


def _command(
    people: People, about: ApprovalSubject, missing: Sequence[tuple[str, int]], busy: Collection[str], at: datetime
) -> str:
    lines = []
    taken = set(busy)
    for role, count in missing:
        able = [
            period
            for period in people.active(about.model, at, role)
            if period.person not in taken and period.person.casefold() not in about.authors
        ]
        for number in range(count):
            signer = able[number] if number < len(able) else None
            name = signer.person if signer else f"NAME-OF-A-{role.upper()}"
            taken.add(name)
            several = f" --role {role}" if signer is None or len(signer.roles) > 1 else ""
            key = shlex.quote(str(home_keys() / f"{name}.pem"))
            line = f'mlops approve {about.model} {about.version} --key {key}{several} --rationale "…"'
            lines.append(
                line if signer else f"{line}    # nobody who may act is enrolled as {role}: mlops people enrol"
            )
    return "\n".join(lines)
