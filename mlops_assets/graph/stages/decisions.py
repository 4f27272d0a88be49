"""Recording what gates decide, and finding the version a training is about."""

from collections.abc import Sequence

from mlops_assets.governance.decisions import GateResult, record, result_of
from mlops_assets.governance.ledger import Record
from mlops_assets.graph.bench import Bench, StageError


def data_subject(digest: str) -> str:
    """Subject of decisions on a snapshot, made before there is any version."""
    return f"data:{digest}"


def decided(bench: Bench, subject: str | int, results: Sequence[GateResult]) -> Sequence[GateResult]:
    """Write each decision to the ledger; the same decision on the same evidence is written once."""
    for result in results:
        record(bench.platform.ledger, bench.model, subject, result, bench.policy)
    return results


def carry_over(bench: Bench, digest: str, version: int) -> list[GateResult]:
    """Let the decisions on a snapshot stand for the version trained on it."""
    found = bench.platform.ledger.records(kind="gate_decision", model=bench.model, subject=data_subject(digest))
    latest = {r.body["gate"]: r for r in found if r.body["policy_digest"] == bench.policy.digest}
    results = [result_of(r) for r in latest.values()]
    decided(bench, version, results)
    return results


def newest(bench: Bench, kind: str) -> Record | None:
    """The newest record of a kind under the present declaration and, where the run answers a request, for that one."""
    for found in reversed(bench.platform.ledger.records(kind=kind, model=bench.model)):
        if found.body["declaration_digest"] == bench.declaration.digest and (
            bench.request is None or found.body["request"] == bench.request
        ):
            return found
    return None


def current_version(bench: Bench) -> Record:
    """The registration of the version that this training is about.

    Raises:
        StageError: there is none under the present declaration.
    """
    registration = newest(bench, "version_registered")
    if registration is not None:
        return registration
    raise StageError(
        f"{bench.model}: no version is registered under the present declaration "
        f"({bench.declaration.digest[:12]}); materialize {bench.model}/challenger first"
    )
