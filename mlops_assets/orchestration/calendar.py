"""When windows end, when their data is overdue, and when their assets are stale.

Belongs here: cron expressions of a cadence. Not here: what is run then (`schedules.py`).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

import dagster as dg

from mlops_assets.datasets.windows import DAY_HOUR, DAYS_OF_GRACE, cron_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence


def cadences(declarations: Sequence[Declaration]) -> list[Cadence]:
    """Cadences in use, shortest first."""
    used = {d.monitoring.cadence for d in declarations if d.has_time}
    return [cadence for cadence in Cadence if cadence in used]


def overdue_cron(cadence: Cadence, later: int = 0) -> str:
    """When the data of a window is overdue, as a cron expression in UTC.

    Args:
        cadence: of the windows.
        later: days after that; for a day's window it is twelve hours however many.
    """
    minute, hour, day, month, weekday = cron_of(cadence).split()
    days = DAYS_OF_GRACE[cadence] + later
    if cadence is Cadence.DAY:
        hour = str(DAY_HOUR + (12 if later else 0))
    elif cadence is Cadence.WEEK:
        weekday = str((int(weekday) + days) % 7)
    else:
        day = str(int(day) + days)
    return " ".join([minute, hour, day, month, weekday])


def window_freshness(declaration: Declaration, today: date) -> dg.FreshnessPolicy | None:
    """A window's assets are stale a day after its data was overdue; None where monitoring has ended."""
    end, cadence = declaration.monitoring.end, declaration.monitoring.cadence
    if end is not None and end <= today:
        return None
    return _freshness(cadence)


@cache
def _freshness(cadence: Cadence) -> dg.FreshnessPolicy:
    # Dagster walks through a thousand dates of a cron expression to validate a policy; there are five of them.
    grace = timedelta(hours=DAY_HOUR + 12) if cadence is Cadence.DAY else timedelta(days=DAYS_OF_GRACE[cadence] + 1)
    return dg.FreshnessPolicy.cron(overdue_cron(cadence, 1), grace)
