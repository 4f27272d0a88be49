"""What a verifier checks of a packet's ledger: one chain up to the signed head, who was enrolled, and what they signed."""

import base64
import hashlib
import json
from datetime import datetime
from typing import Any

from mlops_assets.evidence.packet.verifier_signatures import (
    Point,
    Wrong,
    canonical,
    open_envelope,
    pae,
    public_point,
    signed_by,
)

Row = dict[str, Any]
Act = tuple[str, dict[str, str], dict[str, Any]]

HEAD_TYPE = "application/vnd.mlops-assets.ledger-head+json"
NOTHING_BEFORE = "0" * 64
ROW = ("seq", "kind", "model", "subject", "happened_at", "recorded_at", "key", "body", "previous", "digest")
PURPOSES = {
    "approval": "approval/v1",
    "exception_granted": "exception/v1",
    "exception_withdrawn": "exception-withdrawal/v1",
    "finding_recorded": "finding/v1",
    "finding_responded": "finding-response/v1",
    "finding_closed": "finding-closure/v1",
    "validation_recorded": "validation/v1",
    "incident_acknowledged": "incident-acknowledgement/v1",
    "incident_closed": "incident-closure/v1",
    "person_enrolled": "enrolment/v1",
    "key_revoked": "revocation/v1",
}


def instant(text: str) -> datetime:
    """A time with its zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_chain(
    files: dict[str, bytes], said: dict[str, Any], head_key: Point, head_id: str, anchors: Any
) -> list[Row]:
    """The records form one chain up to the signed head, and hold what was anchored elsewhere."""
    rows, previous, clock = [], NOTHING_BEFORE, ""
    for line in files["ledger.jsonl"].decode().split("\n"):
        if not line:
            continue
        row = dict(zip(ROW, json.loads(line), strict=True))
        seq = len(rows) + 1
        if row["seq"] != seq:
            raise Wrong(f"record {seq} is missing: record {row['seq']} stands in its place")
        texts = (str(seq), row["previous"], *(row[k] for k in ROW[1:6]), row["key"] or "", row["body"])
        if hashlib.sha256("\n".join(texts).encode()).hexdigest() != row["digest"]:
            raise Wrong(f"record {seq} ({row['kind']} {row['model']} {row['subject']}) was edited")
        if row["previous"] != previous:
            raise Wrong(f"record {seq} does not continue record {seq - 1}")
        if row["recorded_at"] < clock:
            raise Wrong(f"record {seq} says it was written before record {seq - 1}")
        previous, clock, row["body"] = row["digest"], row["recorded_at"], json.loads(row["body"])
        rows.append(row)
    head = said["head"]
    if (head["seq"], head["digest"]) != (len(rows), previous):
        raise Wrong(f"the ledger ends at record {len(rows)}, its signed head is record {head['seq']}: its tail was cut")
    message = pae(HEAD_TYPE, canonical({"digest": head["digest"], "seq": head["seq"]}).encode())
    if head["key_id"] != head_id or not signed_by(head_key, base64.b64decode(head["signature"]), message):
        raise Wrong("the ledger's head is not signed by keys/head.pem")
    for anchor in anchors:
        if anchor["seq"] > len(rows) or rows[anchor["seq"] - 1]["digest"] != anchor["digest"]:
            raise Wrong(f"record {anchor['seq']} is not the one that was anchored elsewhere")
    return rows


def check_people(rows: list[Row], root_pin: str | None, remarks: list[str]) -> list[Row]:
    """Who was enrolled by the root, with which key, from which record to which; what no root signed changes nothing."""
    people: list[Row] = []
    last: dict[str, str] = {}
    for row in (r for r in rows if r["kind"] in ("person_enrolled", "key_revoked")):
        what = f"record {row['seq']} ({row['kind']} {row['subject']})"
        try:
            take_person(people, last, row, what, root_pin)
        except (Wrong, KeyError, TypeError, ValueError) as error:
            if not people:
                raise Wrong(f"the ledger does not begin with its root's own enrolment: {error}") from None
            remarks.append(f"{what} counts for nothing: {error}")
    return people


def take_person(people: list[Row], last: dict[str, str], row: Row, what: str, root_pin: str | None) -> None:
    """Add what one enrolment or revocation says to `people`, if it was signed by somebody who may."""
    body = row["body"]
    if people:
        signer = counted(people, body, row, what)
    else:
        point, key_id = public_point(body["public_key"])
        if root_pin and key_id != root_pin:
            raise Wrong(f"the root key is {key_id}, expected {root_pin}")
        signer = {"point": point, "roles": ["root"], "name": row["subject"]}
    _, said = open_envelope(body.get("envelope"), signer["point"], PURPOSES[row["kind"]], what)
    if said["name"] != row["subject"] or said["follows"] != last.get(row["subject"], NOTHING_BEFORE):
        raise Wrong("the statement was made for another person or an earlier state of the ledger")
    if "root" not in signer["roles"] and not (row["kind"] == "key_revoked" and signer["name"] == said["name"]):
        raise Wrong(f"{signer['name']} is no root")
    if row["kind"] == "key_revoked":
        mine = [p for p in people if (p["name"], p["key_id"]) == (said["name"], said["key_id"])]
        if not mine:
            raise Wrong(f"{said['name']} was never enrolled with that key")
        for person in mine:
            person.update(ended=person["ended"] or row["seq"], revoked=True, since=said["compromised_since"])
    else:
        point, key_id = public_point(said["public_key"])
        if not people and ("root" not in said["roles"] or point != signer["point"]):
            raise Wrong("the first enrolment is not the root's own")
        if any(p["key_id"] == key_id and (p["name"] != said["name"] or p["revoked"]) for p in people):
            raise Wrong("the key is somebody else's, or was revoked")
        for person in people:
            if person["name"] == said["name"] and person["ended"] is None:
                person["ended"] = row["seq"]
        state = {"enrolled": row["seq"], "ended": None, "revoked": False, "since": None}
        people.append({**said, **state, "point": point, "key_id": key_id})
    last[row["subject"]] = row["digest"]


def counted(people: list[Row], body: Row, row: Row, what: str) -> Row:
    """The person whose key signed a record, if it counted at that place."""
    envelope = body.get("envelope")
    if not isinstance(envelope, dict) or not envelope.get("signatures"):
        raise Wrong(f"{what} carries no signature")
    key_id = envelope["signatures"][0].get("keyid")
    recorded = instant(row["recorded_at"])
    for person in people:
        if person["key_id"] != key_id or row["seq"] <= person["enrolled"]:
            continue
        if person["ended"] is not None and row["seq"] > person["ended"]:
            continue
        if recorded < instant(person["valid_from"]):
            continue
        if person["valid_until"] and recorded >= instant(person["valid_until"]):
            continue
        if person["since"] and recorded >= instant(person["since"]):
            continue
        if row["model"] and "*" not in person["models"] and row["model"] not in person["models"]:
            continue
        return person
    raise Wrong(f"{what}: key {str(key_id)[:12]} did not count for this at that place in the ledger")


def check_signatures(rows: list[Row], people: list[Row], model: str, remarks: list[str]) -> dict[int, Act]:
    """What was really signed about the model, by number of record; what fails counts for nothing."""
    signed: dict[int, Act] = {}
    for row in rows:
        if row["model"] != model or (row["kind"] not in PURPOSES and row["body"].get("envelope") is None):
            continue
        what = f"record {row['seq']} ({row['kind']} {row['subject']})"
        try:
            signed[row["seq"]] = read_act(people, row, what)
        except (Wrong, KeyError, TypeError, ValueError) as error:
            remarks.append(f"{what} counts for nothing: {error}")
    return signed


def read_act(people: list[Row], row: Row, what: str) -> Act:
    """Signer, subjects and predicate of one signed record, if its key counted and its summary says what was signed."""
    person = counted(people, row["body"], row, what)
    purpose = PURPOSES.get(row["kind"]) or f"{row['kind']}/v1"
    subjects, said = open_envelope(row["body"]["envelope"], person["point"], purpose, what)
    if said.get("model") != row["model"] or said.get("role") not in person["roles"]:
        raise Wrong(f"signed for {said.get('model')} as {said.get('role')}, which {person['name']} may not")
    for key in ("person", "role", "decision", "rationale", "reason", "gate", "expires", "version"):
        if key in row["body"] and key in said and row["body"][key] != said[key]:
            raise Wrong(f"it says {key} {row['body'][key]!r}, signed was {said[key]!r}")
    return person["name"], subjects, said


def check_head_key(people: list[Row], head_id: str, seq: int) -> None:
    """The key of the head was enrolled to sign the ledger, and had not been ended before; where any key ever was."""
    mine = [p for p in people if "ledger" in p["roles"]]
    if not mine or any(p["key_id"] == head_id and p["enrolled"] <= seq <= (p["ended"] or seq) for p in mine):
        return
    if any(p["key_id"] == head_id for p in mine):
        raise Wrong(f"keys/head.pem was ended by a root before record {seq}, which it signed as the ledger's head")
    raise Wrong("keys/head.pem is not a key that was enrolled to sign the ledger's head")
