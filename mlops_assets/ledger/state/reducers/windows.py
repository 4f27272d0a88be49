"""What events of a monitoring window change: due, scored, judged."""

from dataclasses import replace

from mlops_assets.ledger.events import windows
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.reducers.common import with_version
from mlops_assets.ledger.state.versions import Beside, LadderTest
from mlops_assets.ledger.state.windows import Scored, WindowVerdict


def window_due(model: ModelState, record: Record[windows.WindowDue], _: FoldContext) -> ModelState:
    """A window that the calendar marked."""
    return replace(model, due={**model.due, record.subject: record.event.ended})


def window_scored(model: ModelState, record: Record[windows.WindowScored], _: FoldContext) -> ModelState:
    """The last scoring of a window, and what it counts for on the ladder."""
    event, window = record.event, record.subject
    share = float(event.canary_share or 0.0)
    last = Scored(
        window,
        event.version,
        event.challenger,
        share,
        event.rows,
        event.quarantined,
        record.seq,
        record.recorded_at,
        ids=event.ids,
        problems=event.problems,
    )
    model = replace(model, scored={**model.scored, window: last})
    if event.challenger is None or event.rows == 0:
        return model
    beside = model.version(event.challenger)
    decided = event.challenger_rows if event.challenger_rows is not None else round(share * event.rows)
    before = beside.scored_beside.get(window, Beside(0.0, 0, 0, record.seq))
    found = Beside(max(share, before.share), max(event.rows, before.rows), max(decided, before.decided), before.seq)
    return with_version(model, replace(beside, scored_beside={**beside.scored_beside, window: found}))


def ladder_tested(model: ModelState, record: Record[windows.LadderTested], _: FoldContext) -> ModelState:
    """The last test of a challenger on a window."""
    event = record.event
    version = model.version(record.subject)
    test = LadderTest(event.window.isoformat(), event.champion, event.outcome, event.tests, record.seq)
    return with_version(model, replace(version, ladder_tests={**version.ladder_tests, test.window: test}))


def health_verdict(model: ModelState, record: Record[windows.HealthVerdict], _: FoldContext) -> ModelState:
    """The last verdict on a window."""
    event = record.event
    fleet = event.fleet or {}
    key = f"{record.subject}/{event.window_end.isoformat()}"
    before = model.verdicts.get(key)
    arrived = before.arrived if before is not None and before.version == event.version else None
    if arrived is None and event.accumulates is not None and event.accumulates.of_outcomes:
        arrived = record.seq
    verdict = WindowVerdict(
        window=record.subject,
        window_end=event.window_end,
        severity=event.severity,
        kind=event.kind,
        reasons=event.reasons,
        causes=tuple(cause.kind for cause in event.causes),
        columns=event.columns,
        action=event.action,
        raw=event.raw,
        alarm_rules=event.alarm_rules,
        version=event.version,
        policy_digest=event.policy_digest,
        outcomes=event.outcomes,
        p_value=fleet.get("p_value"),
        happened_at=record.happened_at,
        recorded_at=record.recorded_at,
        seq=record.seq,
        evidence=event.accumulates.model_dump_json() if event.accumulates is not None else None,
        arrived=arrived,
    )
    return replace(model, verdicts={**model.verdicts, key: verdict})
