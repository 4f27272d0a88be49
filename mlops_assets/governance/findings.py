"""Findings: what an independent validator holds against a model, until it is closed by a validator.

A finding has a severity, an owner, a due date, a response, and may carry a condition of use. From the severity that the
policy names, an open one blocks promotion; one past its due date is overdue. Nobody closes a finding about their own
work.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from mlops_assets.governance.approval_subject import authors_of_model, registered
from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Expected, Ledger, Record
from mlops_assets.ledger.people import NotAllowed, People
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act, sign_act
from mlops_assets.policy.policy import Policy

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
VALIDATING = ("validator", "model-risk")
"""Roles that record and close findings and validations."""

RECORD, RESPOND, CLOSE = "finding/v1", "finding-response/v1", "finding-closure/v1"
KINDS = ("finding_recorded", "finding_responded", "finding_closed")


class NoSuchFinding(LookupError):
    """There is no open finding of that name."""


@dataclass(frozen=True)
class Finding:
    """One finding as it stands.

    Attributes:
        id: unique in the fleet, such as `sba_loan_default-F1`.
        model: name.
        version: concerned, or None for the model as such.
        severity: `low`, `medium`, `high`, `critical`.
        summary: what was found.
        owner: who must answer.
        due: by when it must be closed.
        condition: what must hold while it is open, or empty.
        person: validator who recorded it.
        recorded_at: when.
        seq: of its record.
        response: latest answer, or empty.
        closed_at: when it was closed, or None.
        closed_by: validator who closed it, or empty.
    """

    id: str
    model: str
    version: str | None
    severity: str
    summary: str
    owner: str
    due: datetime
    condition: str
    person: str
    recorded_at: datetime
    seq: int
    response: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.closed_at is None

    def overdue(self, at: datetime) -> bool:
        """Whether it was still open past its due date at `at`."""
        return at > self.due and (self.closed_at is None or self.closed_at > self.due)


def record_finding(
    ledger: Ledger,
    key: SigningKey,
    model: str,
    severity: Severity,
    summary: str,
    owner: str,
    due: datetime,
    *,
    version: str | int | None = None,
    condition: str = "",
    root: PublicKey | None = None,
) -> Record:
    """Sign and record a finding; its id is the record's subject.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        ValueError: unknown severity, no summary or owner.
        Conflict: another finding about the model was recorded in the same moment; call again.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"found severity {severity!r}, expected one of {', '.join(SEVERITIES)}")
    if not summary.strip() or not owner.strip():
        raise ValueError("a finding needs a summary and an owner who must answer it")
    earlier = ledger.records(kind="finding_recorded", model=model)
    identity = f"{model}-F{len(earlier) + 1}"
    subjects = {"registration": registered(ledger, model, version).digest} if version is not None else {}
    if not subjects:
        latest = ledger.latest("version_registered", model=model)
        if latest is None:
            raise ValueError(f"{model} has no registered version yet: there is nothing to find anything against")
        subjects = {"latest_registration": latest.digest}
    body = sign_act(
        ledger,
        key,
        RECORD,
        model,
        subjects,
        {
            "id": identity,
            "version": str(version) if version is not None else None,
            "severity": severity,
            "summary": summary.strip(),
            "owner": owner.strip(),
            "due": iso(due),
            "condition": condition.strip(),
        },
        roles=VALIDATING,
        barred=authors_of_model(ledger, model, version),
        root=root,
    )
    expect = Expected(("finding_recorded",), model, earlier[-1].seq if earlier else 0)
    return ledger.append("finding_recorded", body, model=model, subject=identity, expect=expect)


def respond(
    ledger: Ledger, key: SigningKey, model: str, identity: str, response: str, root: PublicKey | None = None
) -> Record:
    """Answer a finding; anybody enrolled for the model may, its developers above all.

    Raises:
        NotAllowed: the key is nobody's, or not for this model.
        NoSuchFinding: there is no such open finding.
    """
    found = _open(ledger, model, identity, root)
    body = sign_act(
        ledger, key, RESPOND, model, _about(ledger, found), {"id": identity, "response": response.strip()}, root=root
    )
    return ledger.append("finding_responded", body, model=model, subject=identity)


def close_finding(
    ledger: Ledger, key: SigningKey, model: str, identity: str, note: str, root: PublicKey | None = None
) -> Record:
    """Close a finding: a validator's, never an author's, decision.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        NoSuchFinding: there is no such open finding.
        ValueError: no note.
    """
    if not note.strip():
        raise ValueError(f"closing {identity} needs a note: what settles it?")
    found = _open(ledger, model, identity, root)
    body = sign_act(
        ledger,
        key,
        CLOSE,
        model,
        _about(ledger, found),
        {"id": identity, "note": note.strip()},
        roles=VALIDATING,
        barred=authors_of_model(ledger, model, found.version),
        root=root,
    )
    return ledger.append("finding_closed", body, model=model, subject=identity)


def findings(
    ledger: Ledger, model: str | None = None, *, root: PublicKey | None = None, known_at: datetime | None = None
) -> list[Finding]:
    """Every finding as it stands, in order of record; records without a signature that counts change nothing."""
    people = ledger.people(root, known_at)
    found: dict[str, Finding] = {}
    for record in ledger.records(kind=KINDS, model=model, known_at=known_at):
        try:
            _apply(ledger, people, found, record)
        except (NotAllowed, SignatureRefused, KeyError, LookupError):
            continue
    return list(found.values())


def blocking(
    ledger: Ledger,
    policy: Policy,
    model: str,
    version: str | int,
    root: PublicKey | None = None,
    *,
    known_at: datetime | None = None,
) -> list[Finding]:
    """Open findings about the version, or about the model as such, from the severity on that the policy names."""
    limit = policy.findings.blocks_from
    if limit == "never":
        return []
    return [
        finding
        for finding in findings(ledger, model, root=root, known_at=known_at)
        if finding.open
        and finding.version in (None, str(version))
        and SEVERITIES.index(finding.severity) >= SEVERITIES.index(limit)
    ]


def _apply(ledger: Ledger, people: People, found: dict[str, Finding], record: Record) -> None:
    if record.kind == "finding_recorded":
        said = read_act(people, record, RECORD, roles=VALIDATING).predicate
        if said["id"] != record.subject or said["id"] in found or said["severity"] not in SEVERITIES:
            return
        found[said["id"]] = Finding(
            said["id"], record.model, said["version"], said["severity"], said["summary"], said["owner"],
            moment(said["due"]), said["condition"], said["person"], record.recorded_at, record.seq,
        )  # fmt: skip
        return
    finding = found[record.subject]
    if record.kind == "finding_responded":
        said = read_act(people, record, RESPOND).predicate
        if said["id"] == finding.id:
            found[finding.id] = replace(finding, response=said["response"])
        return
    # Whoever builds a later version of the model does not open again what they closed before.
    barred = authors_of_model(ledger, record.model, finding.version, before=record.seq)
    signed = read_act(people, record, CLOSE, roles=VALIDATING, barred=barred)
    original = ledger.get(finding.seq)
    if signed.predicate["id"] != finding.id or original is None:
        return
    if signed.statement.subjects.get("finding") == original.digest and finding.open:
        found[finding.id] = replace(finding, closed_at=record.recorded_at, closed_by=signed.person)


def _open(ledger: Ledger, model: str, identity: str, root: PublicKey | None) -> Finding:
    known = {finding.id: finding for finding in findings(ledger, model, root=root)}
    if identity not in known or not known[identity].open:
        names = ", ".join(f.id for f in known.values() if f.open) or "none"
        raise NoSuchFinding(f"found no open finding {identity!r} of {model}; open ones: {names}")
    return known[identity]


def _about(ledger: Ledger, finding: Finding) -> dict[str, str]:
    record = ledger.get(finding.seq)
    assert record is not None
    return {"finding": record.digest}
