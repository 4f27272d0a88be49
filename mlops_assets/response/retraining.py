"""Requests to train again: when policy lets a verdict make one, when a person must, and which one is in flight.

A request is a ledger record. It says why, from which window, and until when the training rows reach; the graph runs it,
and closes it with what came of it. A model has one open request at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.ledger import Conflict, Expected, Ledger, Record
from mlops_assets.policy.policy import Policy

REQUESTED, CLOSED = "retraining_request", "retraining_closed"
REQUEST_TAG = "mlops/retraining_request"
"""Tag of a run that answers a request; its value is the request's id."""
BUDGET_PERIOD = timedelta(days=365)

Status = Literal["requested", "known", "needs_signature", "never", "in_flight", "cooling_down", "budget_spent"]
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
    request: Record | None = None
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
    last = ledger.latest([REQUESTED, CLOSED], model=model)
    known = ledger.find(_key(identity))
    if known is not None:
        return Consideration("known", f"request {identity} was made for this before", known)
    if policy.retraining.mode == "never":
        return Consideration("never", f"the policy of tier {policy.tier} lets {model} not be retrained; replace it")
    made = ledger.records(kind=REQUESTED, model=model)
    open_one = in_flight(ledger, model)
    if open_one is not None:
        return Consideration("in_flight", f"request {open_one.subject} is not closed yet", open_one)
    if not signed:
        refusal = _hold(policy, model, made, window, cadence)
        if refusal is not None:
            return refusal
    body = {
        "cause": cause,
        "window": window.isoformat(),
        "kind": kind,
        "until": until.isoformat(),
        "automatic": not signed,
        "envelope": dict(envelope) if envelope is not None else None,
        "person": person,
        "policy_digest": policy.digest,
    }
    try:
        request = ledger.append(
            REQUESTED,
            body,
            model=model,
            subject=identity,
            happened_at=happened_at,
            key=_key(identity),
            expect=Expected((REQUESTED, CLOSED), model, last.seq if last else 0),
        )
    except Conflict:
        winner = in_flight(ledger, model)
        return Consideration("in_flight", "another request was made at the same moment", winner)
    return Consideration("requested", f"{'signed' if signed else 'automatic'}: {cause}", request)


def close(
    ledger: Ledger, request: Record, outcome: RequestOutcome, *, version: str | int | None = None, note: str = ""
) -> Record:
    """Close a request with what came of it; closing twice returns the first closure."""
    body = {"version": None if version is None else str(version), "outcome": outcome, "note": note}
    return ledger.append(
        CLOSED, body, model=request.model, subject=request.subject, key=f"retraining-closed/{request.subject}"
    )


def in_flight(ledger: Ledger, model: str, known_at: datetime | None = None) -> Record | None:
    """The model's open request."""
    closed = {r.subject for r in ledger.records(kind=CLOSED, model=model, known_at=known_at)}
    made = ledger.records(kind=REQUESTED, model=model, known_at=known_at)
    return next((r for r in reversed(made) if r.subject not in closed), None)


def open_requests(ledger: Ledger, models: Iterable[str] | None = None) -> list[Record]:
    """Every open request of the fleet, in order, in two look-ups whatever the number of models."""
    closed = {r.subject for r in ledger.records(kind=CLOSED)}
    wanted = None if models is None else set(models)
    return [
        r for r in ledger.records(kind=REQUESTED) if r.subject not in closed and (wanted is None or r.model in wanted)
    ]


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


def _hold(policy: Policy, model: str, made: list[Record], window: date, cadence: Cadence) -> Consideration | None:
    """Why a verdict may not ask now, or None."""
    rule = policy.retraining
    command = f"mlops retrain {model} --key PEM --rationale TEXT"
    if rule.mode == "on_signed_request":
        reason = f"the policy of tier {policy.tier} asks for a signed request"
        return Consideration("needs_signature", reason, command=command)
    starts = [date.fromisoformat(r.body["window"]) for r in made]
    if starts:
        passed = windows_between(max(starts), window, cadence)
        if passed <= rule.cooldown_windows:
            reason = (
                f"{max(passed, 0)} windows after the last request ({max(starts)}), and the cool-down is "
                f"{rule.cooldown_windows}"
            )
            return Consideration("cooling_down", reason, command=command)
    automatic = [date.fromisoformat(r.body["window"]) for r in made if r.body["automatic"]]
    recent = [start for start in automatic if window - BUDGET_PERIOD < start <= window]
    if len(recent) >= rule.budget_per_year:
        reason = f"{len(recent)} automatic requests in 365 days, and the budget is {rule.budget_per_year}"
        return Consideration("budget_spent", reason, command=command)
    return None


def _key(identity: str) -> str:
    return f"retraining/{identity}"
