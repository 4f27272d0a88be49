"""Recording what gates decide, the severity of a window as a check, and the records that a training is about."""

from collections.abc import Sequence
from typing import TypeVar

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates.gate import GateOutcome, GateResult
from mlops_assets.governance.decisions import record, result_of
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.pipeline.context import StageError
from mlops_assets.policy.policy import Policy

T = TypeVar("T", SnapshotTaken, VersionRegistered)


def data_subject(digest: str) -> str:
    """Subject of decisions on a snapshot, made before there is any version."""
    return f"data:{digest}"


def record_decisions(
    ledger: Ledger, policy: Policy, model: str, subject: str | int, results: Sequence[GateResult]
) -> Sequence[GateResult]:
    """Write each decision to the ledger; the same decision on the same evidence is written once."""
    for result in results:
        record(ledger, model, subject, result, policy)
    return results


def carry_over(ledger: Ledger, policy: Policy, model: str, digest: str, version: int) -> None:
    """Record the decisions on a snapshot for the version that was trained on it."""
    found = ledger.of(GateDecided, model=model, subject=data_subject(digest))
    latest = {r.event.gate: r for r in found if r.event.policy_digest == policy.digest}
    record_decisions(ledger, policy, model, version, [result_of(r) for r in latest.values()])


def newest(ledger: Ledger, event: type[T], declaration: Declaration, request: str | None) -> Record[T] | None:
    """The newest record of a kind under the present declaration and, where the run answers a request, for that one."""
    for found in reversed(ledger.of(event, model=declaration.name)):
        if found.event.declaration_digest == declaration.digest and request in (None, found.event.request):
            return found
    return None


def current_snapshot(ledger: Ledger, declaration: Declaration, request: str | None) -> Record[SnapshotTaken]:
    """The record of the snapshot that this training works on.

    Raises:
        StageError: none was taken under the present declaration.
    """
    return _needed(
        newest(ledger, SnapshotTaken, declaration, request), declaration, "no snapshot was taken", "training_data"
    )


def current_version(ledger: Ledger, declaration: Declaration, request: str | None) -> Record[VersionRegistered]:
    """The registration of the version that this training is about.

    Raises:
        StageError: there is none under the present declaration.
    """
    found = newest(ledger, VersionRegistered, declaration, request)
    return _needed(found, declaration, "no version is registered", "challenger")


def _needed(found: Record[T] | None, declaration: Declaration, problem: str, stage: str) -> Record[T]:
    if found is not None:
        return found
    model = declaration.name
    raise StageError(
        f"{model}: {problem} under the present declaration ({declaration.digest[:12]}); materialize {model}/{stage} first"
    )


def severity_check(severity: str, reason: str, evidence: str) -> GateResult:
    """A window's severity as a check: it fails from `act` on."""
    outcome: GateOutcome = (
        "not_measurable" if severity == "not_measurable" else "failed" if severity in ("act", "critical") else "passed"
    )
    return GateResult(
        gate="severity",
        outcome=outcome,
        value=None,
        threshold=None,
        rule="severity below act",
        reason=f"{severity}: {reason}",
        details={"severity": severity},
        evidence={"verdict": evidence},
    )
