"""Checking a whole ledger: one pass over its rows, and what each kind of damage looks like.

The pass hashes the texts as they are stored and parses nothing, so that a million records take seconds.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.stores.ledger_database import LedgerDatabase

MOST_PROBLEMS = 50
"""A rewritten ledger is wrong in every row; this many say so."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: short name of the damage, such as `edited` or `tail_cut`.
        message: what was found, what was expected.
        seq: record concerned, where there is one.
    """

    code: str
    message: str
    seq: int | None = None

    def __str__(self) -> str:
        return self.message


def check_chain(
    database: LedgerDatabase,
    connection: Connection,
    anchors: Iterable[Anchor],
    trusted: Iterable[PublicKey] = (),
    *,
    heads: bool = False,
    since: int = 1,
) -> list[Problem]:
    """Problems of the chain, then of guards, heads and anchors.

    Args:
        database: where the rows are.
        connection: a transaction that sees one state.
        anchors: signed heads from outside the database.
        trusted: keys whose signature on a head counts.
        heads: also check the guards, the signed heads and the anchors' signatures.
        since: number of the record to begin with; what comes before it is not looked at.
    """
    anchors = list(anchors)
    wanted = {anchor.seq for anchor in anchors}
    digests: dict[int, str] = {}
    problems: list[Problem] = []
    expected, last, clock = since, None, ""
    sha256 = hashlib.sha256
    models: dict[str, str] = {}
    for seq, kind, model, subject, happened, recorded, key, body, previous, digest in database.stream(
        connection, since
    ):
        # As `records.record_digest`, written out: this runs over millions of rows.
        named = models.get(model) or models.setdefault(model, sha256(model.encode()).hexdigest())
        content = f"{kind}\n{model}\n{subject}\n{happened}\n{recorded}\n{key or ''}\n{body}"
        found = sha256(f"{seq}\n{previous}\n{named}\n{sha256(content.encode()).hexdigest()}".encode()).hexdigest()
        if seq != expected or (last is not None and previous != last) or recorded < clock or found != digest:
            if seq != expected:
                problems.append(
                    Problem("missing", f"{_records(expected, seq - 1)} missing: the numbers go on with {seq}", expected)
                )
            if found != digest:
                problems.append(
                    Problem("edited", f"record {seq} ({kind} {model} {subject}) does not match its digest", seq)
                )
            elif seq == expected and last is not None and previous != last:
                problems.append(Problem("unlinked", f"record {seq} does not continue record {seq - 1}", seq))
            if recorded < clock:
                problems.append(
                    Problem("clock", f"record {seq} says {recorded}, which is before the record before it", seq)
                )
            if len(problems) >= MOST_PROBLEMS:
                problems.append(Problem("more", f"checking stopped at record {seq}: more is wrong than is listed"))
                break
        if seq in wanted:
            digests[seq] = digest
        expected, last, clock = seq + 1, digest, recorded
    if heads:
        problems += [
            Problem("guard_missing", f"the trigger {name!r} that refuses changes is gone or switched off")
            for name in database.missing_guards(connection)
        ]
        problems += _check_heads(connection, list(trusted), expected - 1)
    problems += _check_anchors(anchors, digests, list(trusted) if heads else None, expected - 1)
    return problems


def _records(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _check_heads(connection: Connection, trusted: list[PublicKey], last: int) -> list[Problem]:
    query = """
        SELECT h.seq, h.digest, r.digest FROM ledger_heads h LEFT JOIN ledger_records r ON r.seq = h.seq
        WHERE r.seq IS NULL OR r.digest <> h.digest ORDER BY h.seq LIMIT 5
    """
    problems = []
    for seq, _, found in connection.execute(sa.text(query)):
        if found is None:
            problems.append(Problem("tail_cut", f"record {seq} was signed as head and is not there", seq))
        else:
            problems.append(Problem("rewritten", f"record {seq} is not the one whose digest was signed as head", seq))
    row = connection.execute(sa.text("SELECT * FROM ledger_heads ORDER BY seq DESC LIMIT 1")).mappings().first()
    if row is None:
        if trusted and last:
            problems.append(
                Problem("unsealed", f"{_records(1, last)} under no signed head; expected one that a trusted key signed")
            )
        return problems
    head = Anchor(**row)
    if not trusted:
        what = "the head is signed, and no key was given to check it with; expected the ledger's public key, or its enrolment"
        problems.append(Problem("head_unchecked", what))
    elif not any(head.signed_by(key) for key in trusted):
        problems.append(
            Problem("head_signature", f"the signature on head {head.seq} is not by a key that is trusted", head.seq)
        )
    if head.seq < last:
        what = f"{_records(head.seq + 1, last)} under no signed head: nobody who holds the ledger's key wrote that"
        problems.append(Problem("unsealed", what, head.seq + 1))
    return problems


def _check_anchors(
    anchors: list[Anchor], digests: dict[int, str], trusted: list[PublicKey] | None, last: int
) -> list[Problem]:
    problems = []
    for anchor in sorted(anchors, key=lambda a: a.seq):
        if trusted and not any(anchor.signed_by(key) for key in trusted):
            problems.append(
                Problem(
                    "anchor_signature", f"the anchor of record {anchor.seq} is not signed by a trusted key", anchor.seq
                )
            )
        elif anchor.seq > last:
            problems.append(
                Problem(
                    "tail_cut",
                    f"the anchor names record {anchor.seq}, and the ledger ends at {last}: its tail was cut",
                    last + 1,
                )
            )
        elif digests.get(anchor.seq) != anchor.digest:
            problems.append(Problem("rewritten", f"record {anchor.seq} is not the one that was anchored", anchor.seq))
    return problems
