"""Which retraining requests are to be run: those whose version was refused are closed, policy considers the new verdicts and what
else asks, and what is open is due."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast

from mlops_assets.datasets.windows import Window, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.monitoring.wording import sentence
from mlops_assets.pipeline.due import Due, Found, declared_among, failure_cause, last_closed, open_failure
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.refusal import refusal
from mlops_assets.response import retraining
from mlops_assets.response.incidents import open_incident
from mlops_assets.response.triggers import Trigger, persisting, triggers

RETRAIN = "retrain"
"""The action of a verdict by which policy asks for a training."""
WITHOUT_EFFECT = "retraining_without_effect"
"""Kind of the incident that asks a person after trainings that did not help."""


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
    _close_refused(platform, declarations)
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
    waiting += _by_calendar(platform, declarations)
    due: list[Due] = []
    state = ledger.state()
    for name, declaration in declarations.items():
        model = state.model(name)
        request = model.open_request
        if request is None or answered_by(model, request.id) is not None:
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
    least = policy.retraining.persistent_windows
    verdicts = tuple(platform.ledger.state().model(verdict.model).window_verdicts.values())
    seen = persisting(verdicts, window.key, kind)
    if seen < least:
        return (
            f"{kind.replace('_', ' ')} is seen in {seen} of the {least} windows in a row after which the policy trains"
        )
    return _consider(platform, declaration, policy, Trigger(kind, cause), window, verdict.happened_at)


def _consider(
    platform: Platform,
    declaration: Declaration,
    policy: Policy,
    trigger: Trigger,
    window: Window,
    happened_at: datetime | None = None,
) -> str:
    """Make a request where policy lets it; where trainings did not help, an incident asks a person. Returns why none was made."""
    model = declaration.name
    considered = retraining.consider(
        platform.ledger,
        policy,
        model,
        cause=trigger.cause,
        kind=trigger.kind,
        window=window.start,
        until=window.end,
        cadence=declaration.monitoring.cadence,
        happened_at=happened_at,
    )
    if considered.status == "without_effect":
        open_incident(
            platform.ledger,
            model,
            kind=WITHOUT_EFFECT,
            severity="act",
            window=window.key,
            summary=f"{trigger.cause.rstrip('.')}: {considered.reason}: {considered.command}",
            cause=f"{WITHOUT_EFFECT}:{trigger.kind}",
            rule="retraining",
            happened_at=happened_at,
        )
    return "" if considered.requested else considered.reason


def _by_calendar(platform: Platform, declarations: Mapping[str, Declaration]) -> list[str]:
    """Requests of what asks for a training without a verdict; returns why none was made, by model."""
    state, now = platform.ledger.state(), platform.ledger.clock()
    said = []
    for name, declaration in declarations.items():
        model = state.model(name)
        last = model.last_verdict
        if last is None or declaration.supplied is not None or model.open_request is not None:
            continue
        policy = platform.policy_of(declaration)
        for trigger in triggers(model, policy, declaration, now):
            try:
                window = window_of_key(last.window, declaration.monitoring.cadence)
            except ValueError as error:  # the cadence was changed since
                said.append(f"{name}: {error}")
                break
            reason = _consider(platform, declaration, policy, trigger, window)
            said += [f"{name}: {reason}"] if reason else []
            if not reason:
                break
    return said


def _close_refused(platform: Platform, declarations: Mapping[str, Declaration]) -> None:
    """Close requests whose version will not become champion, with the reason: another verdict may then ask again."""
    state, now = platform.ledger.state(), platform.ledger.clock()
    for name, declaration in declarations.items():
        model = state.model(name)
        request = model.open_request
        version = answered_by(model, request.id) if request is not None else None
        if request is None or version is None:
            continue
        if why := refusal(state, platform.policy_of(declaration), name, version, now):
            retraining.close(platform.ledger, request.record, "refused", version=version, note=why)


def _asking(found: HealthVerdict, policy: Policy) -> tuple[str, str]:
    """Kind and text of the change that a retraining answers: the first one that the policy retrains for.

    From which rows the next version learns depends on the kind, so a change that is merely named first does not decide it.
    """
    for cause in found.causes:
        if at_least(cast(Severity, cause.severity), "act") and "retrain" in getattr(policy.response, cause.kind, ()):
            return cause.kind, found.reasons[0] if cause.kind == found.kind else sentence(cause.evidence)
    return found.kind, found.reasons[0]


def answered_by(model: ModelState, request: str) -> str | None:
    """The version that answers the request and waits for people or the ladder; None where it is still to be trained."""
    found = [
        v.version
        for v in model.versions.values()
        if v.card is not None and v.registration and v.registration.event.request == request
    ]
    return found[-1] if found else None
