"""Every signature in the ledger, checked again: what `Ledger.verify` leaves out because it takes longer.

The chain proves that records are as they were written; this proves that those who are named really said it, with keys
that counted at that place. Whether a promotion was right when it was made is `release.audit`'s.
"""

from collections.abc import Iterable

from mlops_assets.governance import approvals, exceptions, findings, validations
from mlops_assets.ledger import signed_acts as authority
from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import CLOCK_TOLERANCE, Ledger, LedgerTampered, Record
from mlops_assets.ledger.people import AUTOMATION, NotAllowed, People
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.seals import head_objection
from mlops_assets.ledger.signatures import SignatureRefused

PURPOSES = {
    "approval": approvals.PURPOSE,
    "exception_granted": exceptions.PURPOSE,
    "exception_withdrawn": exceptions.WITHDRAWAL,
    "finding_recorded": findings.RECORD,
    "finding_responded": findings.RESPOND,
    "finding_closed": findings.CLOSE,
    validations.KIND: validations.PURPOSE,
    "rollback": "rollback/v1",
    "suspension": "suspension/v1",
    "resumption": "resumption/v1",
    "retirement": "retirement/v1",
    "incident_acknowledged": "incident-acknowledgement/v1",
    "incident_closed": "incident-closure/v1",
}
"""Kinds of records that are worth nothing without a signature, and the purpose it must have.

A record of any other kind may carry an `envelope` too; its purpose is then `<kind>/v1`.
"""


BY_MACHINE = ("suspension", "rollback")
"""Kinds of records that the service key may sign."""


def verify_all(
    ledger: Ledger,
    root: PublicKey | None = None,
    trusted: Iterable[PublicKey] = (),
    anchors: Iterable[Anchor] = (),
) -> list[Problem]:
    """Chain, guards, heads and anchors, then every signature; the first problem first, [] when all is well.

    Args:
        ledger: to check.
        root: root key, when known from outside the ledger; default: the one it was opened with.
        trusted: head keys besides those that are enrolled.
        anchors: heads kept elsewhere, such as in packets.
    """
    anchors = list(anchors)
    try:
        people = ledger.people(root)
        problems = ledger.verify(anchors=anchors, trusted=[*trusted, *people.ledger_keys()])
        return [
            *problems,
            *head_key_problems(ledger, people),
            *ahead_of_the_clock(ledger),
            *verify_signatures(ledger, root),
        ]
    except LedgerTampered as error:
        return ledger.verify(anchors=anchors, trusted=trusted) or [Problem("edited", str(error))]


def head_key_problems(ledger: Ledger, people: People) -> list[Problem]:
    """Whether the latest head is by a key that a root enrolled for it.

    Whoever holds this machine can put another key in the place of its head key; enrolment by the root cannot be put
    there. A ledger in which nobody was ever enrolled to sign heads is left alone, unless its root is known from outside.
    """
    head = ledger.head()
    if head is None or not (people.ledger_keys() or ledger.root):
        return []
    why = head_objection(people, () if ledger.root and not people.ledger_keys() else ledger.trusted, head)
    return [Problem("head_key", why, head.seq)] if why else []


def ahead_of_the_clock(ledger: Ledger) -> list[Problem]:
    """Whether the last record is from the future: until then nothing can be recorded, and keys count or not by that time."""
    (last, now) = (ledger.last(), ledger.clock())
    if last is None or last.recorded_at <= now + CLOCK_TOLERANCE:
        return []
    message = (
        f"record {last.seq} says that it was written at {iso(last.recorded_at)}, and this machine's clock says {iso(now)}: one "
        "of the two clocks is wrong, and nothing can be recorded before that time"
    )
    return [Problem("clock_ahead", message, last.seq)]


def verify_signatures(ledger: Ledger, root: PublicKey | None = None) -> list[Problem]:
    """What is wrong with the signatures in the ledger, in order of record."""
    people = ledger.people(root)
    problems = [Problem("enrolment", f"record {seq}: {why}", seq) for seq, why in people.refused]
    for record in ledger.records():
        if record.kind in PEOPLE_KINDS or (record.kind not in PURPOSES and record.body.get("envelope") is None):
            continue
        if (why := _objection(people, record)) is not None:
            message = f"record {record.seq} ({record.kind} {record.model} {record.subject}): {why}"
            problems.append(Problem("signature", message, record.seq))
    return sorted(problems, key=lambda problem: problem.seq or 0)


def _objection(people: People, record: Record) -> str | None:
    try:
        purpose = PURPOSES.get(record.kind, f"{record.kind}/v1")
        # Whether the policy let the service key do it is decided again in `release.audit`.
        machine = record.kind in BY_MACHINE and record.body.get("role") == AUTOMATION
        signed = authority.read_act(people, record, purpose, roles=(AUTOMATION,) if machine else None)
    except (NotAllowed, SignatureRefused) as error:
        return str(error)
    said = signed.predicate
    differing = sorted(name for name in said.keys() & record.body.keys() if said[name] != record.body[name])
    if differing:
        return f"the record says otherwise than what was signed: {', '.join(differing)}"
    if said.get("person") != signed.person:
        return f"signed by {signed.person} in the name of {said.get('person')}"
    return None
