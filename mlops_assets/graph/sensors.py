"""The sensors of the fleet: few, and none for a single model.

`arrivals` starts a window when its data has come, `retraining` answers verdicts as policy says, `release` promotes what
lacks nothing any more, `incidents` finds what was changed behind the ledger's back and tells people. What is due is read
in `graph/due.py`; here it becomes run requests. Every path ends in one, or in the reason why not.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.declaration import Declaration
from mlops_assets.graph.assets import MODEL_TAG, asset_key
from mlops_assets.graph.jobs import monitoring_job_name, release_job_name, training_job_name
from mlops_assets.graph.resource import PlatformResource

if TYPE_CHECKING:
    from mlops_assets.graph.due import Found

WAITING_SHOWN = 20


def sensors(declarations: Sequence[Declaration], jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """The sensors over these models; `jobs` by name, as the models' components made them."""
    names = [d.name for d in declarations]
    timed = [d.name for d in declarations if d.has_time]
    found = [incidents]
    if names:
        found.append(_retraining([jobs[training_job_name(name)] for name in names]))
        found.append(_release([jobs[release_job_name(name)] for name in names]))
    if timed:
        found.append(_arrivals([jobs[monitoring_job_name(name)] for name in timed]))
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
        from mlops_assets.graph.due import Arrived, windows_due

        stored = json.loads(context.cursor) if context.cursor else {}
        known = {k: Arrived(d, date.fromisoformat(day) if day else None) for k, (d, day) in stored.items()}
        found, arrived = windows_due(platform.open(), datetime.now(UTC), known)
        cursor = json.dumps({k: [a.digest, a.last.isoformat() if a.last else None] for k, a in arrived.items()})
        return _result(found, cursor)

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
        from mlops_assets.graph.due import trainings_due

        found, last = trainings_due(platform.open(), int(context.cursor or 0))
        return _result(found, str(last))

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
        from mlops_assets.graph.due import releases_due

        return _result(releases_due(platform.open()), context.cursor or "")

    return release


@dg.sensor(
    name="incidents",
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares the registry with the ledger, puts back what was changed outside it, and tells people.",
)
def incidents(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """Reconcile and notify; no run is ever asked for."""
    from mlops_assets.graph.watch import watch

    seen, said = watch(platform.open(), int(context.cursor or 0))
    context.update_cursor(str(seen))
    return dg.SkipReason(said)


def _result(found: "Found", cursor: str) -> dg.SensorResult | dg.SkipReason:
    requests = list(_requests(found))
    said = "; ".join(found.waiting[:WAITING_SHOWN]) or "nothing is due"
    return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=None if requests else dg.SkipReason(said))


def _requests(found: "Found") -> Iterator[dg.RunRequest]:
    for due in found.due:
        yield dg.RunRequest(
            run_key=due.run_key,
            job_name=due.job,
            partition_key=due.partition,
            asset_selection=[asset_key(due.model, stage) for stage in due.stages] or None,
            tags={**due.tags, MODEL_TAG: due.model, "mlops/why": due.why[:250]},
        )
