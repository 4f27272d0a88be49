"""Requests to train again: when policy lets a verdict make one, when a person must, and which one is in flight.

A request is a ledger record. It says why, from which window, and until when the training rows reach; the graph runs it,
and closes it with what came of it. A model has one open request at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.response import RetrainingClosed, RetrainingRequested
from mlops_assets.ledger.ledger import Conflict, Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.response import Request
from mlops_assets.policy.policy import Policy

REQUEST_TAG = "mlops/retraining_request"
"""Tag of a run that answers a request; its value is the request's id."""
BUDGET_PERIOD = timedelta(days=365)

Status = Literal[
    "requested", "known", "needs_signature", "without_effect", "never", "in_flight", "cooling_down", "budget_spent"
]
RequestOutcome = Literal["challenger", "promoted", "refused", "failed", "withdrawn"]


@dataclass(frozen=True)
class Consideration:
    """What policy says about one wish to retrain.

    Attributes:
        status: `requested` (now), `known` (this cause had made one before), or why not.
        reason: in a sentence.
        request: the record: the new one, the known one, or the one in flight.
        command: what a person types to have it, where a signature is what is missing.
    """

    status: Status
    reason: str
    request: Record[RetrainingRequested] | None = None
    command: str = ""

    @property
    def requested(self) -> bool:
        """Whether there is a request to run for this cause."""
        return self.status in ("requested", "known")


def request_of(tags: Mapping[str, str]) -> str | None:
    """Id of the retraining request that a run with these tags answers."""
    return tags.get(REQUEST_TAG)


def consider(
    ledger: Ledger,
    policy: Policy,
    model: str,
    *,
    cause: str,
    kind: str,
    window: date,
    until: date,
    cadence: Cadence,
    happened_at: datetime | None = None,
    envelope: Mapping[str, Any] | None = None,
    person: str = "",
) -> Consideration:
    """Make a retraining request, if policy lets it be made.

    Time is counted in windows and by their dates, never by the clock, so that a history replays as it happened.

    Args:
        ledger: to read and write.
        policy: effective policy of the model.
        model: name.
        cause: why, in a sentence; shown with the request.
        kind: of the change, such as `concept_drift`; `manual` for a person's wish.
        window: start of the window whose verdict asks.
        until: the training rows reach to before this day.
        cadence: length of the model's windows.
        happened_at: when the wish arose; default now.
        envelope: signed request, verified by the caller. It is held neither by cool-down nor by budget, because a
            person with the authority has decided; only `never` and a request in flight refuse it.
        person: who signed.
    """
    signed = envelope is not None
    identity = request_id(model, window, kind, envelope)
    # Read before anything is looked up: a request that comes in between is then a conflict, and not overlooked.
    state = ledger.state().model(model)
    last = state.last_seq(RetrainingRequested.KIND, RetrainingClosed.KIND)
    known = state.requests.get(identity)
    if known is not None:
        return Consideration("known", f"request {identity} was made for this before", known.record)
    if policy.retraining.mode == "never":
        return Consideration("never", f"the policy of tier {policy.tier} lets {model} not be retrained; replace it")
    open_one = state.open_request
    if open_one is not None:
        return Consideration("in_flight", f"request {open_one.id} is not closed yet", open_one.record)
    if not signed:
        made = [request.record.event for request in state.requests.values()]
        refusal = _without_effect(policy, model, tuple(state.requests.values()), kind)
        refusal = refusal or _hold(policy, model, made, window, cadence)
        if refusal is not None:
            return refusal
    event = RetrainingRequested(
        cause=cause,
        window=window,
        kind=kind,
        until=until,
        automatic=not signed,
        envelope=dict(envelope) if envelope is not None else None,
        person=person,
        policy_digest=policy.digest,
    )
    expect = Expected((RetrainingRequested.KIND, RetrainingClosed.KIND), model, last)
    try:
        request = ledger.append(
            event, model=model, subject=identity, happened_at=happened_at, key=_key(identity), expect=expect
        )
    except Conflict:
        winner = ledger.state().model(model).open_request
        what = "another request was made at the same moment"
        return Consideration("in_flight", what, winner.record if winner else None)
    return Consideration("requested", f"{'signed' if signed else 'automatic'}: {cause}", request)


def close(
    ledger: Ledger,
    request: Record[RetrainingRequested],
    outcome: RequestOutcome,
    *,
    version: str | int | None = None,
    note: str = "",
) -> Record[RetrainingClosed]:
    """Close a request with what came of it; closing twice returns the first closure."""
    event = RetrainingClosed(version=None if version is None else str(version), outcome=outcome, note=note)
    return ledger.append(
        event, model=request.model, subject=request.subject, key=f"retraining-closed/{request.subject}"
    )


def open_requests(state: LedgerState, models: Collection[str] | None = None) -> list[Record[RetrainingRequested]]:
    """Every open request of the fleet, in order; with `models`, theirs only."""
    found = [r.record for model in state for r in model.requests.values() if r.is_open]
    return sorted((r for r in found if models is None or r.model in models), key=lambda record: record.seq)


def request_id(model: str, window: date, kind: str, envelope: Mapping[str, Any] | None = None) -> str:
    """Name of a request: the same cause gives the same one. A signed request is its own cause."""
    said = digest(envelope)[:12] if envelope is not None else kind
    return f"{model}-{window.isoformat()}-{said}"


def windows_between(earlier: date, later: date, cadence: Cadence) -> int:
    """How many windows after `earlier` the window `later` starts (both are starts of windows)."""
    if cadence is Cadence.DAY:
        return (later - earlier).days
    if cadence is Cadence.WEEK:
        return (later - earlier).days // 7
    months = 12 * (later.year - earlier.year) + later.month - earlier.month
    return months // {Cadence.MONTH: 1, Cadence.QUARTER: 3, Cadence.YEAR: 12}[cadence]


def refused_in_a_row(requests: Sequence[Request], kind: str) -> tuple[Request, ...]:
    """The last trainings for a kind of cause whose versions were refused or sent back, since a version was promoted."""
    found: list[Request] = []
    for request in sorted(requests, key=lambda one: one.record.seq):
        if request.closed is None:
            continue
        if request.closed.event.outcome == "promoted":
            found = []
        elif request.record.event.kind == kind and request.closed.event.outcome == "refused":
            found.append(request)
    return tuple(found)


def _without_effect(policy: Policy, model: str, requests: Sequence[Request], kind: str) -> Consideration | None:
    """Why a cause may not ask again by itself after trainings that did not help; None where it may."""
    refused = refused_in_a_row(requests, kind)
    if len(refused) < policy.retraining.refused_in_a_row:
        return None
    last = refused[-1]
    assert last.closed is not None
    version, note = last.closed.event.version, last.closed.event.note
    times = "the last training" if len(refused) == 1 else f"{len(refused)} trainings in a row"
    reason = (
        f"{times} for {kind.replace('_', ' ')} did not help: version {version} of request {last.id} was refused"
        f"{f' ({note})' if note else ''}; the next one waits for a signature"
    )
    return Consideration("without_effect", reason, command=f"mlops retrain {model} --key PEM --rationale TEXT")


def _hold(
    policy: Policy, model: str, made: Sequence[RetrainingRequested], window: date, cadence: Cadence
) -> Consideration | None:
    """Why a verdict may not ask now, or None."""
    rule = policy.retraining
    command = f"mlops retrain {model} --key PEM --rationale TEXT"
    if rule.mode == "on_signed_request":
        reason = f"the policy of tier {policy.tier} requires a signed request"
        return Consideration("needs_signature", reason, command=command)
    starts = [request.window for request in made]
    if starts:
        passed = windows_between(max(starts), window, cadence)
        if passed <= rule.cooldown_windows:
            reason = (
                f"{max(passed, 0)} windows after the last request ({max(starts)}), and the cool-down is "
                f"{rule.cooldown_windows}"
            )
            return Consideration("cooling_down", reason, command=command)
    automatic = [request.window for request in made if request.automatic]
    recent = [start for start in automatic if window - BUDGET_PERIOD < start <= window]
    if len(recent) >= rule.budget_per_year:
        reason = f"{len(recent)} automatic requests in 365 days, and the budget is {rule.budget_per_year}"
        return Consideration("budget_spent", reason, command=command)
    return None


def _key(identity: str) -> str:
    return f"retraining/{identity}"
