"""Which retraining requests are to be run: policy considers the new verdicts, and what is open is due."""

from collections.abc import Collection
from typing import cast

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.monitoring.wording import sentence
from mlops_assets.pipeline.due import Due, Found, declared_among, failure_cause, last_closed, open_failure
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.response import retraining

RETRAIN = "retrain"
"""The action of a verdict by which policy asks for a training."""


def trainings_due(platform: Platform, since: int, models: Collection[str] | None = None) -> tuple[Found, int]:
    """Requests that are open, after policy has considered the verdicts recorded after `since`.

    Args:
        platform: the project.
        since: number of the last verdict that was considered.
        models: look at these only; None: at every model.

    Returns:
        What is due, and the number of the last verdict considered.
    """
    ledger, declarations = platform.ledger, declared_among(platform, models)
    waiting: list[str] = []
    newest = ledger.latest_of(HealthVerdict)
    # The cursor is Dagster's: one beyond the last verdict was written by somebody who would have none considered.
    since = last = since if newest is not None and since <= newest.seq else 0
    # At most ticks there is no new one, and of years of them only those are read that ask for something.
    if newest is not None and newest.seq > since:
        last = newest.seq
        for verdict in ledger.of(HealthVerdict, after=since, word=RETRAIN):
            last = max(last, verdict.seq)
            if RETRAIN in verdict.event.action and verdict.model in declarations:
                reason = _considered(platform, verdict)
                waiting += [f"{verdict.model}: {reason}"] if reason else []
    due: list[Due] = []
    state = ledger.state()
    for name, declaration in declarations.items():
        model = state.model(name)
        request = model.open_request
        if request is None or _trained(model, request.id):
            continue
        cause = failure_cause("training", request.id)
        if failed := open_failure(model, cause):
            waiting.append(f"{name}: its training failed too often; close incident {failed.id} to try it again")
            continue
        names = f"{request.id}/{declaration.digest[:12]}/closed-{last_closed(model, cause)}"
        due.append(Due(name, "training", request.record.event.cause, names, request=request.id))
    return Found(tuple(due), tuple(waiting)), last


def _considered(platform: Platform, verdict: Record[HealthVerdict]) -> str:
    """Make a retraining request of a verdict where policy lets it; returns why none was made, or nothing."""
    declaration, found = platform.project.declarations[verdict.model], verdict.event
    if declaration.supplied is not None:
        return f"it is {declaration.supplied.supplier}'s model, which nobody here can train again; its incident asks the supplier"
    try:
        window = window_of_key(verdict.subject, declaration.monitoring.cadence)
    except ValueError as error:  # the cadence was changed since; the verdicts of other models are considered
        return str(error)
    policy = platform.policy(verdict.model)
    kind, cause = _asking(found, policy)
    considered = retraining.consider(
        platform.ledger,
        policy,
        verdict.model,
        cause=cause,
        kind=kind,
        window=window.start,
        until=window.end,
        cadence=declaration.monitoring.cadence,
        happened_at=verdict.happened_at,
    )
    return "" if considered.requested else considered.reason


def _asking(found: HealthVerdict, policy: Policy) -> tuple[str, str]:
    """Kind and text of the change that a retraining answers: the first one that the policy retrains for.

    From which rows the next version learns depends on the kind, so a change that is merely named first does not decide it.
    """
    for cause in found.causes:
        if at_least(cast(Severity, cause.severity), "act") and "retrain" in getattr(policy.response, cause.kind, ()):
            return cause.kind, found.reasons[0] if cause.kind == found.kind else sentence(cause.evidence)
    return found.kind, found.reasons[0]


def _trained(model: ModelState, request: str) -> bool:
    """Whether a version answers the request already and waits for people or the ladder."""
    return any(
        v.card is not None and v.registration and v.registration.event.request == request
        for v in model.versions.values()
    )
