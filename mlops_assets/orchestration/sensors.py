"""The sensors of the fleet: few, and none for a single model.

`arrivals` starts a window when its data has come, `retraining` answers verdicts as policy says, `release` promotes what
lacks nothing any more, `incidents` finds what was changed behind the ledger's back and tells people. What is due is read
in `pipeline/due.py`; here it becomes run requests. Every path ends in one, or in the reason why not.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.assets import MODEL_TAG, asset_key
from mlops_assets.orchestration.jobs import job_name
from mlops_assets.orchestration.resource import PlatformResource

if TYPE_CHECKING:
    from mlops_assets.pipeline.due import Found

WAITING_SHOWN = 20
MOST_ATTEMPTS = 3
"""Runs for one cause, when those before it failed."""
PAUSE = 300.0
"""Seconds after a failed run until its cause is asked for again; Dagster's own retry of a crash comes before."""
RUN_KEY = "dagster/run_key"


def sensors(declarations: Sequence[Declaration], jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """The sensors over these models; `jobs` by name, as the models' components made them."""
    names = [d.name for d in declarations]
    timed = [d.name for d in declarations if d.has_time]
    found = [incidents]
    if names:
        found.append(_retraining([jobs[job_name(name, "training")] for name in names]))
        found.append(_release([jobs[job_name(name, "release")] for name in names]))
    if timed:
        found.append(_arrivals([jobs[job_name(name, "monitoring")] for name in timed]))
    return found


def _arrivals(jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the next window of each model when it has ended and its rows have come.",
    )
    def arrivals(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.due import Arrived, windows_due

        stored = json.loads(context.cursor) if context.cursor else {}
        known = {k: Arrived(d, date.fromisoformat(day) if day else None) for k, (d, day) in stored.items()}
        found, arrived = windows_due(platform.open(), datetime.now(UTC), known)
        cursor = json.dumps({k: [a.digest, a.last.isoformat() if a.last else None] for k, a in arrived.items()})
        return _result(context.instance, found, cursor)

    return arrivals


def _retraining(jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="retraining",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Considers new verdicts under the policy and starts the training of every open request.",
    )
    def retraining(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.due import trainings_due

        found, last = trainings_due(platform.open(), int(context.cursor or 0))
        return _result(context.instance, found, str(last))

    return retraining


def _release(jobs: Sequence[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="release",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Promotes a version when gates, approvals and the ladder leave nothing missing.",
    )
    def release(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        from mlops_assets.pipeline.due import releases_due

        return _result(context.instance, releases_due(platform.open()), context.cursor or "")

    return release


@dg.sensor(
    name="incidents",
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares the registry with the ledger, puts back what was changed outside it, and tells people.",
)
def incidents(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """Reconcile and notify; no run is ever asked for."""
    from mlops_assets.pipeline.watch import watch

    seen, said = watch(platform.open(), int(context.cursor or 0))
    context.update_cursor(str(seen))
    return dg.SkipReason(said)


def _result(instance: dg.DagsterInstance, found: "Found", cursor: str) -> dg.SensorResult | dg.SkipReason:
    waiting = list(found.waiting)
    requests = list(requests_of(instance, found, waiting))
    said = "; ".join(waiting[:WAITING_SHOWN]) or "nothing is due"
    return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=None if requests else dg.SkipReason(said))


def requests_of(instance: dg.DagsterInstance, found: "Found", waiting: list[str]) -> Iterator[dg.RunRequest]:
    """What is due, as run requests; what has failed too often is told in `waiting`."""
    for due in found.due:
        key = attempt(instance, due.run_key, time.time())
        if key is None:
            waiting.insert(
                0, f"{due.model}: {due.why}, but its run has failed {MOST_ATTEMPTS} times; see it in Dagster"
            )
            continue
        yield dg.RunRequest(
            run_key=key,
            job_name=job_name(due.model, due.activity),
            partition_key=due.partition,
            asset_selection=[asset_key(due.model, stage) for stage in due.stages] or None,
            tags={**due.tags, MODEL_TAG: due.model, "mlops/why": due.why[:250]},
        )


def attempt(instance: dg.DagsterInstance, cause: str, now: float) -> str | None:
    """The key to ask for a run with; None where it has failed too often.

    Dagster starts one run a key, ever, so a cause whose run failed would wait for ever: what is due is read from the
    ledger, and a run that failed has recorded nothing. A run that somebody cancelled is left alone.

    Args:
        instance: whose runs are looked at.
        cause: key that names it.
        now: seconds since the epoch.
    """
    key = cause
    for number in range(1, MOST_ATTEMPTS + 1):
        runs = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY: key}))
        if not runs or any(r.dagster_run.status is not dg.DagsterRunStatus.FAILURE for r in runs):
            return key
        if now < max(r.end_time or now for r in runs) + PAUSE:
            return key
        key = f"{cause}/again-{number}"
    return None
