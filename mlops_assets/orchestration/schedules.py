"""One schedule a cadence, and the daily fleet page.

When a window has ended, its models are marked as due; the `arrivals` sensor then judges the window even if no row of it
ever came, which a sensor that waits for rows would never notice.
"""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.datasets.windows import cron_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.orchestration.assets import cadences
from mlops_assets.orchestration.fleet import FLEET_JOB

DAYS_OF_GRACE = {Cadence.DAY: 0, Cadence.WEEK: 1, Cadence.MONTH: 2, Cadence.QUARTER: 5, Cadence.YEAR: 10}
"""Days after the end of a window until its data is overdue."""


def schedules(declarations: Sequence[Declaration]) -> list[dg.ScheduleDefinition]:
    """The schedules of a fleet."""
    calendar = [
        dg.ScheduleDefinition(
            name=f"{cadence.value}_windows",
            job_name=f"fleet__mark_{cadence.value}_windows",
            cron_schedule=with_grace(cron_of(cadence), cadence),
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


def with_grace(cron: str, cadence: Cadence) -> str:
    """The cron schedule some days later; a day's window is due six hours after midnight."""
    minute, hour, day, month, weekday = cron.split()
    days = DAYS_OF_GRACE[cadence]
    if cadence is Cadence.DAY:
        hour = "6"
    elif cadence is Cadence.WEEK:
        weekday = str((int(weekday) + days) % 7)
    else:
        day = str(int(day) + days)
    return " ".join([minute, hour, day, month, weekday])
