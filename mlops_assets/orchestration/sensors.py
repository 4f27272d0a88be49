"""The sensors of the fleet: few, and none for a single model.

`arrivals` starts a window when its data has come, `retraining` answers verdicts as policy allows, `release` promotes a version
for which nothing is missing, `watch` starts the job that compares the registry with the ledger and notifies people. What is due
is an intent (`pipeline/due.py`); here it becomes a run request with job, key and tags. Every path ends in run requests, or in
the reason why there are none.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets import clock
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.assets import MODEL_TAG, asset_key
from mlops_assets.orchestration.jobs import job_name
from mlops_assets.orchestration.resource import PlatformResource
from mlops_assets.orchestration.watching import WATCH_JOB, last_watched
from mlops_assets.pipeline.due import Due, Found

if TYPE_CHECKING:
    from mlops_assets.platform import Platform

WAITING_SHOWN = 20
PAUSE = timedelta(minutes=5)
"""After a failed run until its cause is asked for again; Dagster's own retry of a crash comes before."""
TICK_SECONDS = 2 if clock.simulated() else 30
"""As often as Dagster's daemon looks at sensors: a model's windows of the past are judged one after the other, one a tick. Under a simulated clock the daemon looks as
often as it can, because seconds of the machine are days there."""
WATCH_SECONDS = 2 if clock.simulated() else 60
"""Between two looks at whether there is anything to watch; with the start of the run it is noticed within two minutes."""
RUN_KEY = "dagster/run_key"
WHY_TAG = "mlops/why"


def model_sensors(declarations: Sequence[Declaration], jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """The sensors that start runs of these models; `jobs` by name, as the models' components made them.

    A sensor looks at the models that these definitions have jobs for: one that was declared since has none yet.
    """
    names = frozenset(d.name for d in declarations)
    timed = frozenset(d.name for d in declarations if d.has_time)
    found: list[dg.SensorDefinition] = []
    if names:
        found.append(_retraining(names, [jobs[job_name(name, "training")] for name in sorted(names)]))
        found.append(_release(names, [jobs[job_name(name, "release")] for name in sorted(names)]))
    if timed:
        found.append(_arrivals(timed, [jobs[job_name(name, "monitoring")] for name in sorted(timed)]))
    return found


def _arrivals(models: Collection[str], jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        jobs=jobs,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the next window of each model when it has ended and its rows have come.",
    )
    def arrivals(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.windows_due import Arrived, windows_due

        stored = json.loads(context.cursor) if context.cursor else {}
        known = {k: Arrived(d, date.fromisoformat(day) if day else None) for k, (d, day) in stored.items()}
        opened = platform.at_a_tick()
        found, arrived = windows_due(opened, clock.now(), known, models)
        cursor = json.dumps({k: [a.digest, a.last.isoformat() if a.last else None] for k, a in arrived.items()})
        return _result(context.instance, opened, found, cursor)

    return arrivals


def _retraining(models: Collection[str], jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="retraining",
        jobs=jobs,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Considers new verdicts under the policy and starts the training of every open request.",
    )
    def retraining(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.trainings_due import trainings_due

        opened = platform.at_a_tick()
        found, last = trainings_due(opened, int(context.cursor or 0), models)
        return _result(context.instance, opened, found, str(last))

    return retraining


def _release(models: Collection[str], jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="release",
        jobs=jobs,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Promotes a version when gates, approvals and the ladder leave nothing missing.",
    )
    def release(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.releases_due import releases_due

        opened = platform.at_a_tick()
        return _result(context.instance, opened, releases_due(opened, models), context.cursor or "")

    return release


@dg.sensor(
    name="watch",
    job_name=WATCH_JOB,
    minimum_interval_seconds=WATCH_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks whether the registry differs from the ledger, a date has passed or a record is new, and starts the "
    "job that acts on it.",
)
def watch(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.RunRequest | dg.SkipReason:
    """A look that changes nothing; a run only where there is something to do."""
    from mlops_assets.pipeline.watch import reason_to_watch

    before = last_watched(context.instance)
    if before is None:
        return dg.RunRequest(run_key=_watch_key("first", "", clock.now()), tags={WHY_TAG: "the first look"})
    reason = reason_to_watch(platform.at_a_tick(), before.record)
    if reason is None:
        return dg.SkipReason("the registry agrees with the ledger, no date has passed, and no record is new")
    key = _watch_key(before.run_id if reason.again else "", reason.text, clock.now())
    return dg.RunRequest(run_key=key, tags={WHY_TAG: reason.text[:250]})


def _watch_key(run_id: str, reason: str, now: datetime) -> str:
    """One run for a reason after each run that succeeded, and otherwise one each hour."""
    import hashlib

    return f"watch/{run_id}/{hashlib.sha256(reason.encode()).hexdigest()[:16]}/{int(now.timestamp() // 3600)}"


def _result(
    instance: dg.DagsterInstance, platform: "Platform", found: Found, cursor: str
) -> dg.SensorResult | dg.SkipReason:
    waiting = list(found.waiting)
    requests = list(requests_of(instance, platform, found, waiting))
    text = "; ".join(waiting[:WAITING_SHOWN]) or "nothing is due"
    return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=None if requests else dg.SkipReason(text))


def requests_of(
    instance: dg.DagsterInstance, platform: "Platform", found: Found, waiting: list[str]
) -> Iterator[dg.RunRequest]:
    """What is due, as run requests; what has failed too often is given up, and added to `waiting`."""
    from mlops_assets.pipeline.failures import give_up

    for due in found.due:
        asked = attempt(instance, run_key(due), clock.now())
        if isinstance(asked, Exhausted):
            incident = give_up(platform, due, asked.reason)
            waiting.insert(0, f"{due.model}: {due.why}, but its run failed too often; close incident {incident.id}")
            continue
        yield request_of(due, asked)


def run_key(due: Due) -> str:
    """Names the state that asks for a run, for ever."""
    return f"{due.activity}/{due.model}/{due.state}"


def request_of(due: Due, key: str) -> dg.RunRequest:
    """The run request of an intent."""
    return dg.RunRequest(
        run_key=key,
        job_name=job_name(due.model, due.activity),
        partition_key=due.window,
        asset_selection=[asset_key(due.model, stage) for stage in due.stages] or None,
        tags={**run_tags(due), WHY_TAG: due.why[:250]},
    )


def run_tags(due: Due) -> dict[str, str]:
    """Tags of the run of an intent."""
    from mlops_assets.response.retraining import REQUEST_TAG

    return {MODEL_TAG: due.model, **({REQUEST_TAG: due.request} if due.request else {})}


class Exhausted:
    """A cause whose runs have failed too often.

    Attributes:
        reason: of the last failure.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason


def attempt(instance: dg.DagsterInstance, cause: str, now: datetime) -> str | Exhausted:
    """The key to ask for a run with, or that the cause has failed too often.

    Dagster starts one run a key, ever, so a cause whose run failed would wait for ever: what is due is read from the
    ledger, and a run that failed has recorded nothing. A run that somebody cancelled is left alone.

    Args:
        instance: whose runs are looked at.
        cause: key that names it.
        now: the time, by the clock that dates the ledger.
    """
    from mlops_assets.pipeline.failures import MOST_ATTEMPTS

    key, last = cause, ""
    for number in range(1, MOST_ATTEMPTS + 1):
        runs = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY: key}))
        if not runs or any(r.dagster_run.status is not dg.DagsterRunStatus.FAILURE for r in runs):
            return key
        # Dagster dates its runs by the machine's clock.
        if now < max(clock.at(r.end_time) if r.end_time else now for r in runs) + PAUSE:
            return key
        last = runs[0].dagster_run.run_id
        key = f"{cause}/again-{number}"
    return Exhausted(failure_of(instance, last))


def failure_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed: the innermost error of its first failed step."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = record.dagster_event
        if event is None or event.step_failure_data.error is None:
            continue
        error = event.step_failure_data.error
        while error.cause is not None:
            error = error.cause
        return error.message.strip()
    return ""
