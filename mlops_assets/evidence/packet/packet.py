"""The audit packet: one ZIP that lets an examiner check one version alone, offline, without trusting a server of the bank.

It holds the ledger's chain with the records of this model and of the fleet, the public keys, the policy, the declaration,
the card as issued with an addendum of everything since, the evidence, and the program that checks them, all sealed by the
key that signs the ledger's head. Two packets of the same records are the same bytes. Not here: reading the stores, which is
`inspection.packets`'.
"""

import hashlib
import json
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evidence.packet import verifier
from mlops_assets.evidence.packet.addendum import addendum, addendum_text
from mlops_assets.ledger.canonical import canonical_json, digest_text, iso
from mlops_assets.ledger.events.people import PersonEnrolled
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record, content_digest, record_digest
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.release.audit import audit_promotions

SEAL_PURPOSE = "packet/v1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the ZIP: the format's earliest, so that equal content gives equal files."""


class PacketError(MlopsAssetsError, ValueError):
    """A packet cannot be made of this: it would not be whole."""


@dataclass(frozen=True)
class PacketParts:
    """What the packet is made of besides the ledger.

    Attributes:
        declaration: canonical JSON of the declaration the version was registered with.
        policy: canonical JSON of the policy the version was promoted under; None for one never promoted.
        card: name to bytes of the card's files; `card.json` is the one whose digest the approvals are signed over.
        evidence: name to bytes of what the gates decided on.
        windows: name (`2004-01-01/drift.json`) to bytes of the reports that verdicts rest on.
        reports: name to bytes of what is computed from the records, such as requirement results and lineage.
        predictions: name to bytes of single predictions that were asked for, each with its way to the root on record.
    """

    declaration: str
    policy: str | None = None
    card: Mapping[str, bytes] = field(default_factory=dict)
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    windows: Mapping[str, bytes] = field(default_factory=dict)
    reports: Mapping[str, bytes] = field(default_factory=dict)
    predictions: Mapping[str, bytes] = field(default_factory=dict)


def write_packet(path: Path, ledger: Ledger, model: str, version: str, parts: PacketParts) -> dict[str, Any]:
    """Write the packet, then check it as an examiner would.

    Records of other models go in as digests, so that the chain can be checked and their content stays with the bank.

    Args:
        path: of the ZIP; written whole or not at all.
        ledger: opened with its head key, which seals the packet.
        model: name of the model.
        version: version in the registry.
        parts: everything else.

    Returns:
        What the verifier found in it.

    Raises:
        PacketError: the ledger is empty or was opened without its head key, a promotion of the model was not right, the
            packet would not be whole, or `path` is something else than a file.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise PacketError(f"{path} is no regular file; expected the name of a file that may be replaced")
    contents = _contents(ledger, model, version, parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write_zip(file, contents)
        assert ledger.head_key is not None
        found = verifier.verify(partial, head=ledger.head_key.public.key_id)
        if not found["ok"]:
            raise PacketError(f"{model} version {version}: the packet would not be whole: {found['problem']}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _contents(ledger: Ledger, model: str, version: str, parts: PacketParts) -> dict[str, bytes]:
    """Every file of the packet by name, the seal among them."""
    if ledger.head_key is None:
        raise PacketError("the ledger was opened without its head key, which seals a packet")
    head = ledger.sealed_head()
    records = ledger.records()
    if head is None or not records or records[-1].seq != head.seq:
        raise PacketError("the ledger is empty or is being written to: nothing to seal; try again")
    if problems := audit_promotions(ledger, model=model):
        raise PacketError(f"{model}: {problems[0]}; see `mlops verify`")
    as_of = records[-1].recorded_at
    state = ledger.state(fresh=True)
    since_card = addendum(ledger, state, model, version, as_of)
    contents: dict[str, bytes] = {
        "ledger.jsonl": "".join(ledger_line(r, shown=r.model in ("", model)) + "\n" for r in records).encode(),
        "keys/head.pem": ledger.head_key.public.pem.encode(),
        "declaration.json": parts.declaration.encode(),
        "addendum.json": canonical_json(since_card.to_dict()).encode(),
        "addendum.md": addendum_text(since_card).encode(),
        "verify.py": standalone_verifier().encode(),
        "README.txt": _readme(model, version).encode(),
        **{f"keys/{name}.pem": pem.encode() for name, pem in public_keys(records, state).items()},
        **{f"card/{name}": data for name, data in parts.card.items()},
        **{f"evidence/{name}": data for name, data in parts.evidence.items()},
        **{f"windows/{name}": data for name, data in parts.windows.items()},
        **{f"reports/{name}": data for name, data in parts.reports.items()},
        **{f"predictions/{name}": data for name, data in parts.predictions.items()},
    }
    if parts.policy is not None:
        contents["policy.json"] = parts.policy.encode()
    subjects = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    statement = {"model": model, "version": version, "as_of": iso(as_of), "head": head.to_dict()}
    seal = sign_statement(ledger.head_key, subjects, SEAL_PURPOSE, statement)
    return {**contents, verifier.SEAL: (json.dumps(seal, indent=1) + "\n").encode()}


def ledger_line(record: Record, *, shown: bool = True) -> str:
    """One record as a JSON list: the stored texts its digest is over, in the order of `verifier_ledger.ROW`.

    Args:
        record: to write.
        shown: False: only the two digests that its place in the chain needs (`verifier_ledger.WITHHELD`).

    Raises:
        PacketError: the record cannot be written back to the text it was hashed as.
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
    if shown:
        return json.dumps([*row.values(), record.digest], ensure_ascii=False)
    names = ("kind", "model", "subject", "happened_at", "recorded_at", "key", "body")
    content = content_digest(**{name: row[name] for name in names})
    return json.dumps([record.seq, digest_text(record.model), content])


def public_keys(records: Iterable[Record], state: LedgerState) -> dict[str, str]:
    """Public keys of everybody whose enrolment counts, by name and number of the record."""
    refused = {seq for seq, _ in state.people.refused}
    enrolled = [
        (r.subject, r.seq, r.event.public_key)
        for r in records
        if isinstance(r.event, PersonEnrolled) and r.seq not in refused
    ]
    return {f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}-{seq}": pem for name, seq, pem in enrolled}


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


def _write_zip(file: Any, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, contents[name])


def _readme(model: str, version: str) -> str:
    return f"""Audit packet of {model}, version {version}

Check it, offline, with Python 3.10 or later and nothing else:

    unzip -p PACKET.zip verify.py > verify.py
    python3 -I verify.py PACKET.zip --root ROOT_KEY_ID --head HEAD_KEY_ID

The two key ids, and the digest of verify.py, should come to you from the bank by another way than this file. A head of
the ledger that was kept elsewhere (an anchor, or the head in an earlier packet) is checked with --anchor FILE.

packet.json        the seal: digest of every file, signed (DSSE, in-toto) by the key of the ledger's head
ledger.jsonl       every record of the ledger, one a line: of this model and of the fleet as the texts its digest is over,
                   of other models as two digests, which the chain needs and which do not tell their content
keys/              public keys: of the ledger's head, and of everybody who was enrolled
policy.json        the policy the version was promoted under (canonical JSON; its digest is in the decisions)
declaration.json   what was declared about the model (canonical JSON; its digest is in the registration)
card/              the model card as issued; the SHA-256 of card.json is what the approvals were signed over
addendum.md        what happened since the card: approvals, findings, conditions, validations, verdicts, incidents,
addendum.json      exceptions, interventions; as text, and as data with the record of each
evidence/          what the gates decided on
windows/           the reports that the verdicts on windows rest on
reports/           what follows from the records: requirement profiles, lineage (OpenLineage), bill of materials
predictions/       single predictions that were asked for, if any, with the rows that were scored; each leads to a root on record
verify.py          the program that checks all this

What it shows: nothing was changed since it was signed, these keys signed it, and the promotion was right under the policy
in force. It does not show that the model is good, or that any rule is met: that is for whoever reads the evidence.
"""
