"""A schedule for each cadence, and the daily fleet page.

When a window has ended, its models are marked as due; the `arrivals` sensor then judges the window even if no row of it
ever came, which a sensor that waits for rows would never notice.
"""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.calendar import cadences, overdue_cron
from mlops_assets.orchestration.fleet import FLEET_JOB


def schedules(declarations: Sequence[Declaration]) -> list[dg.ScheduleDefinition]:
    """The schedules of a fleet."""
    calendar = [
        dg.ScheduleDefinition(
            name=f"{cadence.value}_windows",
            job_name=f"fleet__mark_{cadence.value}_windows",
            cron_schedule=overdue_cron(cadence),
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Marks the windows of one {cadence.value} that have ended as due.",
        )
        for cadence in cadences(declarations)
    ]
    report = dg.ScheduleDefinition(
        name="fleet_report",
        job_name=FLEET_JOB,
        cron_schedule="0 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Inventory and fleet page every morning.",
    )
    return [report, *calendar]
