"""The fleet as a whole: an asset for each registered report, and the windows that are due by the calendar."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mlops_assets import clock
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.orchestration.assets import asset_key
from mlops_assets.orchestration.calendar import cadences
from mlops_assets.orchestration.metadata import page_link, to_metadata
from mlops_assets.orchestration.resource import PlatformResource
from mlops_assets.orchestration.watching import REPORT_KEY, WATCH_JOB, WATCH_KEY, fleet_watch, watch_job
from mlops_assets.report import REPORTS, Report, ReportError, ReportInputs, write_report

FLEET_JOB = "fleet__report"


def fleet_assets(declarations: Sequence[Declaration]) -> list[dg.AssetsDefinition]:
    """Assets over all models."""
    champions = [asset_key(d.name, "champion") for d in declarations]
    verdicts = [asset_key(d.name, "health") for d in declarations if d.has_time]
    return [
        *(_report(report, [*champions, *verdicts]) for report in REPORTS.values()),
        fleet_watch,
        *(_windows_due(c, declarations) for c in cadences(declarations)),
    ]


def _report(report: Report, models: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset of a registered report; one that reads no other is written after the models' assets, and the page of the fleet
    after the watch, whose records it shows."""
    key = dg.AssetKey(["fleet", report.name])
    reads = [dg.AssetKey(["fleet", name]) for name in report.reads]

    @dg.asset(
        key=key,
        deps=[*(reads or models), *([WATCH_KEY] if key == REPORT_KEY else [])],
        group_name="fleet",
        kinds=set(report.kinds),
        metadata=page_link(report.page) if report.page else None,
        description=report.description,
        code_version=REPORTS.code(report.name),
    )
    def written(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
        opened = platform.open()
        # The watch runs at each new record: verifying the whole ledger every time would cost more with every record.
        given = ReportInputs(opened, opened.home.reports, verify=context.job_name != WATCH_JOB)
        try:
            found = write_report(report, given)
        except ReportError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(metadata=to_metadata(found.metadata))

    return written


def windows_key(cadence: Cadence) -> dg.AssetKey:
    """Key of the calendar asset of a cadence."""
    return dg.AssetKey(["fleet", f"{cadence.value}_windows"])


def _windows_due(cadence: Cadence, declarations: Sequence[Declaration]) -> dg.AssetsDefinition:
    members = [d for d in declarations if d.has_time and d.monitoring.cadence is cadence]

    @dg.asset(
        key=windows_key(cadence),
        group_name="fleet",
        kinds={"calendar"},
        description=f"Windows of one {cadence.value} that have ended: they are judged even when no data has come.",
    )
    def windows(platform: PlatformResource) -> dg.MaterializeResult:
        from mlops_assets.datasets.windows import declared_windows
        from mlops_assets.ledger.events.windows import WindowDue

        ledger, today = platform.open().ledger, clock.today()
        ended = []
        for declaration in members:
            last = [w for w in declared_windows(declaration, today) if w.end <= today][-1:]
            for window in last:
                key = f"due/{declaration.name}/{window.key}"
                ledger.append(WindowDue(ended=window.end), model=declaration.name, subject=window.key, key=key)
                ended.append({"model": declaration.name, "window": window.key})
        return dg.MaterializeResult(metadata=to_metadata({"due": ended or None}))

    return windows


def fleet_jobs(declarations: Sequence[Declaration]) -> list[Any]:
    """The report, the watch, and a job for each cadence."""
    report = dg.define_asset_job(
        FLEET_JOB,
        selection=dg.AssetSelection.assets(*(dg.AssetKey(["fleet", name]) for name in REPORTS)),
        description="Every report of the fleet as things stand.",
        executor_def=dg.in_process_executor,
    )
    calendar = [
        dg.define_asset_job(
            f"fleet__mark_{c.value}_windows",
            selection=dg.AssetSelection.assets(windows_key(c)),
            executor_def=dg.in_process_executor,
        )
        for c in cadences(declarations)
    ]
    return [report, watch_job(), *calendar]
