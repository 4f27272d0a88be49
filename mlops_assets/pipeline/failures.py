"""Runs that failed too often: one incident, and nothing is tried again before somebody closed it.

A window whose run failed is recorded as not measurable with the reason, so that it does not block the windows after it.
"""

from datetime import UTC, datetime

from mlops_assets import clock
from mlops_assets.datasets.windows import window_of_key
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.pipeline.due import STAGE_FAILED, Due, last_closed
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import Incident, open_incident

MOST_ATTEMPTS = 3
"""Runs of one intent that may fail before it is given up."""
LONGEST_REASON = 500


def give_up(platform: Platform, due: Due, reason: str, attempts: int = MOST_ATTEMPTS) -> Incident:
    """Open the incident of an intent whose runs have failed too often; the same again changes nothing.

    Args:
        platform: to record in.
        due: the intent.
        reason: of the last failure.
        attempts: how often it failed.
    """
    reason = " ".join(reason.split())[:LONGEST_REASON] or "the run failed without a message"
    if due.activity == "monitoring":
        _not_measurable(platform, due, reason)
    closed = last_closed(platform.ledger.state().model(due.model), due.cause)
    subject = f"of the window {due.window}" if due.window else f"of version {due.version}" if due.version else ""
    what = " ".join(["the", due.activity, *([subject] if subject else [])])
    return open_incident(
        platform.ledger,
        due.model,
        kind=STAGE_FAILED,
        severity="act",
        summary=f"{what} failed {'once' if attempts == 1 else f'{attempts} times'}: {reason}. Repair the cause and close this "
        "incident; it is then tried again.",
        # A failure after somebody closed the incident is another occasion, and opens another.
        window=" ".join(part for part in (due.window or "", f"after-{closed}" if closed else "") if part),
        cause=due.cause,
        rule=STAGE_FAILED,
    )


def _not_measurable(platform: Platform, due: Due, reason: str) -> None:
    """Record that the window could not be judged; windows after it go on."""
    assert due.window is not None
    ledger, declaration = platform.ledger, platform.project.declaration(due.model)
    window = window_of_key(due.window, declaration.monitoring.cadence)
    champion = ledger.state().model(due.model).champion
    earlier = ledger.latest_of(HealthVerdict, model=due.model, subject=due.window)
    same = earlier if earlier is not None and earlier.event.window_end == window.end else None
    ended = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    ledger.append(
        HealthVerdict(
            window_end=window.end,
            severity="not_measurable",
            kind="none",
            reasons=(f"The window could not be judged: {reason}",),
            version=str(champion.champion or ""),
            policy_digest=platform.policy_of(declaration).digest,
            outcomes=due.outcomes,
            supersedes=same.seq if same else None,
        ),
        model=due.model,
        subject=due.window,
        happened_at=min(ended, clock.now()),
        key=f"failed/{due.model}/{due.state}",
    )
