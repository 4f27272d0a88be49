"""Findings: what an independent validator holds against a model, until it is closed by a validator.

A finding has a severity, an owner, a due date, a response, and may carry a condition of use. From the severity that the
policy names, an open one blocks promotion; one past its due date is overdue. Authors close no finding about their work.
"""

from datetime import datetime
from typing import Literal, get_args

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import (
    VALIDATING,
    FindingClosed,
    FindingExtended,
    FindingRecorded,
    FindingResponded,
)
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.judgements import Finding
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.policy.policy import Policy

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[str, ...] = get_args(Severity)


class NoSuchFinding(MlopsAssetsError, LookupError):
    """There is no open finding of that name."""


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
) -> Record[FindingRecorded]:
    """Sign and record a finding; its id is the record's subject.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        ValueError: unknown severity, no summary, an owner who is not enrolled for the model, or a due date that is past.
        Conflict: another finding about the model was recorded in the same moment; call again.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"found severity {severity!r}, expected one of {', '.join(SEVERITIES)}")
    if not summary.strip() or not owner.strip():
        raise ValueError("a finding needs a summary and an owner who must answer it")
    now = ledger.clock()
    enrolled = sorted({period.person for period in ledger.people(root).active(model, now)})
    if owner.strip() not in enrolled:
        raise ValueError(
            f"found owner {owner.strip()!r}, expected somebody enrolled for {model}: {', '.join(enrolled)}"
        )
    if due <= now:
        raise ValueError(f"found due date {iso(due)}, expected one after now ({iso(now)})")
    state = ledger.state(root=root).model(model)
    # Records that do not count take a number as well: an id names one record for ever.
    earlier = ledger.of(FindingRecorded, model=model)
    identity = f"{model}-F{len(earlier) + 1}"
    subjects = {"registration": registered(state, version).digest} if version is not None else {}
    if not subjects:
        latest = state.newest_version
        if latest is None or latest.registration is None:
            raise ValueError(f"{model} has no registered version yet, so there is nothing to record a finding about")
        subjects = {"latest_registration": latest.registration.digest}
    body = sign_act(
        ledger,
        key,
        FindingRecorded.PURPOSE,
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
        barred=state.authors_of(version),
        root=root,
    )
    expect = Expected((FindingRecorded.KIND,), model, state.last_seq(FindingRecorded.KIND))
    return ledger.append(FindingRecorded.model_validate(body), model=model, subject=identity, expect=expect)


def respond(
    ledger: Ledger, key: SigningKey, model: str, identity: str, response: str, root: PublicKey | None = None
) -> Record[FindingResponded]:
    """Answer a finding; anybody enrolled for the model may, its developers above all.

    Raises:
        NotAllowed: the key is not enrolled, or not for this model.
        NoSuchFinding: there is no such open finding.
    """
    found = _open(ledger.state(root=root).model(model), identity)
    body = sign_act(
        ledger,
        key,
        FindingResponded.PURPOSE,
        model,
        {"finding": found.digest},
        {"id": identity, "response": response.strip()},
        root=root,
    )
    return ledger.append(FindingResponded.model_validate(body), model=model, subject=identity)


def extend_finding(
    ledger: Ledger,
    key: SigningKey,
    model: str,
    identity: str,
    due: datetime,
    reason: str,
    root: PublicKey | None = None,
) -> Record[FindingExtended]:
    """Move the due date of a finding to a later day; a validator's, never an author's, decision.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        NoSuchFinding: there is no such open finding.
        ValueError: no reason, or a date that is past or not after the present due date.
    """
    if not reason.strip():
        raise ValueError(f"extending {identity} needs a reason: why may it take longer?")
    state, now = ledger.state(root=root).model(model), ledger.clock()
    found = _open(state, identity)
    if due <= max(found.due, now):
        raise ValueError(f"found due date {iso(due)}, expected one after {iso(max(found.due, now))}")
    body = sign_act(
        ledger,
        key,
        FindingExtended.PURPOSE,
        model,
        {"finding": found.digest},
        {"id": identity, "due": iso(due), "reason": reason.strip()},
        roles=VALIDATING,
        barred=state.authors_of(found.version),
        root=root,
    )
    expect = Expected((FindingExtended.KIND,), model, state.last_seq(FindingExtended.KIND))
    return ledger.append(FindingExtended.model_validate(body), model=model, subject=identity, expect=expect)


def close_finding(
    ledger: Ledger, key: SigningKey, model: str, identity: str, note: str, root: PublicKey | None = None
) -> Record[FindingClosed]:
    """Close a finding: a validator's, never an author's, decision.

    Raises:
        NotAllowed: the signer is no validator of this model, or built the version.
        NoSuchFinding: there is no such open finding.
        ValueError: no note.
    """
    if not note.strip():
        raise ValueError(f"closing {identity} needs a note: what settles it?")
    state = ledger.state(root=root).model(model)
    found = _open(state, identity)
    body = sign_act(
        ledger,
        key,
        FindingClosed.PURPOSE,
        model,
        {"finding": found.digest},
        {"id": identity, "note": note.strip()},
        roles=VALIDATING,
        barred=state.authors_of(found.version),
        root=root,
    )
    # Of two validators at the same moment one closes it, and the other is told to look again.
    expect = Expected((FindingClosed.KIND,), model, state.last_seq(FindingClosed.KIND))
    return ledger.append(FindingClosed.model_validate(body), model=model, subject=identity, expect=expect)


def blocking(model: ModelState, policy: Policy, version: str | int) -> list[Finding]:
    """Open findings about the version, or about the model, from the severity on that the policy names."""
    limit = policy.findings.blocks_from
    if limit == "never":
        return []
    return [
        finding
        for finding in model.open_findings
        if finding.version in (None, str(version)) and SEVERITIES.index(finding.severity) >= SEVERITIES.index(limit)
    ]


def _open(model: ModelState, identity: str) -> Finding:
    found = model.findings.get(identity)
    if found is None or not found.open:
        names = ", ".join(f.id for f in model.open_findings) or "none"
        raise NoSuchFinding(f"found no open finding {identity!r} of {model.name}; open ones: {names}")
    return found
