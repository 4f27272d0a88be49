"""The audit packet: one ZIP that lets an examiner check one version alone, offline, trusting no server of the bank's.

It holds the ledger with its chain, the public keys, the policy, the declaration, the card, the evidence, and the
program that checks them, all sealed by the key that signs the ledger's head. Reading stores is for whoever calls this.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from mlops_assets.evidence.packet import verifier
from mlops_assets.ledger.canonical import canonical_json, iso
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.records import record_digest
from mlops_assets.ledger.signatures import sign_statement

SEAL_PURPOSE = "packet/v1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the ZIP: the format's earliest, so that equal content gives equal files."""


class PacketError(ValueError):
    """A packet cannot be made of this: it would not be whole."""


@dataclass(frozen=True)
class PacketParts:
    """What the packet is made of besides the ledger.

    Attributes:
        declaration: Canonical JSON of the declaration the version was registered with.
        policy: Canonical JSON of the policy the version was promoted under; None for one never promoted.
        card: Names to bytes of the card's files; `card.json` is the one whose digest the ledger names.
        evidence: Names to bytes of evidence files.
    """

    declaration: str
    policy: str | None = None
    card: Mapping[str, bytes] | None = None
    evidence: Mapping[str, bytes] | None = None


def write_packet(
    path: Path, ledger: Ledger, model: str, version: str, parts: PacketParts, created_at: datetime | None = None
) -> dict[str, Any]:
    """Write the packet, then check it as an examiner would.

    The whole ledger goes in, other models' records included: a chain with holes proves nothing.

    Args:
        path: Of the ZIP; written whole or not at all.
        ledger: Opened with its head key, which seals the packet.
        model: Name of the model.
        version: Version in the registry.
        parts: Everything else.
        created_at: When it was made; default: the ledger's clock.

    Returns:
        What the verifier found in it.

    Raises:
        PacketError: The ledger is empty or was opened without its head key, or the packet would not be whole.
    """
    if ledger.head_key is None:
        raise PacketError("the ledger was opened without its head key, which seals a packet")
    head = ledger.sealed_head()
    records = ledger.records()
    if head is None or not records or records[-1].seq != head.seq:
        raise PacketError("the ledger is empty or is being written to: nothing to seal; try again")
    contents: dict[str, bytes] = {
        "ledger.jsonl": "".join(ledger_line(r) + "\n" for r in records).encode(),
        "keys/head.pem": ledger.head_key.public.pem.encode(),
        "declaration.json": parts.declaration.encode(),
        "verify.py": standalone_verifier().encode(),
        "README.txt": _readme(model, version).encode(),
        **{f"keys/{name}.pem": pem.encode() for name, pem in public_keys(records).items()},
        **{f"card/{name}": data for name, data in (parts.card or {}).items()},
        **{f"evidence/{name}": data for name, data in (parts.evidence or {}).items()},
    }
    if parts.policy is not None:
        contents["policy.json"] = parts.policy.encode()
    subjects = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    said = {
        "model": model,
        "version": version,
        "created_at": iso(created_at or ledger.clock()),
        "head": head.to_dict(),
    }
    seal = sign_statement(ledger.head_key, subjects, SEAL_PURPOSE, said)
    contents[verifier.SEAL] = (json.dumps(seal, indent=1) + "\n").encode()
    partial = path.with_name(f".{path.name}.partial")
    _write_zip(partial, contents)
    found = verifier.verify(partial, head=ledger.head_key.public.key_id)
    if not found["ok"]:
        partial.unlink()
        raise PacketError(f"{model} version {version}: the packet would not be whole: {found['problem']}")
    partial.replace(path)
    return found


def ledger_line(record: Record) -> str:
    """One record as the stored texts its digest is over: a JSON list in the order of `verifier_ledger.ROW`.

    Raises:
        PacketError: The record cannot be written back to the text it was hashed as.
    """
    row: dict[str, Any] = {
        "seq": record.seq,
        "kind": record.kind,
        "model": record.model,
        "subject": record.subject,
        "happened_at": iso(record.happened_at),
        "recorded_at": iso(record.recorded_at),
        "key": record.key,
        "body": canonical_json(record.body),
        "previous": record.previous,
    }
    if record_digest(**row) != record.digest:
        raise PacketError(f"record {record.seq} was hashed as another text than it is read as; run `mlops verify`")
    return json.dumps([*row.values(), record.digest], ensure_ascii=False)


def public_keys(records: Iterable[Record]) -> dict[str, str]:
    """Public keys of everybody who was enrolled, by name and number of the record."""
    enrolled = (r for r in records if r.kind == "person_enrolled" and isinstance(r.body.get("public_key"), str))
    return {f"{re.sub(r'[^A-Za-z0-9_.-]', '_', r.subject)}-{r.seq}": r.body["public_key"] for r in enrolled}


def standalone_verifier() -> str:
    """The verifier as one program: `verifier.py`, with each module of ours in place of the first line that imports it."""
    found = _alone("verifier", set())
    if "mlops_assets." in found:
        raise PacketError("the verifier imports more of the package than its own parts: it cannot stand alone")
    return "#!/usr/bin/env python3\n" + found


def _alone(name: str, there: set[str]) -> str:
    """A module of the verifier with the others that it imports written out; each once."""
    program = package_files("mlops_assets.evidence.packet").joinpath(f"{name}.py").read_text(encoding="utf-8")

    def written_out(line: re.Match[str]) -> str:
        other = line[1]
        if other in there:
            return ""
        there.add(other)
        return _alone(other, there).split('"""', 2)[2].strip()

    imported = r"^from mlops_assets\.evidence\.packet\.(verifier_\w+) import (?:\([^)]*\)|[^(\n]*)$"
    return re.sub(imported, written_out, program, flags=re.MULTILINE)


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, contents[name])


def _readme(model: str, version: str) -> str:
    return f"""Audit packet of {model}, version {version}

Check it, offline, with Python 3.10 or later and nothing else:

    unzip -p PACKET.zip verify.py > verify.py
    python3 -I verify.py PACKET.zip --root ROOT_KEY_ID --head HEAD_KEY_ID

The two key ids, and the digest of verify.py, should come to you from the bank by another way than this file. A head of
the ledger that was kept elsewhere (an anchor, or the head in an earlier packet) is checked with --anchor FILE.

packet.json        the seal: digest of every file, signed (DSSE, in-toto) by the key of the ledger's head
ledger.jsonl       every record of the ledger, one a line, as the texts its digest is over
keys/              public keys: of the ledger's head, and of everybody who was enrolled
policy.json        the policy the version was promoted under (canonical JSON; its digest is in the decisions)
declaration.json   what was declared about the model (canonical JSON; its digest is in the registration)
card/              the model card; the SHA-256 of card.json is what the approvals were signed over
evidence/          what the gates decided on
verify.py          the program that checks all this

What it says: nothing was changed since it was signed, and these keys signed it. It does not say that the model is good,
or that any rule is met: that is for whoever reads the evidence.
"""
