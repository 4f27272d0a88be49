"""What a verifier checks of a packet's ledger: one chain up to the signed head, who was enrolled, and what they signed."""

import base64
import hashlib
from datetime import datetime
from typing import Any

from mlops_assets.evidence.packet.verifier_signatures import (
    MALFORMED,
    Point,
    Wrong,
    canonical,
    open_envelope,
    pae,
    parsed,
    public_point,
    signed_by,
    why,
)

Row = dict[str, Any]
Act = tuple[str, dict[str, str], dict[str, Any]]

HEAD_TYPE = "application/vnd.mlops-assets.ledger-head+json"
NOTHING_BEFORE = "0" * 64
ROW = ("seq", "kind", "model", "subject", "happened_at", "recorded_at", "key", "body", "previous", "digest")
WITHHELD = ("seq", "model_digest", "content_digest")
PURPOSES = {
    "approval": "approval/v1",
    "exception_granted": "exception/v1",
    "exception_withdrawn": "exception-withdrawal/v1",
    "finding_recorded": "finding/v1",
    "finding_responded": "finding-response/v1",
    "finding_extended": "finding-extension/v1",
    "finding_closed": "finding-closure/v1",
    "validation_recorded": "validation/v1",
    "clause_concluded": "clause-conclusion/v1",
    "tier_assessed": "tier-assessment/v1",
    "incident_acknowledged": "incident-acknowledgement/v1",
    "incident_mitigated": "incident-mitigation/v1",
    "incident_reported": "incident-report/v1",
    "incident_merged": "incident-merge/v1",
    "incident_closed": "incident-closure/v1",
    "ladder_step_signed": "ladder-step/v1",
    "segment_paused": "segment-pause/v1",
    "segment_resumed": "segment-resumption/v1",
    "rows_erased": "erasure/v1",
    "rows_expired": "retention/v1",
    "rollback": "rollback/v1",
    "suspension": "suspension/v1",
    "resumption": "resumption/v1",
    "retirement": "retirement/v1",
    "person_enrolled": "enrolment/v1",
    "key_revoked": "revocation/v1",
}
"""Kinds that only count with a signature, and the purpose for which it was given. Their records repeat what was signed."""
MACHINES = ("automation", "ledger")
BY_MACHINE = ("suspension", "rollback")
"""Kinds that the service key may sign, where policy lets it."""
NEWEST_SCHEMA = 1
"""Newest schema version of a record's body that this program reads."""


def instant(text: str) -> datetime:
    """A time with its zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def sha256(text: str) -> str:
    """SHA-256 of a text, lowercase hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(
    files: dict[str, bytes], seal: dict[str, Any], head_key: Point, head_id: str, anchors: Any
) -> list[Row]:
    """The records form one chain up to the signed head, hold what was anchored elsewhere, and none about the model or
    the whole fleet is withheld; gives back the records whose content is in the packet."""
    rows: list[Row] = []
    digests: list[str] = []
    clock, shown = "", {sha256(""), sha256(seal["model"])}
    for line in files["ledger.jsonl"].decode().split("\n"):
        if not line:
            continue
        seq, previous = len(digests) + 1, digests[-1] if digests else NOTHING_BEFORE
        values = parsed(line, f"record {seq}")
        if not isinstance(values, list) or len(values) not in (len(ROW), len(WITHHELD)) or type(values[0]) is not int:
            raise Wrong(f"line {seq} of ledger.jsonl is no record: expected a list of {len(ROW)} or {len(WITHHELD)}")
        if values[0] != seq:
            raise Wrong(f"record {seq} is missing: record {values[0]} stands in its place")
        texts = [value for name, value in zip(ROW, values, strict=False) if (name, value) != ("key", None)]
        if not all(isinstance(value, str) for value in texts[1:]):
            raise Wrong(f"record {seq} holds something else than texts")
        if len(values) == len(WITHHELD):
            _, model_digest, content_digest = values
            if model_digest in shown:
                raise Wrong(f"record {seq} is about this model or about the fleet, and its content is withheld")
            digests.append(sha256(f"{seq}\n{previous}\n{model_digest}\n{content_digest}"))
            continue
        row: Row = dict(zip(ROW, values, strict=True))
        content = "\n".join((*(row[k] for k in ROW[1:6]), row["key"] or "", row["body"]))
        digest = sha256(f"{seq}\n{row['previous']}\n{sha256(row['model'])}\n{sha256(content)}")
        if digest != row["digest"]:
            raise Wrong(f"record {seq} ({row['kind']} {row['model']} {row['subject']}) was edited")
        if row["previous"] != previous:
            raise Wrong(f"record {seq} does not continue record {seq - 1}")
        if row["recorded_at"] < clock:
            raise Wrong(f"record {seq} was written before record {seq - 1}, by its own time")
        clock, row["body"] = row["recorded_at"], parsed(row["body"], f"the content of record {seq}")
        if not isinstance(row["body"], dict):
            raise Wrong(f"the content of record {seq} is no JSON object")
        digests.append(digest)
        rows.append(row)
    check_head(seal["head"], digests, head_key, head_id)
    for anchor in anchors:
        if not 1 <= anchor["seq"] <= len(digests) or digests[anchor["seq"] - 1] != anchor["digest"]:
            raise Wrong(f"record {anchor['seq']} is not the one that was anchored elsewhere")
    return rows


def check_head(head: dict[str, Any], digests: list[str], head_key: Point, head_id: str) -> None:
    """The chain ends where the signed head says."""
    if (head["seq"], head["digest"]) != (len(digests), digests[-1] if digests else NOTHING_BEFORE):
        raise Wrong(
            f"the ledger ends at record {len(digests)}, its signed head is record {head['seq']}: its tail was cut"
        )
    message = pae(HEAD_TYPE, canonical({"digest": head["digest"], "seq": head["seq"]}).encode())
    if head["key_id"] != head_id or not signed_by(head_key, base64.b64decode(head["signature"]), message):
        raise Wrong("the ledger's head is not signed by keys/head.pem")


def check_people(rows: list[Row], root_pin: str | None, remarks: list[str]) -> list[Row]:
    """Who was enrolled by the root, with which key, from which record to which; what no root signed changes nothing."""
    people: list[Row] = []
    last: dict[str, str] = {}
    for row in (r for r in rows if r["kind"] in ("person_enrolled", "key_revoked")):
        what = f"record {row['seq']} ({row['kind']} {row['subject']})"
        try:
            take_person(people, last, row, what, root_pin)
        except (Wrong, *MALFORMED) as error:
            if not people:
                raise Wrong(f"the ledger does not begin with its root's own enrolment: {why(error)}") from None
            remarks.append(f"{what} does not count: {why(error)}")
    return people


def take_person(people: list[Row], last: dict[str, str], row: Row, what: str, root_pin: str | None) -> None:
    """Add what one enrolment or revocation states to `people`, if it was signed by somebody who may."""
    body = row["body"]
    if people:
        signer = counted(people, body, row, what)
    else:
        point, key_id = public_point(body["public_key"])
        if root_pin and key_id != root_pin:
            raise Wrong(f"the root key is {key_id}, expected {root_pin}")
        signer = {"point": point, "roles": ["root"], "name": row["subject"]}
    _, statement = open_envelope(body.get("envelope"), signer["point"], PURPOSES[row["kind"]], what)
    if statement["name"] != row["subject"] or statement["follows"] != last.get(row["subject"], NOTHING_BEFORE):
        raise Wrong("the statement was made for another person or an earlier state of the ledger")
    if "root" not in signer["roles"] and not (row["kind"] == "key_revoked" and signer["name"] == statement["name"]):
        raise Wrong(f"{signer['name']} is no root")
    if row["kind"] == "key_revoked":
        mine = [p for p in people if (p["name"], p["key_id"]) == (statement["name"], statement["key_id"])]
        if not mine:
            raise Wrong(f"{statement['name']} was never enrolled with that key")
        for person in mine:
            person.update(ended=person["ended"] or row["seq"], revoked=True, since=statement["compromised_since"])
    else:
        add_person(people, statement, row, signer)
    last[row["subject"]] = row["digest"]


def add_person(people: list[Row], statement: Row, row: Row, signer: Row) -> None:
    """A key from this record on, in the place of the one that its owner had before."""
    point, key_id = public_point(statement["public_key"])
    if not people and ("root" not in statement["roles"] or point != signer["point"]):
        raise Wrong("the first enrolment is not the root's own")
    if any(p["key_id"] == key_id and (p["name"] != statement["name"] or p["revoked"]) for p in people):
        raise Wrong("the key is somebody else's, or was revoked")
    for person in people:
        if person["name"] == statement["name"] and person["ended"] is None:
            person["ended"] = row["seq"]
    state = {"enrolled": row["seq"], "ended": None, "revoked": False, "since": None}
    people.append({**statement, **state, "point": point, "key_id": key_id})


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
    """What was really signed about the model, by number of record; what fails counts for nothing, and so does a statement
    that was recorded before."""
    signed: dict[int, Act] = {}
    used: dict[tuple[str, str], int] = {}
    for row in rows:
        envelope = row["body"].get("envelope")
        if row["model"] != model or (row["kind"] not in PURPOSES and envelope is None):
            continue
        what = f"record {row['seq']} ({row['kind']} {row['subject']})"
        # What was recorded before, counted or not, counts for nothing when it is recorded again.
        payload = envelope.get("payload") if isinstance(envelope, dict) else None
        first = used.setdefault((row["kind"], str(payload)), row["seq"]) if payload is not None else row["seq"]
        try:
            if first != row["seq"]:
                raise Wrong(f"the same signed statement is record {first}: a replay")
            signed[row["seq"]] = read_act(people, row, what)
        except (Wrong, *MALFORMED) as error:
            remarks.append(f"{what} does not count: {why(error)}")
    return signed


def read_act(people: list[Row], row: Row, what: str) -> Act:
    """Signer, subjects and predicate of one signed record, if its key counted and the record repeats what was signed."""
    body = row["body"]
    if body.get("schema_version", 1) > NEWEST_SCHEMA:
        raise Wrong(f"its schema version is {body['schema_version']}, and this program reads up to {NEWEST_SCHEMA}")
    person = counted(people, body, row, what)
    purpose = PURPOSES.get(row["kind"]) or f"{row['kind']}/v1"
    subjects, statement = open_envelope(body["envelope"], person["point"], purpose, what)
    if statement.get("model") != row["model"] or statement.get("role") not in person["roles"]:
        raise Wrong(f"signed for {statement.get('model')} as {statement.get('role')}, which {person['name']} may not")
    if row["kind"] in PURPOSES and row["kind"] not in BY_MACHINE and statement["role"] in MACHINES:
        raise Wrong(f"signed as {statement['role']}, a role of a machine")
    if statement.get("person") != person["name"]:
        raise Wrong(f"signed by {person['name']} in the name of {statement.get('person')}")
    if row["kind"] in PURPOSES:
        repeated = {name: value for name, value in body.items() if name not in ("schema_version", "envelope")}
        differing = sorted(n for n in {*repeated, *statement} if repeated.get(n) != statement.get(n))
        if differing:
            raise Wrong(f"it differs from what was signed in: {', '.join(differing)}")
    return person["name"], subjects, statement


def check_head_key(people: list[Row], head_id: str, seq: int) -> None:
    """The key of the head was enrolled to sign the ledger, and had not been ended before; where any key ever was."""
    mine = [p for p in people if "ledger" in p["roles"]]
    if not mine or any(p["key_id"] == head_id and p["enrolled"] <= seq <= (p["ended"] or seq) for p in mine):
        return
    if any(p["key_id"] == head_id for p in mine):
        raise Wrong(f"keys/head.pem was ended by a root before record {seq}, which it signed as the ledger's head")
    raise Wrong("keys/head.pem is not a key that was enrolled to sign the ledger's head")
