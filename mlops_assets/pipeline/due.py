"""What is to be run now, read from the ledger: windows to judge, trainings to run, versions to release.

The sensors turn this into run requests, the demo runs it itself; both see the same. Every look-up is over the fleet as
a whole, so that it costs about the same for four models as for four hundred.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from mlops_assets.datasets.sources import digest_of, scan
from mlops_assets.datasets.windows import declared_windows, event_time_expr, shift, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.adoption import KIND as ADOPTED
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import KINDS as FINDINGS
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.ledger_ahead import LedgerAhead
from mlops_assets.ledger.people import KINDS as PEOPLE
from mlops_assets.pipeline.verdicts import VERDICT, is_verdict_of
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import KINDS as CHAMPION_KINDS
from mlops_assets.release.champion import ChampionState, champion_state_of
from mlops_assets.release.ladder import climb
from mlops_assets.response import retraining
from mlops_assets.scoring.outcome_content import NONE_KNOWN, outcomes_by_window

JUDGED_AGAIN = ("outcomes", "performance", "health")
"""What is run when outcomes come, or change, after a verdict: neither scores nor inputs have changed."""
WINDOW_DUE = "window_due"
ASKED_OF_WAITING = (
    "version_registered", "card_issued", "approval", "exception_granted", "exception_withdrawn", ADOPTED,
    *PEOPLE, *FINDINGS, *CHAMPION_KINDS,
)  # fmt: skip
"""Kinds of records that are read once for all versions that wait; decisions of gates, and windows, are too many."""


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
    verdicts = _latest_by_window(platform.ledger.records(kind=VERDICT), declarations)
    overdue = {(r.model, r.subject) for r in platform.ledger.records(kind=WINDOW_DUE)}
    champion_states = _champion_states(platform.ledger)
    arrived: dict[str, Arrived] = {}
    due: list[Due] = []
    waiting: list[str] = []
    for declaration in declarations:
        model = declaration.name
        champion_state = champion_states.get(model)
        if champion_state is None or champion_state.deciding is None:
            waiting.append(f"{model}: no champion that may decide")
            continue
        name = _reach_key(declaration)
        try:
            if name not in arrived:
                arrived[name] = look(platform, declaration, (known or {}).get(name))
            found, reason = _next_window(
                declaration, arrived[name], verdicts.get(model, {}), overdue, now, champion_state
            )
            again = None if found else _judged_again(platform, declaration, arrived[name], verdicts.get(model, {}), now)
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
    done: Mapping[str, Record],
    overdue: set[tuple[str, str]],
    now: datetime,
    champion_state: ChampionState,
) -> tuple[Due | None, str]:
    """The first window that has ended and has no verdict, if it can be judged; else why it cannot."""
    model = declaration.name
    for window in declared_windows(declaration, now.date()):
        if window.end > now.date():
            break
        if window.key in done:
            continue
        if (reach.last is None or reach.last < window.start) and (model, window.key) not in overdue:
            return None, f"no rows have come for the window {window.key}"
        # Named by both ends: after a change of cadence another window may begin on the same day.
        key = f"{model}/{window.key}/{window.end.isoformat()}/{reach.digest[:12]}/v{champion_state.deciding}"
        return Due(model, "monitoring", key, f"the window {window.key} has no verdict", window.key), ""
    return None, "every window that has ended has its verdict"


def _judged_again(
    platform: Platform, declaration: Declaration, reach: Arrived, done: Mapping[str, Record], now: datetime
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
        # Verdicts from before this was recorded say nothing of it.
        changed = content != verdict.body.get("outcomes", content)
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
    newest = platform.ledger.latest(VERDICT)
    # The cursor is Dagster's: one beyond the last verdict was written by somebody who would have none considered.
    since = last = since if newest is not None and since <= newest.seq else 0
    # At most ticks there is no new one, and years of them need not be read.
    for verdict in platform.ledger.records(kind=VERDICT) if newest and newest.seq > since else ():
        if verdict.seq <= since:
            continue
        last = verdict.seq
        if "retrain" not in verdict.body["action"] or verdict.model not in declarations:
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
            cause=verdict.body["reasons"][0],
            kind=verdict.body["kind"],
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
            str(request.body["cause"]),
            tags={retraining.REQUEST_TAG: request.subject},
        )
        for request in retraining.open_requests(platform.ledger, declarations)
        if not _trained(platform, request)
    ]
    return Found(tuple(due), tuple(waiting)), last


def releases_due(platform: Platform) -> Found:
    """Versions for which nothing is missing any more."""
    ledger = LedgerAhead(platform.ledger, ASKED_OF_WAITING)
    champion_states = _champion_states(ledger)
    newest: dict[str, Record] = {}
    for record in ledger.records(kind="version_registered"):
        newest[record.model] = record
    due: list[Due] = []
    waiting: list[str] = []
    for model, registration in newest.items():
        declaration = platform.project.declarations.get(model)
        champion_state = champion_states.get(model)
        version = int(registration.subject)
        if declaration is None or (champion_state is not None and version in champion_state.promoted):
            continue
        policy = platform.policy(model)
        missing = _missing(ledger, policy, declaration.name, registration)
        if missing:
            waiting.append(f"{model} version {version}: {missing}")
            continue
        head = ledger.latest(
            ("approval", "exception_granted", "gate_decision", "finding_closed", "window_scored", "policy_adopted"),
            model=model,
        )
        due.append(
            Due(
                model,
                "release",
                f"release/{model}/{version}/{policy.digest[:12]}/{head.seq if head else 0}",
                f"version {version} lacks nothing",
                tags={retraining.REQUEST_TAG: registration.body["request"]} if registration.body["request"] else {},
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


def _missing(ledger: Ledger, policy: Policy, model: str, registration: Record) -> str:
    """The first thing that keeps a version from promotion; empty when nothing does."""
    gates = standing(
        ledger, model, registration.subject, policy, lifts=lifts(ledger, policy, model, registration.subject)
    )
    if not gates.ok:
        return "; ".join(f"gate {g.gate} is {g.state.replace('_', ' ')}" for g in gates.blocking)
    approved = approval_state(ledger, policy, model, registration.subject)
    if approved.status != "approved":
        lacking = ", ".join(f"{count} as {role}" for role, count in approved.missing)
        return f"approvals are missing: {lacking}" if approved.status == "pending" else "it was rejected"
    adopted = adoption(ledger, model, policy)
    if adopted.waiting:
        return f"the policy {policy.digest[:12]} is not in force until {' or '.join(adopted.roles)} signs it"
    step = climb(ledger, policy, model, int(registration.subject))
    return step.reason if step.waiting else ""


def _trained(platform: Platform, request: Record) -> bool:
    """Whether a version answers the request already and waits for people or the ladder."""
    made = platform.ledger.records(kind="version_registered", model=request.model)
    answered = [r for r in made if r.body["request"] == request.subject]
    return any(platform.ledger.latest("card_issued", model=r.model, subject=r.subject) for r in answered)


def _mature_at(declaration: Declaration, window: str) -> datetime:
    """When the last of the window's outcomes is due."""
    end, matures = window_of_key(window, declaration.monitoring.cadence).end, declaration.target.matures_after
    due = shift(end, matures) if matures else end
    return datetime(due.year, due.month, due.day, tzinfo=UTC)


def _latest_by_window(records: Iterable[Record], declarations: Iterable[Declaration]) -> dict[str, dict[str, Record]]:
    """By model and start, the last verdict on a window as long as the model's windows are now."""
    cadences = {d.name: d.monitoring.cadence for d in declarations}
    found: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in records:
        if record.model in cadences and is_verdict_of(record, cadences[record.model]):
            found[record.model][record.subject] = record
    return found


def _champion_states(ledger: Ledger) -> dict[str, ChampionState]:
    by_model: dict[str, list[Record]] = defaultdict(list)
    for record in ledger.records(kind=CHAMPION_KINDS):
        by_model[record.model].append(record)
    return {model: champion_state_of(model, records) for model, records in by_model.items()}
