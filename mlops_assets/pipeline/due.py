"""What is to be run now, read from the ledger: windows to judge, trainings to run, versions to release.

The sensors turn this into run requests, the demo runs it itself; both see the same. Every look-up is over the fleet as
a whole, so that it costs about the same for four models as for four hundred.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from mlops_assets.datasets.sources import digest_of, scan
from mlops_assets.datasets.windows import declared_windows, event_time_expr, shift, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.pipeline.verdicts import is_window_of
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.ladder import climb
from mlops_assets.release.promotion import EVIDENCE
from mlops_assets.response import retraining
from mlops_assets.scoring.outcome_content import NONE_KNOWN, outcomes_by_window

JUDGED_AGAIN = ("outcomes", "performance", "health")
"""What is run when outcomes come, or change, after a verdict: neither scores nor inputs have changed."""

Activity = Literal["training", "release", "monitoring"]
"""`training`: from rows to champion. `release`: look at the approvals again. `monitoring`: score and judge one window."""


@dataclass(frozen=True)
class Due:
    """One run that is to be started: an intent, whatever starts it.

    Attributes:
        model: name of the model.
        activity: what is to be done.
        run_key: names the cause; a runner starts one run for it.
        partition: start of the window, for `monitoring`.
        tags: of the run.
        stages: the stages of the activity that are to be run; empty: all of them.
        why: the cause in a sentence.
    """

    model: str
    activity: Activity
    run_key: str
    why: str
    partition: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What is due, and why the rest is not."""

    due: tuple[Due, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Arrived:
    """How far a source reaches: its content digest and its last event."""

    digest: str
    last: date | None


def windows_due(
    platform: Platform, now: datetime, known: Mapping[str, Arrived] | None = None
) -> tuple[Found, dict[str, Arrived]]:
    """The next window of each model that has ended, has rows (or is overdue), and has no verdict; where there is none,
    a window whose outcomes came, or were changed, after its verdict.

    One window a model at a time: a verdict needs those before it, and may change the champion of those after it. A window
    that is judged again is not scored again; its verdict is a further record, and the one before it stays.

    Args:
        platform: the project.
        now: windows that end later are not due.
        known: what was found at the last look, by source; an unchanged source is not read again.
    """
    declarations = [d for d in platform.project.declarations.values() if d.has_time]
    ledger = platform.ledger.state()
    arrived: dict[str, Arrived] = {}
    due: list[Due] = []
    waiting: list[str] = []
    for declaration in declarations:
        model = declaration.name
        state = ledger.model(model)
        if state.champion.deciding is None:
            waiting.append(f"{model}: no champion that may decide")
            continue
        name = _reach_key(declaration)
        try:
            if name not in arrived:
                arrived[name] = look(platform, declaration, (known or {}).get(name))
            done = _verdicts_of(state, declaration)
            found, reason = _next_window(declaration, arrived[name], done, state, now)
            again = None if found else _judged_again(platform, declaration, arrived[name], done, now)
        except Exception as error:  # a source that cannot be read must not keep the other models from being watched
            waiting.append(f"{model}: {error}")
            continue
        if found or again:
            due += [one for one in (found, again) if one]
        else:
            waiting.append(f"{model}: {reason}")
    return Found(tuple(due), tuple(waiting)), arrived


def _next_window(
    declaration: Declaration,
    reach: Arrived,
    done: Mapping[str, WindowVerdict],
    state: ModelState,
    now: datetime,
) -> tuple[Due | None, str]:
    """The first window that has ended and has no verdict, if it can be judged; else why it cannot."""
    model = declaration.name
    for window in declared_windows(declaration, now.date()):
        if window.end > now.date():
            break
        if window.key in done:
            continue
        if (reach.last is None or reach.last < window.start) and window.key not in state.due:
            return None, f"no rows have come for the window {window.key}"
        # Named by both ends: after a change of cadence another window may begin on the same day.
        key = f"{model}/{window.key}/{window.end.isoformat()}/{reach.digest[:12]}/v{state.champion.deciding}"
        return Due(model, "monitoring", key, f"the window {window.key} has no verdict", window.key), ""
    return None, "every window that has ended has its verdict"


def _judged_again(
    platform: Platform, declaration: Declaration, reach: Arrived, done: Mapping[str, WindowVerdict], now: datetime
) -> Due | None:
    """The first window whose outcomes are not those its verdict rests on, or have matured since."""
    model = declaration.name
    current = _outcomes(platform, declaration, reach) if done else {}
    # After a change of the cadence, verdicts on windows of another length stand.
    declared = {window.key for window in declared_windows(declaration, now.date())}
    for window in sorted(declared & done.keys()):
        verdict, content, matured = done[window], current.get(window, NONE_KNOWN), _mature_at(declaration, window)
        if matured > now:
            # What comes before it is due is not judged yet, and may come every day.
            continue
        changed = content != (verdict.outcomes or content)
        if not changed and verdict.recorded_at >= matured:
            continue
        why = "outcomes that came or were changed after its verdict" if changed else "its outcomes now"
        return Due(
            model,
            "monitoring",
            f"{model}/{window}/outcomes/{content}{'' if changed else '/matured'}/after-{verdict.seq}",
            f"the window {window} has {why}",
            window,
            stages=JUDGED_AGAIN,
        )
    return None


_OUTCOMES_READ: dict[str, tuple[tuple[str, str], dict[str, str]]] = {}
"""By model: source and declaration that were read last, and what they said of outcomes; the sensor asks every minute."""


def _outcomes(platform: Platform, declaration: Declaration, reach: Arrived) -> dict[str, str]:
    """Digest of each window's outcomes as the source has them; an unchanged source is not read again."""
    place = f"{platform.project.defs}/{declaration.name}"
    state = (reach.digest, declaration.digest)
    kept = _OUTCOMES_READ.get(place)
    if kept is None or kept[0] != state:
        kept = (state, outcomes_by_window(scan(declaration.source, platform.project.root), declaration))
        _OUTCOMES_READ[place] = kept
    return kept[1]


def trainings_due(platform: Platform, since: int) -> tuple[Found, int]:
    """Requests that are open, after policy has considered the verdicts recorded after `since`.

    Returns:
        What is due, and the number of the last verdict considered.
    """
    declarations = platform.project.declarations
    waiting: list[str] = []
    state = platform.ledger.state()
    newest = max((model.last_seq(HealthVerdict.KIND) for model in state), default=0)
    # The cursor is Dagster's: one beyond the last verdict was written by somebody who would have none considered.
    since = last = since if since <= newest else 0
    # At most ticks there is no new one, and years of them need not be read.
    for verdict in platform.ledger.of(HealthVerdict, after=since) if newest > since else ():
        last = verdict.seq
        if "retrain" not in verdict.event.action or verdict.model not in declarations:
            continue
        declaration = declarations[verdict.model]
        try:
            window = window_of_key(verdict.subject, declaration.monitoring.cadence)
        except (
            ValueError
        ) as error:  # the cadence was changed since: the fleet's other verdicts are still to be considered
            waiting.append(f"{verdict.model}: {error}")
            continue
        considered = retraining.consider(
            platform.ledger,
            platform.policy(verdict.model),
            verdict.model,
            cause=verdict.event.reasons[0],
            kind=verdict.event.kind,
            window=window.start,
            until=window.end,
            cadence=declaration.monitoring.cadence,
            happened_at=verdict.happened_at,
        )
        if not considered.requested:
            waiting.append(f"{verdict.model}: {considered.reason}")
    due = [
        Due(
            request.model,
            "training",
            f"train/{request.subject}",
            request.event.cause,
            tags={retraining.REQUEST_TAG: request.subject},
        )
        for request in retraining.open_requests(platform.ledger.state(), declarations)
        if not _trained(state.model(request.model), request.subject)
    ]
    return Found(tuple(due), tuple(waiting)), last


def releases_due(platform: Platform) -> Found:
    """Versions for which nothing is missing any more."""
    ledger, now = platform.ledger.state(), platform.ledger.clock()
    due: list[Due] = []
    waiting: list[str] = []
    for state in ledger:
        newest, declaration = state.newest_version, platform.project.declarations.get(state.name)
        if newest is None or newest.registration is None or declaration is None:
            continue
        if int(newest.version) in state.champion.promoted:
            continue
        policy = platform.policy(state.name)
        missing = _missing(ledger, policy, state, newest.version, now)
        if missing:
            waiting.append(f"{state.name} version {newest.version}: {missing}")
            continue
        request = newest.registration.event.request
        due.append(
            Due(
                state.name,
                "release",
                f"release/{state.name}/{newest.version}/{policy.digest[:12]}/{state.last_seq(*EVIDENCE)}",
                f"nothing is missing for version {newest.version}",
                tags={retraining.REQUEST_TAG: request} if request else {},
            )
        )
    return Found(tuple(due), tuple(waiting))


def look(platform: Platform, declaration: Declaration, before: Arrived | None) -> Arrived:
    """How far the source reaches now; one whose content is as before is not read again."""
    digest = digest_of(declaration.source, platform.project.root)
    if before is not None and before.digest == digest:
        return before
    assert declaration.event_time is not None
    frame = scan(declaration.source, platform.project.root, [declaration.event_time.column])
    dtype = frame.collect_schema()[declaration.event_time.column]
    last = frame.select(event_time_expr(declaration.event_time, dtype).max()).collect().item()
    return Arrived(digest, last.date() if last is not None else None)


def _reach_key(declaration: Declaration) -> str:
    """What decides how far a source reaches: models that declare it alike share one look at it."""
    assert declaration.event_time is not None
    return f"{declaration.source.model_dump_json()} {declaration.event_time.model_dump_json()}"


def _missing(ledger: LedgerState, policy: Policy, state: ModelState, version: str, now: datetime) -> str:
    """The first thing that keeps a version from promotion; empty when nothing does."""
    if state.champion.status in ("suspended", "retired"):
        return f"the model is {state.champion.status}"
    gates = standing(state, version, policy, lifts=lifts(state, policy, version, now), at=now)
    if not gates.ok:
        return "; ".join(f"gate {g.gate} is {g.state.replace('_', ' ')}" for g in gates.blocking)
    approved = approval_state(ledger, policy, state.name, version)
    if approved.status != "approved":
        missing = ", ".join(f"{count} as {role}" for role, count in approved.missing)
        return f"approvals are missing: {missing}" if approved.status == "pending" else "it was rejected"
    adopted = adoption(state, policy)
    if adopted.waiting:
        return f"the policy {policy.digest[:12]} is not in force until {' or '.join(adopted.roles)} signs it"
    step = climb(state, policy, version)
    return step.reason if step.waiting else ""


def _trained(state: ModelState, request: str) -> bool:
    """Whether a version answers the request already and waits for people or the ladder."""
    return any(
        version.card is not None and version.registration is not None and version.registration.event.request == request
        for version in state.versions.values()
    )


def _mature_at(declaration: Declaration, window: str) -> datetime:
    """When the last of the window's outcomes is due."""
    end, matures = window_of_key(window, declaration.monitoring.cadence).end, declaration.target.matures_after
    due = shift(end, matures) if matures else end
    return datetime(due.year, due.month, due.day, tzinfo=UTC)


def _verdicts_of(state: ModelState, declaration: Declaration) -> dict[str, WindowVerdict]:
    """By start, the last verdict on each window as long as the model's windows are now."""
    cadence = declaration.monitoring.cadence
    return {v.window: v for v in state.verdicts.values() if is_window_of(v.window, v.window_end, cadence)}
