"""The whole ledger checked: chain, heads, anchors, clock, and every record that does not count.

The chain proves that records are as they were written; the state proves that those who are named signed them, with keys and
roles that counted at that place. Whether a promotion was right when it was made is `release.audit`'s.
"""

from collections.abc import Iterable

from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import CLOCK_TOLERANCE, Ledger, LedgerTampered
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import People
from mlops_assets.ledger.seals import head_objection
from mlops_assets.ledger.state.model import LedgerState


def verify_all(
    ledger: Ledger,
    root: PublicKey | None = None,
    trusted: Iterable[PublicKey] = (),
    anchors: Iterable[Anchor] = (),
) -> list[Problem]:
    """Chain, guards, heads and anchors, then every record that does not count; the first problem first, [] when all is well.

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
            *not_counted(ledger.state(root=root, fresh=True)),
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


def not_counted(state: LedgerState) -> list[Problem]:
    """Every record that counts for nothing, with the reason, in order: somebody wrote it past this project's functions."""
    return [
        Problem(
            "enrolment" if refused.kind in PEOPLE_KINDS else "not_counted",
            f"record {refused.seq} ({' '.join(filter(None, (refused.kind, refused.model, refused.subject)))}) counts for "
            f"nothing: {refused.reason}",
            refused.seq,
        )
        for refused in state.refused
    ]
