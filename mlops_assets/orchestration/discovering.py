"""The asset `fleet/discovery`, its job and its schedule: the sources in `config/discovery.yaml`, searched unattended.

There are none of them where no source is declared: nothing is searched and no server is asked that nobody has named. The
pages show what is new after the next run of `fleet__reconcile`.
"""

import dagster as dg

from mlops_assets.discovery.settings import DiscoverySettings
from mlops_assets.orchestration.metadata import to_metadata
from mlops_assets.orchestration.resource import PlatformResource

DISCOVERY_JOB = "fleet__discover"
DISCOVERY_KEY = dg.AssetKey(["fleet", "discovery"])


def discovery_definitions(settings: DiscoverySettings) -> dg.Definitions:
    """What searches the declared sources; nothing where there are none."""
    if not settings.sources:
        return dg.Definitions()
    job = dg.define_asset_job(
        DISCOVERY_JOB,
        selection=dg.AssetSelection.assets(DISCOVERY_KEY),
        description="Search the declared sources for models, and record what is new, changed or gone.",
        executor_def=dg.in_process_executor,
    )
    schedule = dg.ScheduleDefinition(
        name="discovery",
        job=job,
        cron_schedule=settings.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Searches the sources in config/discovery.yaml for models.",
    )
    return dg.Definitions(assets=[fleet_discovery], jobs=[job], schedules=[schedule])


@dg.asset(
    key=DISCOVERY_KEY,
    group_name="fleet",
    kinds={"ledger"},
    description="The sources in config/discovery.yaml searched for models: what is new, changed or gone is recorded, and another "
    "version of a supplier's model opens an incident.",
)
def fleet_discovery(platform: PlatformResource) -> dg.MaterializeResult:
    """Search every source; a source that cannot be searched opens an incident, and fails the run after the others."""
    from mlops_assets.discovery.recording import search_declared
    from mlops_assets.evidence.coverage import NO_DATA
    from mlops_assets.fleet_files import known_coverage

    opened = platform.open()
    kept, failed = search_declared(opened)
    if failed:
        raise dg.Failure("\n".join(failed), allow_retries=False)
    found = known_coverage(opened)
    rows = [
        {
            "source": one.search.source,
            "found": len(one.search.found),
            "new": len(one.new),
            "changed": len(one.changed),
            "gone": len(one.gone),
            "not read": len(one.search.unreadable),
        }
        for one in kept
    ]
    said = [sentence for one in kept for sentence in one.incidents]
    return dg.MaterializeResult(
        metadata=to_metadata(
            {"coverage": found.text if found else NO_DATA, "sources": rows, "versions of suppliers": said or None}
        )
    )
