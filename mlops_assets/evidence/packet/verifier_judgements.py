"""What a verifier counts again of what people judged about a model: policies in force, validations and open findings.

The rows given are those of one model before the moment that is looked at.
"""

from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import MACHINES, Act, Row, sha256
from mlops_assets.evidence.packet.verifier_signatures import canonical

VALIDATING = ("validator", "model-risk")
SEVERITIES = ("low", "medium", "high", "critical")
SUBJECT_DIGITS = 12


def registration_of(before: list[Row], version: str, seq: int | None = None) -> Row | None:
    """The first registration of a version, with `seq` only where it stands before that record."""
    for row in before:
        if row["kind"] == "version_registered" and row["subject"] == version and (seq is None or row["seq"] < seq):
            return row
    return None


def authors_before(before: list[Row], seq: int | None, version: str | None = None) -> set[str]:
    """Who had built a version, or without one any version of the model, before a record; in lower case."""
    first: dict[str, Row] = {}
    for row in before:
        if row["kind"] == "version_registered" and (seq is None or row["seq"] < seq):
            first.setdefault(row["subject"], row)
    built = first.values() if version is None else [first[version]] if version in first else []
    return set().union(*(authors_of(registered["body"]) for registered in built))


def authors_of(registered: Row) -> set[str]:
    """Who built the version of a registration, in lower case."""
    built = [*registered["developers"], registered.get("trained_by"), *registered.get("code_authors", ())]
    return {str(name).strip().casefold() for name in built if name and str(name).strip()}


def adoptions(before: list[Row], signed: dict[int, Act]) -> list[Row]:
    """The adoptions by which a policy came into force, in order: the policy before says whose signature that takes."""
    found: list[Row] = []
    for row in (r for r in before if r["kind"] == "policy_adopted"):
        body, latest = row["body"], found[-1] if found else None
        if sha256(canonical(body["policy"])) != body["policy_digest"]:
            continue
        if body["policy_digest"][:SUBJECT_DIGITS] != row["subject"]:
            continue
        roles = ((latest or row)["body"]["policy"].get("adoption") or {}).get("roles") or ()
        said_to_be_signed = body.get("envelope") is not None or body.get("person") is not None
        if (roles or said_to_be_signed) and not adoption_signed(before, signed, row, roles, latest):
            continue
        found.append(row)
    return found


def adoption_signed(before: list[Row], signed: dict[int, Act], row: Row, roles: Any, latest: Row | None) -> bool:
    """Whether an adoption was signed by somebody who may, for this place in the ledger."""
    if row["seq"] not in signed:
        return False
    person, subjects, statement = signed[row["seq"]]
    body = {name: value for name, value in row["body"].items() if name not in ("schema_version", "envelope")}
    if any(statement.get(name) != value for name, value in body.items()):
        return False
    if roles and person.casefold() in authors_before(before, row["seq"]):
        return False
    allowed = statement["role"] in roles if roles else statement["role"] not in MACHINES
    follows = latest["seq"] if latest else 0
    return allowed and subjects.get("policy") == body["policy_digest"] and statement["follows"] == follows


def validations(before: list[Row], signed: dict[int, Act], version: str) -> list[Row]:
    """The validations of a version that count, in order: by validators who did not build it, each after the one before."""
    found: list[Row] = []
    for row in (r for r in before if r["kind"] == "validation_recorded" and r["subject"] == version):
        registered = registration_of(before, version, row["seq"])
        if registered is None or row["seq"] not in signed:
            continue
        person, subjects, statement = signed[row["seq"]]
        about = (statement["version"], subjects.get("registration"), statement["follows"])
        if about != (version, registered["digest"], found[-1]["seq"] if found else 0):
            continue
        if statement["role"] in VALIDATING and person.casefold() not in authors_of(registered["body"]):
            found.append(row)
    return found


def open_findings(before: list[Row], signed: dict[int, Act]) -> list[Row]:
    """Findings by validators who did not build the version, which none of those has closed."""
    found: dict[str, Row] = {}
    closed: set[str] = set()
    for row in (r for r in before if r["kind"] in ("finding_recorded", "finding_closed") and r["seq"] in signed):
        person, subjects, statement = signed[row["seq"]]
        name = row["subject"]
        about = found.get(name, row)["body"]["version"] if row["kind"] == "finding_closed" and name in found else None
        version = statement["version"] if row["kind"] == "finding_recorded" else about
        barred = person.casefold() in authors_before(before, row["seq"], version)
        if statement["role"] not in VALIDATING or barred or statement["id"] != name:
            continue
        if row["kind"] == "finding_closed":
            if name in found and subjects.get("finding") == found[name]["digest"]:
                closed.add(name)
            continue
        registered = registration_of(before, version, row["seq"]) if version is not None else None
        if version is not None and (registered is None or subjects.get("registration") != registered["digest"]):
            continue
        found.setdefault(name, row)
    return [row for name, row in found.items() if name not in closed]
