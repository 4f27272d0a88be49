"""Check an audit packet with nothing but Python's standard library: no network, no server, no other package.

    python verify.py PACKET.zip [--root KEY_ID] [--head KEY_ID] [--anchor ANCHOR.json]

It checks, in this order, and names the first thing that is wrong: that every file is the one the packet was sealed
with; that the ledger's records form one chain up to a signed head; that people were enrolled by the root key; that what
is signed about the model is signed by keys that counted there; that the version's digests, gates, approvals, policy,
declaration and card are those that were signed when it was promoted. Exit code 0: whole; 1: not; 2: no packet.

A packet that is whole was sealed by whoever holds the two keys it names: compare their ids, and the digest of this very
file, with what the bank told you by another way.
"""

import argparse
import hashlib
import json
import sys
import zipfile
from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import (
    Act,
    Row,
    check_chain,
    check_head_key,
    check_people,
    check_signatures,
    instant,
)
from mlops_assets.evidence.packet.verifier_signatures import Point, Wrong, open_envelope, public_point

SEAL = "packet.json"
LARGEST_FILE = 512 * 1024 * 1024
# The checks.


def read_files(path: Any) -> dict[str, bytes]:
    """Name to bytes of every file in the packet."""
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if len(set(names)) != len(names):
            raise Wrong("the packet holds two files of one name")
        if any(info.file_size > LARGEST_FILE for info in archive.infolist()):
            raise Wrong(f"a file of the packet is larger than {LARGEST_FILE} bytes")
        damaged = archive.testzip()
        if damaged is not None:
            raise Wrong(f"{damaged} is damaged: its checksum does not match")
        return {name: archive.read(name) for name in names}


def check_seal(files: dict[str, bytes], head_pin: str | None) -> tuple[dict[str, Any], Point, str]:
    """Every file is the one that was sealed; gives back what the seal says and the head key."""
    if SEAL not in files:
        raise Wrong(f"{SEAL} is missing: this is no packet, or its seal was taken out")
    envelope = json.loads(files[SEAL])
    point, head_id = public_point(files.get("keys/head.pem", b"").decode())
    if head_pin and head_id != head_pin:
        raise Wrong(f"keys/head.pem is key {head_id}, expected {head_pin}")
    subjects, said = open_envelope(envelope, point, "packet/v1", SEAL)
    for name in sorted(subjects):
        if name not in files:
            raise Wrong(f"{name} is missing")
        if hashlib.sha256(files[name]).hexdigest() != subjects[name]:
            raise Wrong(f"{name} was changed: its digest is not the one that was sealed")
    extra = sorted(set(files) - set(subjects) - {SEAL})
    if extra:
        raise Wrong(f"{extra[0]} was added after the packet was sealed")
    return said, point, head_id


def check_version(files: dict[str, bytes], rows: list[Row], signed: dict[int, Act], model: str, version: str) -> str:
    """The version's digests, gates, approvals, exceptions, policy, declaration and card; gives back a summary."""
    mine = [r for r in rows if r["model"] == model and r["subject"] == version]
    registered = [r for r in mine if r["kind"] == "version_registered"]
    if not registered:
        raise Wrong(f"version {version} of {model} was never registered")
    body = registered[0]["body"]
    if any(r["body"].get("artifact_digest") != body.get("artifact_digest") for r in registered):
        raise Wrong(f"version {version} was registered with different artifacts")
    check_file(files, "declaration.json", body.get("declaration_digest"), "the version was registered with")
    cards = [r for r in mine if r["kind"] == "card_issued"]
    promotions = [r for r in mine if r["kind"] == "promotion"]
    if not promotions:
        if cards:
            check_file(files, "card/card.json", cards[-1]["body"]["digest"], "the ledger names")
        return f"version {version} of {model} was registered and never promoted"
    promotion = promotions[-1]
    what, said = f"record {promotion['seq']} (promotion of version {version})", promotion["body"]
    digests = said["digests"]
    check_file(files, "policy.json", said["policy_digest"], "the version was promoted under")
    if digests.get("card"):
        check_file(files, "card/card.json", digests["card"], "the approvals were signed over")
    expected = {"registration": registered[0]["digest"], "policy": said["policy_digest"]}
    for name in ("artifact", "data", "declaration", "features"):
        if body.get(name + "_digest"):
            expected[name] = body[name + "_digest"]
    by_seq = {r["seq"]: r for r in rows[: promotion["seq"] - 1]}
    lifted = {e["gate"]: e["seq"] for e in said.get("exceptions") or ()}
    for seq in said["decisions"]:
        decision = by_seq.get(seq)
        about = ("gate_decision", model, version)
        if decision is None or (decision["kind"], decision["model"], decision["subject"]) != about:
            raise Wrong(f"{what} rests on record {seq}, which is no gate decision on this version before it")
        gate = decision["body"]["gate"]
        expected[f"gate:{gate}"] = decision["digest"]
        if decision["body"]["outcome"] == "passed" or gate in lifted or not blocks(files, gate, decision["body"]):
            continue
        raise Wrong(f"{what}: gate {gate} was {decision['body']['outcome']} (record {seq}), and no exception lifts it")
    decided = {name.removeprefix("gate:") for name in expected if name.startswith("gate:")}
    for gate, rule in json.loads(files["policy.json"])["gates"].items():
        if rule.get("required") and gate not in decided and gate not in lifted:
            raise Wrong(f"{what}: the policy requires gate {gate}, and no decision on it is named")
    for name, value in expected.items():
        if digests.get(name) != value:
            raise Wrong(f"{what}: its digest of {name} is not the ledger's")
    for gate, seq in lifted.items():
        check_exception(by_seq.get(seq), signed.get(seq), promotion, gate, version)
    check_approvals(files, said, signed, body, digests, what, version)
    counts = f"{len(said['decisions'])} gates, {len(said['approvals'])} approvals"
    return f"version {version} of {model}: {counts}, promoted by record {promotion['seq']}"


def blocks(files: dict[str, bytes], gate: str, decided: Row) -> bool:
    """Whether a decision other than a pass keeps a version from promotion under the policy."""
    rules = json.loads(files["policy.json"])["gates"].get(gate)
    if rules is None:
        return True
    held = rules.get("required", True)
    if decided["outcome"] == "not_measurable":
        absent = bool((decided.get("details") or {}).get("absent"))
        held = held and rules.get("absence_blocks" if absent else "not_measurable_blocks", True)
    return bool(held)


def check_file(files: dict[str, bytes], name: str, digest: Any, why: str) -> None:
    """A file is the one that a record names."""
    if name not in files:
        raise Wrong(f"{name} is missing")
    if hashlib.sha256(files[name]).hexdigest() != digest:
        raise Wrong(f"{name} is not what {why}")


def check_exception(row: Row | None, act: Act | None, promotion: Row, gate: str, version: str) -> None:
    """An exception was signed before the promotion, for this gate and version, and had not expired."""
    what = f"the exception to gate {gate}"
    if row is None or act is None or row["kind"] != "exception_granted":
        raise Wrong(f"{what} is no signed record before the promotion")
    _, _, said = act
    if said["gate"] != gate or said["version"] not in (None, version):
        raise Wrong(f"{what} was signed for gate {said['gate']} of version {said['version']}")
    if instant(said["expires"]) <= instant(promotion["recorded_at"]):
        raise Wrong(f"{what} had expired when the version was promoted")


def check_approvals(
    files: dict[str, bytes], said: Row, signed: dict[int, Act], body: Row, digests: Row, what: str, version: str
) -> None:
    """Enough different people, none of them an author, in the roles the policy asks for, over exactly these digests."""
    built = [*(body.get("developers") or ()), body.get("developer"), body.get("trained_by")]
    authors = {str(name).strip().casefold() for name in built if name}
    roles, names = [], []
    for seq in said["approvals"]:
        if seq not in signed or signed[seq][2].get("decision") != "approve":
            raise Wrong(f"{what} counts record {seq}, which is no signed approval")
        name, subjects, approval = signed[seq]
        if approval["version"] != version or subjects != digests:
            raise Wrong(f"{what}: the approval of record {seq} was signed over other digests")
        if name.casefold() in authors:
            raise Wrong(f"{what}: {name} built this version and approved it")
        roles.append(approval["role"])
        names.append(name)
    if len(set(names)) != len(names):
        raise Wrong(f"{what} counts one person twice")
    for rule in json.loads(files["policy.json"])["approvals"]:
        if roles.count(rule["role"]) < rule["count"]:
            asked = f"{rule['count']} approval(s) as {rule['role']}"
            raise Wrong(f"{what}: the policy asks for {asked}, found {roles.count(rule['role'])}")


def verify(path: Any, root: str | None = None, head: str | None = None, anchors: Any = ()) -> dict[str, Any]:
    """Check a packet.

    Args:
        path: The ZIP file.
        root: Key id of the root key, as the bank told it by another way.
        head: Key id of the key that signs the ledger's head.
        anchors: Heads kept elsewhere: mappings with `seq` and `digest`.

    Returns:
        What was found, as a mapping with `ok`, `problem` (the first thing that is wrong, or None), `remarks` (records
        that count for nothing, and on which nothing rests), and what was checked.
    """
    found: dict[str, Any] = {"ok": False, "problem": None, "model": None, "version": None, "remarks": []}
    try:
        files = read_files(path)
        said, head_key, found["head"] = check_seal(files, head)
        found.update(model=said["model"], version=said["version"], created_at=said["created_at"])
        rows = check_chain(files, said, head_key, found["head"], anchors)
        people = check_people(rows, root, found["remarks"])
        check_head_key(people, found["head"], len(rows))
        signed = check_signatures(rows, people, said["model"], found["remarks"])
        found["summary"] = check_version(files, rows, signed, said["model"], said["version"])
        found.update(ok=True, records=len(rows), root=people[0]["key_id"] if people else None, signatures=len(signed))
    except Wrong as error:
        found["problem"] = str(error)
    except (OSError, zipfile.BadZipFile) as error:
        found["problem"] = f"{path} cannot be read as a packet: {error}"
        found["unreadable"] = True
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        found["problem"] = f"the packet is malformed: {type(error).__name__} {error}"
    return found


def shown(text: Any) -> str:
    """Text for a terminal: a packet is written by others, and what it holds must not steer what its examiner sees."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Check an audit packet, offline, with the standard library alone.")
    parser.add_argument("packet")
    parser.add_argument("--root", help="key id of the root key, as the bank told it by another way")
    parser.add_argument("--head", help="key id of the key that signs the ledger's head")
    parser.add_argument("--anchor", action="append", default=[], help="JSON file with a head that was kept elsewhere")
    options = parser.parse_args(arguments)
    try:
        anchors = []
        for path in options.anchor:
            with open(path, encoding="utf-8") as file:
                anchors.append(json.load(file))
    except (OSError, ValueError) as error:
        print(f"the anchor cannot be read: {error}", file=sys.stderr)
        return 2
    found = verify(options.packet, options.root, options.head, anchors)
    if not found["ok"]:
        print(f"NOT WHOLE: {shown(found['problem'])}", file=sys.stderr)
        return 2 if found.get("unreadable") else 1
    print(f"whole: {shown(found['summary'])}")
    print(f"{found['records']} records in one chain, {found['signatures']} signatures about the model")
    for remark in found["remarks"]:
        print(f"remark: {shown(remark)}")
    print(f"root key {found['root']}")
    print(f"head key {found['head']}")
    if not (options.root and options.head):
        print("compare both key ids with what the bank told you by another way, or give them with --root and --head")
    return 0


if __name__ == "__main__":
    sys.exit(main())
