"""The asset `fleet/watch` and its job `fleet__reconcile`: registry and calendar looked after, people notified, with a run and a log.

The sensor `watch` starts it where there is something to do. How far it has looked is on its last materialization.
"""

from dataclasses import dataclass

import dagster as dg

from mlops_assets.orchestration.resource import PlatformResource

# Another name than the asset's: Dagster refuses a job that is called as an operation is, and `["fleet", "watch"]` makes one.
WATCH_JOB = "fleet__reconcile"
WATCH_KEY = dg.AssetKey(["fleet", "watch"])
REPORT_KEY = dg.AssetKey(["fleet", "fleet_report"])
LAST_RECORD = "last ledger record"


@dataclass(frozen=True)
class LastWatch:
    """The last run that succeeded.

    Attributes:
        record: number of the last ledger record that it took in.
        run_id: of the run.
    """

    record: int
    run_id: str


def last_watched(instance: dg.DagsterInstance) -> LastWatch | None:
    """How far the last run looked; None before the first."""
    event = instance.get_latest_materialization_event(WATCH_KEY)
    if event is None or event.asset_materialization is None:
        return None
    value = event.asset_materialization.metadata[LAST_RECORD].value
    return LastWatch(value if isinstance(value, int) else 0, event.run_id)


@dg.asset(
    key=WATCH_KEY,
    group_name="fleet",
    kinds={"ledger"},
    description="The registry compared with the ledger and put right, changes of champion audited, dates that have passed "
    "acted on, and people notified of new records.",
)
def fleet_watch(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Look at everything since the last look. The first look starts at the present and announces no past record."""
    from mlops_assets.pipeline.watch import newest_record, watch

    opened, before = platform.open(), last_watched(context.instance)
    found = watch(opened, before.record if before is not None else newest_record(opened))
    for line in found.actions:
        context.log.info(line)
    return dg.MaterializeResult(
        metadata={
            LAST_RECORD: found.last,
            "notices sent": found.notices,
            "what was done": dg.MetadataValue.md("\n".join(f"- {line}" for line in found.actions) or "nothing"),
        }
    )


def watch_job():
    """The job that materializes it, and writes the pages anew: they show a new record within minutes."""
    return dg.define_asset_job(
        WATCH_JOB,
        selection=dg.AssetSelection.assets(WATCH_KEY, REPORT_KEY),
        description="Compare the registry with the ledger, act on dates that have passed, notify people, and write the pages.",
        executor_def=dg.in_process_executor,
    )
