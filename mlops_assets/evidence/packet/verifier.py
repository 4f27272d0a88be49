"""Check an audit packet with nothing but Python's standard library: no network, no server, no other package.

    python verify.py PACKET.zip [--root KEY_ID] [--head KEY_ID] [--anchor ANCHOR.json]

It checks, in this order, and names the first thing that is wrong: that every file is the one the packet was sealed with;
that the ledger's records form one chain up to a signed head, and that none about the model is withheld; that people were
enrolled by the root key; that what is signed about the model is signed by keys that counted there; that card, evidence and
reports of windows are those that the records name; that the version's promotion was right under the policy in force; that the
addendum lists everything since the card. Exit code 0: whole; 1: not whole; 2: no packet.

A packet that is whole was sealed by whoever holds the two keys it names: compare their ids, and the digest of this file,
with what the bank gave you by another way.
"""

import sys

OLDEST_PYTHON = (3, 10)
if sys.version_info < OLDEST_PYTHON:
    # Before all else: an older Python breaks off at what follows without a word on why.
    needed, running = (".".join(str(part) for part in version[:2]) for version in (OLDEST_PYTHON, sys.version_info))
    print(f"this program needs Python {needed} or later, found {running}", file=sys.stderr)
    sys.exit(2)

import argparse
import hashlib
import io
import os
import zipfile
from typing import Any

from mlops_assets.evidence.packet.verifier_addendum import check_addendum, check_now, read_addendum
from mlops_assets.evidence.packet.verifier_files import check_recorded_files, read_files
from mlops_assets.evidence.packet.verifier_history import removals
from mlops_assets.evidence.packet.verifier_ledger import (
    check_chain,
    check_head_key,
    check_people,
    check_signatures,
    instant,
)
from mlops_assets.evidence.packet.verifier_rows import PREDICTIONS, check_predictions
from mlops_assets.evidence.packet.verifier_signatures import (
    LARGEST_JSON,
    Point,
    Wrong,
    open_envelope,
    parsed,
    public_point,
)
from mlops_assets.evidence.packet.verifier_version import (
    check_version,
    evidence_since,
    gates_on_record,
)

SEAL = "packet.json"
FILES = (
    *(SEAL, "ledger.jsonl", "declaration.json", "policy.json", "addendum.json", "addendum.md"),
    *("README.txt", "verify.py"),
)
FOLDERS = ("keys/", "card/", "evidence/", "windows/", "reports/", PREDICTIONS)
LONGEST_LINE = 1000
MOST_REMARKS = 100


def check_seal(files: dict[str, bytes], head_pin: str | None) -> tuple[dict[str, Any], Point, str]:
    """Every file is the one that was sealed; gives back what the seal states, and the head key."""
    if SEAL not in files:
        raise Wrong(f"{SEAL} is missing: this is no packet, or its seal was taken out")
    envelope = parsed(files[SEAL], SEAL)
    point, head_id = public_point(files.get("keys/head.pem", b"").decode())
    if head_pin and head_id != head_pin:
        raise Wrong(f"keys/head.pem is key {head_id}, expected {head_pin}")
    subjects, statement = open_envelope(envelope, point, "packet/v1", SEAL)
    for name, kind in {"model": str, "version": str, "as_of": str, "head": dict}.items():
        if not isinstance(statement, dict) or not isinstance(statement.get(name), kind):
            raise Wrong(f"{SEAL} states no {name}, or something else under that name")
    for name in sorted(subjects):
        if name not in files:
            raise Wrong(f"{name} is missing")
        if hashlib.sha256(files[name]).hexdigest() != subjects[name]:
            raise Wrong(f"{name} was changed: its digest is not the one that was sealed")
    extra = sorted(set(files) - set(subjects) - {SEAL})
    if extra:
        raise Wrong(f"{extra[0]} was added after the packet was sealed")
    for name in sorted(files):
        if name not in FILES and name.split("/")[0] + "/" not in FOLDERS:
            raise Wrong(f"{name} is no part of a packet")
    return statement, point, head_id


def check_time(seal: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """The state that the packet claims is that of its last record."""
    if not rows:
        return
    last, stated = rows[-1], instant(seal["as_of"])
    withheld_since = last["seq"] < seal["head"]["seq"]
    if stated < instant(last["recorded_at"]) or (stated != instant(last["recorded_at"]) and not withheld_since):
        raise Wrong(f"{SEAL} states {seal['as_of']} as its time, and record {last['seq']} is of {last['recorded_at']}")


def check_keys(files: dict[str, bytes], people: list[dict[str, Any]]) -> None:
    """Each key among the files is one that was enrolled, or the head's."""
    enrolled = {person["public_key"] for person in people}
    for name in files:
        if name.startswith("keys/") and name != "keys/head.pem" and files[name].decode() not in enrolled:
            raise Wrong(f"{name} is a key that nobody was enrolled with")


def verify(path: Any, root: str | None = None, head: str | None = None, anchors: Any = ()) -> dict[str, Any]:
    """Check a packet.

    Args:
        path: the ZIP file.
        root: key id of the root key, as the bank gave it by another way.
        head: key id of the key that signs the ledger's head.
        anchors: heads kept elsewhere: mappings with `seq` and `digest`.

    Returns:
        What was found, as a mapping with `ok`, `problem` (the first thing that is wrong, or None), `remarks` (records that
        do not count, and on which nothing rests), and what was checked.
    """
    found: dict[str, Any] = {"ok": False, "problem": None, "model": None, "version": None, "remarks": []}
    try:
        files = read_files(path)
        seal, head_key, found["head"] = check_seal(files, head)
        model, version = seal["model"], seal["version"]
        found.update(model=model, version=version, as_of=seal["as_of"])
        rows = check_chain(files, seal, head_key, found["head"], anchors)
        check_time(seal, rows)
        if rows and rows[0]["seq"] == 1 and rows[0]["kind"] == "simulated_clock":
            found["remarks"].append(
                "the ledger was written under a simulated clock: nothing in it happened when it says"
            )
        people = check_people(rows, root, found["remarks"])
        check_head_key(people, found["head"], seal["head"]["seq"])
        check_keys(files, people)
        signed = check_signatures(rows, people, model, found["remarks"])
        check_recorded_files(files, rows, model, version)
        found["summary"], champion = check_version(files, rows, people, signed, model, version)
        found["remarks"] += evidence_since(rows, model, version)
        found["gates"] = gates_on_record(rows, model, version)
        found["predictions"] = check_predictions(files, rows, model, version)
        found["removed"] = removals(rows, signed, model)
        found["since_card"] = check_addendum(files, rows, signed, model, version)
        check_now(read_addendum(files)[0]["now"], rows, signed, model, version, champion)
        issuer = next((p["name"] for p in people if p["key_id"] == found["head"]), None)
        found.update(root=people[0]["key_id"] if people else None, root_name=people[0]["name"] if people else None)
        found["not_compared"] = not_compared(files)
        found.update(ok=True, records=seal["head"]["seq"], shown=len(rows), signatures=len(signed), issuer=issuer)
    except Wrong as error:
        found["problem"] = str(error)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        found["problem"] = f"it cannot be read as a packet: {error}"
        found["unreadable"] = True
    except Exception as error:  # whatever a hostile packet makes of this program, its examiner gets an answer
        found["problem"] = f"the packet is malformed ({type(error).__name__}: {error})"
    return found


def not_compared(files: dict[str, bytes]) -> list[str]:
    """What is in the packet as its issuer wrote it: no record says what it should be."""
    reports = sorted(name for name in files if name.startswith("reports/"))
    program = hashlib.sha256(files["verify.py"]).hexdigest() if "verify.py" in files else None
    texts = [name for name in ("README.txt", "addendum.md") if name in files]
    return [*texts, "texts in addendum.json", *reports, *([f"verify.py, SHA-256 {program}"] if program else [])]


def shown(text: Any) -> str:
    """Text for a terminal: a packet is written by others, and what it holds must not steer what its examiner sees."""
    line = str(text)
    short = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} … ({len(line)} characters)"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short)


def report(found: dict[str, Any]) -> list[str]:
    """What was found in a packet that is whole, a line each."""
    issuer = f", enrolled as {found['issuer']}" if found["issuer"] else ""
    withheld = found["records"] - found["shown"]
    lines = [
        f"whole: {found['summary']}",
        *found["gates"],
        f"state of {found['as_of']}",
        f"{found['records']} records in one chain, {found['signatures']} signatures about the model",
        f"records about the model since its card, in the addendum: {found['since_card']}",
        f"sealed with head key {found['head']}{issuer}",
        f"people enrolled by root key {found['root']}, of {found['root_name']}",
    ]
    lines += [*found["predictions"], *found["removed"]]
    lines.append(f"written by the issuer, and compared with no record: {'; '.join(found['not_compared'])}")
    if withheld:
        lines.insert(3, f"records of other models: {withheld}; their digests are in the chain, their content is not")
    remarks = found["remarks"]
    more = [f"and {len(remarks) - MOST_REMARKS} remarks more"] if len(remarks) > MOST_REMARKS else []
    return [*lines, *(f"remark: {remark}" for remark in remarks[:MOST_REMARKS]), *more]


def read_anchor(path: str) -> dict[str, Any]:
    """A head of the ledger that was kept elsewhere."""
    if os.stat(path).st_size > LARGEST_JSON or not os.path.isfile(path):
        raise Wrong(f"{path} is no file of a head")
    with open(path, "rb") as file:
        head = parsed(file.read(), path)
    if not isinstance(head, dict) or type(head.get("seq")) is not int or not isinstance(head.get("digest"), str):
        raise Wrong(f"{path} names no head: expected a JSON object with a whole number `seq` and a text `digest`")
    return head


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no sign for a name still gets an answer
    parser = argparse.ArgumentParser(description="Check an audit packet, offline, with the standard library alone.")
    parser.add_argument("packet")
    parser.add_argument("--root", help="key id of the root key, as the bank gave it by another way")
    parser.add_argument("--head", help="key id of the key that signs the ledger's head")
    parser.add_argument("--anchor", action="append", default=[], help="JSON file with a head that was kept elsewhere")
    options = parser.parse_args(arguments)
    for name in ("root", "head"):
        given = getattr(options, name)
        if given is not None and (len(given) != 64 or set(given) - set("0123456789abcdef")):
            print(f"--{name}: found {given!r}, expected a key id of 64 characters 0-9 and a-f", file=sys.stderr)
            return 2
    try:
        anchors = [read_anchor(path) for path in options.anchor]
    except (OSError, Wrong) as error:
        print(f"the anchor cannot be read: {shown(error)}", file=sys.stderr)
        return 2
    found = verify(options.packet, options.root, options.head, anchors)
    if not found["ok"]:
        answer = f"{options.packet}:" if found.get("unreadable") else "NOT WHOLE:"
        print(shown(f"{answer} {found['problem']}"), file=sys.stderr)
        return 2 if found.get("unreadable") else 1
    for line in report(found):
        print(shown(line))
    if not (options.root and options.head):
        print("compare both key ids with what the bank gave you by another way, or give them with --root and --head")
    return 0


if __name__ == "__main__":
    sys.exit(main())
