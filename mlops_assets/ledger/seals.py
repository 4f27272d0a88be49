"""Whether what stands in the ledger was written by somebody who holds one of its keys.

The chain alone can be continued by whoever may write to the database. So nothing is appended after a record that is under
no head of a key that counted at its place: the new head would seal what somebody slipped in. For the same reason a record
that decides something by itself can be asked for the head that was signed over exactly it.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.events.people import PersonEnrolled
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.people import LEDGER, People
from mlops_assets.ledger.records import Entry, Record


def may_seal(people: People, key_id: str, seq: int) -> bool:
    """Whether the key with this id was enrolled to sign the ledger's head, and counted, at record `seq`.

    The record that enrols a key is the first under its head, and the one that ends it may be the last.
    """
    return any(
        LEDGER in period.roles
        and period.key.key_id == key_id
        and period.enrolled <= seq
        and (period.ended is None or seq <= period.ended)
        for period in people.periods
    )


def head_objection(people: People, trusted: Collection[PublicKey], head: Anchor) -> str:
    """Why a signed head does not count; empty where it does.

    Args:
        people: everybody enrolled; where nobody ever was to sign the ledger, `trusted` alone decides.
        trusted: the keys that the ledger was opened with.
        head: in question.
    """
    enrolled = [period for period in people.periods if LEDGER in period.roles]
    known = {key.key_id: key for key in (*trusted, *(period.key for period in enrolled))}
    first = min((period.enrolled for period in enrolled), default=0)
    key, name = known.get(head.key_id), head.key_id[:12]
    if key is None:
        # Before the first enrolment nobody was to sign the ledger, and that record itself is signed by the root.
        what = "no root enrolled to sign the ledger" if enrolled else "is neither this machine's nor enrolled"
        return "" if head.seq == first else f"head {head.seq} is signed with key {name}, which {what}"
    if not head.signed_by(key):
        return f"the signature on head {head.seq} is not one of key {name} over that record"
    if enrolled and head.seq > first and not may_seal(people, head.key_id, head.seq):
        return f"head {head.seq} is signed with key {name}, which no root had enrolled there, or had ended before"
    return ""


def tail_objection(people: People, trusted: Collection[PublicKey], last: Record | None, head: Anchor | None) -> str:
    """Why the end of the ledger is under no head that counts; empty where it is.

    Args:
        people: see `head_objection`.
        trusted: see `head_objection`.
        last: its last record.
        head: its latest signed head.
    """
    if last is None:
        return "" if head is None else f"record {head.seq} was signed as head, and the ledger is empty"
    if head is None or head.seq < last.seq:
        first = head.seq + 1 if head is not None else 1
        what = f"record {first} is" if first == last.seq else f"records {first} to {last.seq} are"
        return f"{what} under no signed head: nobody who holds the ledger's key wrote that"
    if head.seq > last.seq:
        return f"record {head.seq} was signed as head, and the ledger ends at {last.seq}: its tail was cut"
    if head.digest != last.digest:
        return f"record {last.seq} is not the one whose digest was signed as head"
    return head_objection(people, trusted, head)


def sealed_until(people: People, trusted: Collection[PublicKey], heads: Iterable[Anchor]) -> int:
    """Number of the last record that a signed head which counts covers; 0 where there is none.

    Args:
        people: see `head_objection`.
        trusted: see `head_objection`.
        heads: signed heads whose digest is that of the record they name, the latest first.
    """
    return next((head.seq for head in heads if not head_objection(people, trusted, head)), 0)


def lost_anchor(path: Path | None, last: Record | None) -> str:
    """What is said of a ledger whose anchor file is gone."""
    return (
        f"the ledger ends at {last.seq if last else 0} under a signed head, and its anchor {path} is gone; bring it back "
        "from a copy or from the latest audit packet"
    )


def other_anchor(path: Path | None, anchor: Anchor, last: Record | None) -> str:
    """What is said of a ledger that does not hold the record which its anchor names."""
    return (
        f"the anchor {path} says that record {anchor.seq} has digest {anchor.digest[:12]}…, and the database, which ends at "
        f"{last.seq if last else 0}, does not hold it; restore the database from a backup, then run `mlops verify`"
    )


def own_key_objection(people: People, key: PublicKey, entries: Sequence[Entry], seq: int) -> str:
    """Why a machine's own head key may not seal what is to be written; empty where it may.

    A machine with a key that no root enrolled would leave a head that no other machine believes. It may write one thing:
    the enrolment of that key.

    Args:
        people: everybody enrolled; where nobody ever was to sign the ledger, any key may.
        key: public half of the machine's key.
        entries: to be written.
        seq: number of the first of them.
    """
    enrols = all(isinstance(e.event, PersonEnrolled) and e.event.key_id == key.key_id for e in entries)
    if enrols or not people.ledger_keys() or may_seal(people, key.key_id, seq):
        return ""
    return (
        f"this machine's ledger key {key.key_id[:12]} is not one that a root enrolled, or counts no longer; bring "
        "keys/ledger.pem from the machine that wrote before, or enrol this one (as `ledger` in the former's place, under "
        "another name beside it): mlops people enrol NAME --public-key keys/ledger.pub.pem --role ledger --key root.pem"
    )
