"""One schedule a cadence: when a window has ended, every model of that cadence is looked at.

The arrival sensor starts a window when its data comes; the schedule makes sure that a window whose data never came is
judged as well. Both name the same run key, so that a window runs once for the same content.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets.declaration import Cadence, Declaration
from mlops_assets.graph.assets import MODEL_TAG, cadences
from mlops_assets.graph.jobs import monitoring_job_name
from mlops_assets.graph.resource import PlatformResource


def schedules(declarations: Sequence[Declaration]) -> list[dg.ScheduleDefinition]:
    """The schedules of a fleet."""
    return [
        _schedule(cadence, [d for d in declarations if d.has_time and d.monitoring.cadence is cadence])
        for cadence in cadences(declarations)
    ]


def _schedule(cadence: Cadence, members: Sequence[Declaration]) -> dg.ScheduleDefinition:
    from mlops_assets.datasets.windows import cron_of
    return None
