"""What the ledger holds about one version, as the digests that a signature about it is over.

Everything here is looked up in the ledger, never taken from a caller: a signature made over a approval_subject is worth
nothing for any other version, for the same version trained again, or once a gate has decided anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_assets.ledger.ledger import Ledger, LedgerTampered, Record

REGISTERED_DIGESTS = {
    "artifact": "artifact_digest",
    "data": "data_digest",
    "declaration": "declaration_digest",
    "features": "features_digest",
}
"""Subject of a statement to the key in a `version_registered` record; a digest the record lacks is no subject."""


class NotRegistered(LookupError):
    """The ledger knows no such version."""


@dataclass(frozen=True)
class ApprovalSubject:
    """One version under one policy.

    Attributes:
        model: name.
        version: as in the registry.
        registration: its `version_registered` record.
        policy_digest: of the policy whose decisions are meant.
        decisions: the latest `gate_decision` of each gate under that policy.
        subjects: name to SHA-256: what a signature is over.
        authors: who built it, in lower case: none of them may judge it.
    """

    model: str
    version: str
    registration: Record
    policy_digest: str
    decisions: dict[str, Record]
    subjects: dict[str, str]
    authors: frozenset[str]


def approval_subject(
    ledger: Ledger,
    model: str,
    version: str | int,
    policy_digest: str | None = None,
    known_at: datetime | None = None,
) -> ApprovalSubject:
    """Look up everything that a judgement about `version` rests on.

    Args:
        ledger: to read.
        model: name.
        version: as in the registry.
        policy_digest: default: that of the version's latest gate decision.
        known_at: as the ledger stood then.

    Raises:
        NotRegistered: there is no such version, or nothing says under which policy it stands.
        LedgerTampered: the version was registered twice with different artifacts.
    """
    version = str(version)
    registration = registered(ledger, model, version, known_at)
    found = ledger.records(kind="gate_decision", model=model, subject=version, known_at=known_at)
    if policy_digest is None:
        if not found:
            raise NotRegistered(f"{model} version {version}: no gate has decided yet, so there is nothing to judge")
        policy_digest = str(found[-1].body["policy_digest"])
    # A decision made before the version's present registration was about something else.
    decisions = {
        str(record.body["gate"]): record
        for record in found
        if record.body["policy_digest"] == policy_digest and record.seq > registration.seq
    }
    card = ledger.latest("card_issued", model=model, subject=version, known_at=known_at)
    subjects = {
        "registration": registration.digest,
        "policy": policy_digest,
        **{name: str(registration.body[key]) for name, key in REGISTERED_DIGESTS.items() if registration.body.get(key)},
        **({"card": str(card.body["digest"])} if card is not None else {}),
        **{f"gate:{gate}": record.digest for gate, record in decisions.items()},
    }
    return ApprovalSubject(model, version, registration, policy_digest, decisions, subjects, authors_of(registration))


def registered(ledger: Ledger, model: str, version: str | int, known_at: datetime | None = None) -> Record:
    """The `version_registered` record of a version.

    Raises:
        NotRegistered: there is none.
        LedgerTampered: there are several, with different artifacts: a version number names one artifact for ever.
    """
    found = ledger.records(kind="version_registered", model=model, subject=str(version), known_at=known_at)
    if not found:
        raise NotRegistered(f"{model} version {version}: the ledger has no registration of it")
    artifacts = {record.body.get("artifact_digest") for record in found}
    if len(artifacts) > 1:
        raise LedgerTampered(
            f"{model} version {version} was registered with {len(artifacts)} different artifacts "
            f"(records {', '.join(str(record.seq) for record in found)}); register a new version instead"
        )
    return found[0]


def authors_of_model(
    ledger: Ledger, model: str, version: str | int | None = None, *, before: int | None = None
) -> frozenset[str]:
    """Who built a version, or any version of the model, by record `before` (default: by now); in lower case."""
    subject = str(version) if version is not None else None
    records = ledger.records(kind="version_registered", model=model, subject=subject)
    return frozenset(name for record in records if before is None or record.seq < before for name in authors_of(record))


def authors_of(registration: Record) -> frozenset[str]:
    """Who built a version: the developers declared when it was trained, and whoever trained it; in lower case."""
    return authors_named(registration.body)


def authors_named(body: Mapping[str, Any]) -> frozenset[str]:
    """`authors_of` from the body of a registration."""
    names = [*body.get("developers", ())]
    names += [body[key] for key in ("developer", "trained_by") if body.get(key)]
    return frozenset(str(name).strip().casefold() for name in names)
