"""The fleet as a whole: `inventory`, `roi_report`, `fleet_report`, and the windows that are due by the calendar."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.orchestration.assets import asset_key
from mlops_assets.orchestration.calendar import cadences
from mlops_assets.orchestration.metadata import page_link, to_metadata
from mlops_assets.orchestration.resource import PlatformResource
from mlops_assets.orchestration.watching import WATCH_JOB, fleet_watch, watch_job

FLEET_JOB = "fleet__report"


def fleet_assets(declarations: Sequence[Declaration]) -> list[dg.AssetsDefinition]:
    """Assets over all models."""
    champions = [asset_key(d.name, "champion") for d in declarations]
    verdicts = [asset_key(d.name, "health") for d in declarations if d.has_time]

    @dg.asset(
        key=["fleet", "inventory"],
        deps=[*champions, *verdicts],
        group_name="fleet",
        kinds={"json"},
        description="Every model that is declared or recorded, with the fields an examiner asks for.",
    )
    def inventory(platform: PlatformResource) -> dg.MaterializeResult:
        from mlops_assets.evidence.inventory import TRIAL
        from mlops_assets.fleet_files import write_inventory

        path, rows = write_inventory(platform.open())
        shown = ("model", "tier", "owner", "champion", "window", "severity", "kind", "open_incidents", "error")
        members = [row for row in rows if row["lifecycle"] != TRIAL]
        table = [{name: _counted(row.get(name)) for name in shown} for row in members]
        earned = [p for row in members for p in row["alarm_precision"]]
        return dg.MaterializeResult(
            metadata=to_metadata(
                {"models": len(members), "fleet": table, "what alarms turned out to be": earned or None, "file": path}
            )
        )

    @dg.asset(
        key=["fleet", "roi_report"],
        deps=[dg.AssetKey(["fleet", "inventory"])],
        group_name="fleet",
        kinds={"html", "json"},
        metadata=page_link("roi.html"),
        description="What governance brought: times, decisions, incidents and retrainings counted from the ledger, and an "
        "estimate of hours from the assumptions declared in `config/hours.yaml`.",
    )
    def roi_report(platform: PlatformResource) -> dg.MaterializeResult:
        from mlops_assets.fleet_files import write_roi

        page, found = write_roi(platform.open())
        lines = [{"what": x.what, "count": x.count, "hours each": x.hours_each, "hours": x.hours} for x in found.lines]
        metadata = {
            "page": page,
            "hours from rows to champion (median)": found.hours_to_champion,
            "gates decided": sum(sum(m.gates.values()) for m in found.models),
            "windows judged": sum(m.windows for m in found.models),
            "data-quality faults without retraining": sum(len(m.avoided) for m in found.models),
            "estimate": lines,
            "estimated hours saved": found.hours,
        }
        return dg.MaterializeResult(metadata=to_metadata(metadata))

    @dg.asset(
        key=["fleet", "fleet_report"],
        deps=[dg.AssetKey(["fleet", "inventory"]), dg.AssetKey(["fleet", "roi_report"])],
        group_name="fleet",
        kinds={"html"},
        metadata=page_link("fleet.html"),
        description="The fleet on one page: who decides, how windows went, what is open, and why.",
    )
    def fleet_report(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
        from mlops_assets.fleet_files import write_fleet_page

        # The watch runs at each new record: verifying the whole ledger every time would cost more with every record.
        page, problems = write_fleet_page(platform.open(), check=context.job_name != WATCH_JOB)
        ledger = "not checked in this run" if problems is None else problems or "intact"
        return dg.MaterializeResult(metadata=to_metadata({"page": page, "ledger": ledger}))

    return [
        inventory,
        roi_report,
        fleet_report,
        fleet_watch,
        *(_windows_due(c, declarations) for c in cadences(declarations)),
    ]


def _counted(value: Any) -> Any:
    """A list by its length: a table in the UI has no room for more."""
    return len(value) if isinstance(value, list) else value


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

        ledger, today = platform.open().ledger, datetime.now(UTC).date()
        ended = []
        for declaration in members:
            last = [w for w in declared_windows(declaration, today) if w.end <= today][-1:]
            for window in last:
                key = f"due/{declaration.name}/{window.key}"
                ledger.append(WindowDue(ended=window.end), model=declaration.name, subject=window.key, key=key)
                ended.append({"model": declaration.name, "window": window.key})
        return dg.MaterializeResult(metadata=to_metadata({"due": ended or None}))

    return windows


def fleet_jobs(declarations: Sequence[Declaration]) -> list:
    """The report, the watch, and a job for each cadence."""
    report = dg.define_asset_job(
        FLEET_JOB,
        selection=dg.AssetSelection.assets(
            *(dg.AssetKey(["fleet", name]) for name in ("inventory", "roi_report", "fleet_report"))
        ),
        description="Inventory, returns and fleet page as things stand.",
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
