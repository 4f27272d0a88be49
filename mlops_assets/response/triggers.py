"""What asks for a training beside the verdict on a window: the calendar, the end of a validation, the volume of new rows; and
whether a change has persisted long enough.

Time is that of the model's windows, so that a history replays as it happened; only the end of a validation is a date of the
clock, as its signature is. What policy answers is in `response.retraining`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from mlops_assets.datasets.windows import shift
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.policy.policy import Policy
from mlops_assets.release.oversight import review_due

SCHEDULE, VALIDATION_ENDS, NEW_DATA = "schedule", "validation_ends", "new_data"


@dataclass(frozen=True)
class Trigger:
    """Something that asks for a training.

    Attributes:
        kind: `schedule`, `validation_ends` or `new_data`.
        cause: in a sentence.
    """

    kind: str
    cause: str


def triggers(model: ModelState, policy: Policy, declaration: Declaration, now: datetime) -> tuple[Trigger, ...]:
    """What asks for a training of a model with a champion, in the order in which it is considered.

    Args:
        model: its state.
        policy: its effective policy.
        declaration: of the model.
        now: for the end of a validation.
    """
    rule, last = policy.retraining, model.last_verdict
    asked = (rule.every_months, rule.validation_ends_days, rule.new_rows_share)
    if model.champion.deciding is None or last is None or all(one is None for one in asked):
        return ()
    trained = trained_until(model, declaration)
    found = []
    if rule.validation_ends_days is not None:
        ends, why = review_due(model, policy)
        if ends is not None and now >= ends - timedelta(days=rule.validation_ends_days):
            when = f"it ends on {ends.date()}" if now < ends else why
            found.append(Trigger(VALIDATION_ENDS, f"the champion must be validated again: {when}"))
    if rule.every_months is not None and trained is not None:
        due = shift(trained, Period(count=rule.every_months, unit=Cadence.MONTH))
        if last.window_end >= due:
            cause = (
                f"the last training used rows until {trained}, and the policy trains every {rule.every_months} months"
            )
            found.append(Trigger(SCHEDULE, cause))
    if rule.new_rows_share is not None and trained is not None:
        rows, before = new_rows(model, declaration, trained), training_rows(model)
        if before and rows >= rule.new_rows_share * before:
            cause = (
                f"{rows} rows with outcomes since {trained}, which is {rows / before:.0%} of the {before} training rows"
            )
            found.append(Trigger(NEW_DATA, cause))
    return tuple(found)


def trained_until(model: ModelState, declaration: Declaration) -> date | None:
    """The day before which the rows of the last training end, whatever became of its version; None where no record says it."""
    asked = [
        request.record.event.until
        for request in model.requests.values()
        if any(v.registration and v.registration.event.request == request.id for v in model.versions.values())
    ]
    first = [declaration.training.until] if declaration.training.until is not None else []
    return max([*asked, *first], default=None)


def training_rows(model: ModelState) -> int:
    """Rows of the snapshot that the newest version was trained on; 0 where the snapshot is not known."""
    newest = model.newest_version
    if newest is None or newest.registration is None:
        return 0
    taken = newest.registration.event.snapshot_record
    return next((snapshot.rows for snapshot in model.snapshots if snapshot.seq == taken), 0)


def new_rows(model: ModelState, declaration: Declaration, since: date) -> int:
    """Scored rows of the windows from a day on whose outcomes have matured by the end of the last judged window."""
    last, matures = model.last_verdict, declaration.target.matures_after
    if last is None:
        return 0
    return sum(
        model.scored[window].rows
        for window, verdict in model.window_verdicts.items()
        if window in model.scored
        and date.fromisoformat(window) >= since
        and (matures is None or shift(verdict.window_end, matures) <= last.window_end)
    )


def persisting(verdicts: Sequence[WindowVerdict], window: str, kind: str) -> int:
    """How many windows in a row, up to this one, show a kind of change from `act` on; this one counts.

    Args:
        verdicts: on the model's windows, in order.
        window: whose verdict asks.
        kind: of the change.
    """
    earlier = [v for v in verdicts if v.window < window]
    count = 1
    for verdict in reversed(earlier):
        shown = verdict.raw.get(kind, verdict.severity if verdict.kind == kind else "none")
        if not at_least(cast(Severity, shown), "act"):
            break
        count += 1
    return count
