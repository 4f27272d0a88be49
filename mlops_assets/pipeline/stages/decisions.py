"""Recording what gates decide, and finding the version a training is about."""

from collections.abc import Sequence

from mlops_assets.governance.decisions import GateResult, record, result_of
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext, StageError


def data_subject(digest: str) -> str:
    """Subject of decisions on a snapshot, made before there is any version."""
    return f"data:{digest}"


def decided(context: StageContext, subject: str | int, results: Sequence[GateResult]) -> Sequence[GateResult]:
    """Write each decision to the ledger; the same decision on the same evidence is written once."""
    for result in results:
        record(context.platform.ledger, context.model, subject, result, context.policy)
    return results


def carry_over(context: StageContext, digest: str, version: int) -> list[GateResult]:
    """Let the decisions on a snapshot stand for the version trained on it."""
    found = context.platform.ledger.records(kind="gate_decision", model=context.model, subject=data_subject(digest))
    latest = {r.body["gate"]: r for r in found if r.body["policy_digest"] == context.policy.digest}
    results = [result_of(r) for r in latest.values()]
    decided(context, version, results)
    return results


def newest(context: StageContext, kind: str) -> Record | None:
    """The newest record of a kind under the present declaration and, where the run answers a request, for that one."""
    for found in reversed(context.platform.ledger.records(kind=kind, model=context.model)):
        if found.body["declaration_digest"] == context.declaration.digest and (
            context.request is None or found.body["request"] == context.request
        ):
            return found
    return None


def current_version(context: StageContext) -> Record:
    """The registration of the version that this training is about.

    Raises:
        StageError: there is none under the present declaration.
    """
    registration = newest(context, "version_registered")
    if registration is not None:
        return registration
    raise StageError(
        f"{context.model}: no version is registered under the present declaration "
        f"({context.declaration.digest[:12]}); materialize {context.model}/challenger first"
    )
