"""Which window of each model is to be scored and judged next, and which is to be judged again.

Every look-up is over the fleet as a whole, so that it costs about the same for four models as for four hundred.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache

import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.delivered import content_digest
from mlops_assets.datasets.event_times import AHEAD
from mlops_assets.datasets.internal_columns import EVENT_TIME
from mlops_assets.datasets.windows import Window, declared_windows, first_day, shift, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.state.model import ModelState, WindowVerdict
from mlops_assets.pipeline.due import Due, Found, failure_cause, last_closed, open_failure
from mlops_assets.pipeline.stages.delivery import Delivery, delivery
from mlops_assets.pipeline.stages.late_rows import notice_late_rows
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.platform import Platform
from mlops_assets.scoring.outcome_content import NONE_KNOWN

JUDGED_AGAIN = ("outcomes", "performance", "health")
"""What is run when outcomes come, or change, after a verdict: neither scores nor inputs have changed."""


@dataclass(frozen=True)
class Arrived:
    """How far a source reaches: its content digest and its last event."""

    digest: str
    last: date | None


def windows_due(
    platform: Platform,
    now: datetime,
    known: Mapping[str, Arrived] | None = None,
    models: Collection[str] | None = None,
) -> tuple[Found, dict[str, Arrived]]:
    """The next window of each model that has ended, has rows (or is overdue), and has no verdict; where there is none, a window
    that was judged before its rows came, or one whose outcomes came, or were changed, after its verdict.

    One window a model at a time: a verdict needs those before it, and may change the champion of those after it. A window
    that is judged again is not scored again; its verdict is a further record, and the one before it stays. So is one whose
    verdict blames a file that could not be read, once it was mended or removed. Rows that came for
    a window after it was scored open an incident here, where their share is above the policy's.

    Args:
        platform: the project.
        now: windows that end later are not due.
        known: what was found at the last look, by source; an unchanged source is not read again.
        models: look at these only; None: at every model.
    """
    state = platform.ledger.state()
    arrived: dict[str, Arrived] = {}
    due: list[Due] = []
    waiting: list[str] = []
    for declared in platform.project.declarations.values():
        if not declared.has_time or (models is not None and declared.name not in models):
            continue
        name, model = declared.name, state.model(declared.name)
        if model.champion.deciding is None:
            waiting.append(f"{name}: no champion that may decide")
            continue
        try:
            found, reason = _of_model(platform, declared, model, now, known or {}, arrived)
        except Exception as error:  # a source that cannot be read must not keep the other models from being watched
            waiting.append(f"{name}: {error}")
            continue
        if found is not None:
            due.append(found)
        else:
            waiting.append(f"{name}: {reason}")
    return Found(tuple(due), tuple(waiting)), arrived


@dataclass(frozen=True)
class _Looked:
    """What the last look at a model rested on, and what came of it: where nothing of it is new, it comes of it again.

    A `ModelState` is never changed, but replaced by another one, and so is a declaration.
    """

    model: ModelState
    declared: Declaration
    made: Declaration
    source: str
    digest: str = ""
    day: date | None = None
    found: Due | None = None
    reason: str = ""


_LOOKED: dict[str, _Looked] = {}
"""By project and model; most ticks find nothing new about most models."""


def _of_model(
    platform: Platform,
    declared: Declaration,
    model: ModelState,
    now: datetime,
    known: Mapping[str, Arrived],
    arrived: dict[str, Arrived],
) -> tuple[Due | None, str]:
    """What is due for one model, or why nothing is; adds what its source holds to `arrived`."""
    place = f"{platform.project.defs}/{declared.name}"
    last = _LOOKED.get(place)
    if last is None or last.model is not model or last.declared is not declared:
        made = _as_made(model, declared)
        last = _Looked(model, declared, made, _reach_key(made))
    source, made = last.source, last.made
    # A look at how far it reaches, one at its outcomes and one at late rows share what opening it costs.
    opened = cache(lambda: delivery(made, platform.project.root))
    if source not in arrived:
        digest, before = content_digest(made, platform.project.root), known.get(source)
        # A source whose content is as before is not read again.
        arrived[source] = before if before and before.digest == digest else Arrived(digest, last_event(opened()))
    reach = arrived[source]
    # Windows end, and outcomes are due, at midnight in UTC.
    if (last.digest, last.day) != (reach.digest, now.date()):
        found, reason = _next_window(declared, reach, model, now)
        if found is None:
            found = _scored_without_rows(made, reach, model, now, opened)
        if found is None:
            found = _file_mended(platform, made, model, now, opened)
        if found is None:
            found = _judged_again(platform, made, reach, model, now, opened)
            # The run of a window that is due counts late rows itself.
            notice_late_rows(platform, made, reach.digest, model, opened)
        last = replace(last, digest=reach.digest, day=now.date(), found=found, reason=reason)
        _LOOKED[place] = last
    return last.found, last.reason


def _as_made(model: ModelState, declared: Declaration) -> Declaration:
    """The declaration that the deciding version was made under."""
    registration = model.version(model.champion.deciding or 0).registration
    return declared_with(registration, declared) if registration is not None else declared


def verdict_on(model: ModelState, window: Window) -> WindowVerdict | None:
    """The last verdict on a window of that length."""
    return model.verdicts.get(f"{window.key}/{window.end.isoformat()}")


def trainable_until(declared: Declaration, model: ModelState, today: date) -> date:
    """Until when rows may train a version: to before the first window without a verdict, because that version will be judged on
    the rows of that window; today where the model has no windows."""
    first = declared.training.until or today
    for window in declared_windows(declared, today):
        if verdict_on(model, window) is None:
            return min(max(first_day(declared, window), first), today)
        first = max(first, window.end)
    return min(first, today)


def _next_window(declared: Declaration, reach: Arrived, model: ModelState, now: datetime) -> tuple[Due | None, str]:
    """The first window that has ended and has no verdict, if it can be judged; else why it cannot."""
    for window in declared_windows(declared, now.date()):
        if window.end > now.date():
            break
        verdict, cause = verdict_on(model, window), failure_cause("monitoring", window.key)
        closed = last_closed(model, cause)
        # A window whose run failed too often has a verdict that it cannot be measured; closing the incident asks again.
        if (verdict is not None and closed < verdict.seq) or open_failure(model, cause):
            continue
        if (reach.last is None or reach.last < window.start) and window.key not in model.due:
            return None, f"no rows have come for the window {window.key}"
        # Named by both ends: after a change of cadence another window may begin on the same day.
        state = (
            f"{window.key}/{window.end.isoformat()}/{reach.digest[:12]}/{declared.digest[:12]}/"
            f"champion-{model.champion.seq}/closed-{closed}"
        )
        return Due(declared.name, "monitoring", f"the window {window.key} has no verdict", state, window.key), ""
    return None, "every window that has ended has its verdict"


def _scored_without_rows(
    declaration: Declaration, reach: Arrived, model: ModelState, now: datetime, opened: Callable[[], Delivery]
) -> Due | None:
    """The first window that was judged when no row of it had come, and of which there are rows now.

    Nothing was decided in it yet, so that it is scored as if it had just ended; of a window of which some rows had come, it is a
    person's decision to score the others.
    """
    for window in declared_windows(declaration, now.date()):
        scored, verdict = model.scored.get(window.key), verdict_on(model, window)
        if scored is None or verdict is None or scored.rows + scored.quarantined:
            continue
        if open_failure(model, failure_cause("monitoring", window.key)) or window.key not in opened().contents.ids:
            continue
        return Due(
            declaration.name,
            "monitoring",
            f"rows have come for the window {window.key}, which was judged without any",
            f"{window.key}/rows/{reach.digest[:12]}/after-{verdict.seq}",
            window.key,
        )
    return None


def _file_mended(
    platform: Platform, declaration: Declaration, model: ModelState, now: datetime, opened: Callable[[], Delivery]
) -> Due | None:
    """The first window whose verdict blames files that could not be read and that were all mended or removed since.

    It is not scored again: rows of a mended file that belong to it are late rows, which are counted as such.
    """
    for window in declared_windows(declaration, now.date()):
        scored, verdict = model.scored.get(window.key), verdict_on(model, window)
        if scored is None or verdict is None or not scored.problems:
            continue
        if set(scored.problems) & set(opened().source.problems) or not _blames(platform, verdict, scored.problems):
            continue
        if open_failure(model, failure_cause("monitoring", window.key)):
            continue
        return Due(
            declaration.name,
            "monitoring",
            f"the files that could not be read when the window {window.key} was scored were mended or removed",
            f"{window.key}/mended/after-{verdict.seq}",
            window.key,
            stages=JUDGED_AGAIN,
            outcomes=verdict.outcomes,
        )
    return None


def _blames(platform: Platform, verdict: WindowVerdict, problems: Collection[str]) -> bool:
    """Whether a verdict names one of these files."""
    record = platform.ledger.get(verdict.seq)
    said = str(record.body) if record is not None else ""
    return any(problem.split(": cannot be read")[0] in said for problem in problems)


def _judged_again(
    platform: Platform,
    declaration: Declaration,
    reach: Arrived,
    model: ModelState,
    now: datetime,
    opened: Callable[[], Delivery],
) -> Due | None:
    """The first window whose outcomes are not those its verdict rests on, or have matured since."""
    # After a change of the cadence, verdicts on windows of another length stay as they are.
    windows = [w for w in declared_windows(declaration, now.date()) if w.key not in model.removed_windows]
    verdicts = {w.key: v for w in windows if (v := verdict_on(model, w))}
    current = _outcomes(platform, declaration, reach, opened) if verdicts else {}
    for window, verdict in sorted(verdicts.items()):
        content, mature = current.get(window, NONE_KNOWN), mature_at(declaration, window)
        if mature > now or window not in model.scored or open_failure(model, failure_cause("monitoring", window)):
            # What comes before it is due is not judged yet, and may come every day.
            continue
        changed = content != verdict.outcomes
        if not changed and verdict.recorded_at >= mature:
            continue
        why = "outcomes that came or were changed after its verdict" if changed else "all of its outcomes now"
        return Due(
            declaration.name,
            "monitoring",
            f"the window {window} has {why}",
            f"{window}/outcomes/{content}{'' if changed else '/matured'}/after-{verdict.seq}",
            window,
            stages=JUDGED_AGAIN,
            outcomes=content,
        )
    return None


_OUTCOMES_READ: dict[str, tuple[tuple[str, str], dict[str, str]]] = {}
"""By model: source and declaration that were read last, and the outcomes found; the sensor looks every minute."""


def _outcomes(
    platform: Platform, declaration: Declaration, reach: Arrived, opened: Callable[[], Delivery]
) -> dict[str, str]:
    """Digest of each window's outcomes as the source has them; an unchanged source is not read again."""
    place = f"{platform.project.defs}/{declaration.name}"
    state = (reach.digest, declaration.digest)
    kept = _OUTCOMES_READ.get(place)
    if kept is None or kept[0] != state:
        kept = (state, opened().contents.outcomes)
        _OUTCOMES_READ[place] = kept
    return kept[1]


def last_event(opened: Delivery) -> date | None:
    """The day of a source's last event; None where no row has a time."""
    # A time that was mistyped into the next century does not show how far the rows reach.
    latest = clock.now().replace(tzinfo=None) + AHEAD
    times = opened.source.rows.select(pl.col(EVENT_TIME).filter(pl.col(EVENT_TIME) <= latest).max())
    last = times.collect(engine="streaming").item()
    return last.date() if last is not None else None


def _reach_key(declaration: Declaration) -> str:
    """What decides how far a source reaches: models that declare it alike share one look at it."""
    assert declaration.event_time is not None
    if declaration.outcomes is not None:
        # Which row an outcome belongs to is declared by each model.
        return f"{declaration.name} {declaration.digest}"
    return f"{declaration.source.model_dump_json()} {declaration.event_time.model_dump_json()}"


def mature_at(declaration: Declaration, window: str) -> datetime:
    """When the last of the window's outcomes is due."""
    end, matures = window_of_key(window, declaration.monitoring.cadence).end, declaration.target.matures_after
    due = shift(end, matures) if matures else end
    return datetime(due.year, due.month, due.day, tzinfo=UTC)
