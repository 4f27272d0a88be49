"""The files that people read: the inventory as JSON, the fleet page, a page for each model and each window, and the ROI.

Belongs here: where each file is written and from what. Not here: what is on a page (`evidence.pages`).
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_assets import clock
from mlops_assets.evidence.coverage import NO_DATA, Coverage, coverage
from mlops_assets.evidence.inventory import TRIAL, inventory
from mlops_assets.evidence.pages import model as model_page
from mlops_assets.evidence.pages import proof as proof_page
from mlops_assets.evidence.pages import roi as roi_page
from mlops_assets.evidence.pages import runbook as runbook_page
from mlops_assets.evidence.pages import window as window_page
from mlops_assets.evidence.pages.fleet import FleetView, Links, ModelView, render, view
from mlops_assets.evidence.roi import RoiReport, measure_roi, read_assumptions
from mlops_assets.evidence.window_evidence import OutcomeReports, WindowEvidence, outcome_reports, window_evidence
from mlops_assets.governance.discoveries import rule_in
from mlops_assets.inspection.proof_inputs import proof_metrics
from mlops_assets.inspection.requirement_results import requirement_rows
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.monitoring.window_results import DRAWING, DRIFT, OUTCOMES, PERFORMANCE
from mlops_assets.notification.notice import Places
from mlops_assets.notification.routes import read_settings
from mlops_assets.platform import Platform
from mlops_assets.policy.reading import PolicyError
from mlops_assets.report import Report, ReportInputs, Written
from mlops_assets.response.alarm_precision import alarm_precision
from mlops_assets.response.incident_times import IncidentTimes, first_promotions, incident_times
from mlops_assets.response.incidents import alarms, incidents
from mlops_assets.response.runbooks import runbook_files
from mlops_assets.stores.results import WINDOWS, WindowResults, windows_with_results

INVENTORY = "inventory.json"
PAGE, START = "fleet.html", "index.html"
PAGE_MARK, MARK_BYTES = "shows the records up to", 100
"""Words before the number of the last record at the end of the fleet page, and the bytes in which they are looked for."""
START_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Model fleet</title><meta http-equiv="refresh" content="0; url={PAGE}"></head>
<body><p><a href="{PAGE}">Model fleet</a></p></body></html>
"""
"""What the root of the served pages shows: the fleet page."""
ROI, ROI_PAGE = "roi.json", "roi.html"
PROOF_PAGE = "proof.html"
MODELS, RUNBOOKS = "models", "runbooks"
WINDOW_PAGE = "index.html"
PAGE_LINK = "model page"
REPORTS = (
    ("distributions drawn by Evidently", "".join(DRAWING)),
    ("drift.json", "drift.json"),
    ("performance.json", "performance.json"),
)
"""Text and file of what a window's page links to, where the file exists."""


def fleet_rows(platform: Platform, at: datetime | None = None) -> list[dict[str, Any]]:
    """The inventory of the project's models under the policies in force, with what needs attention.

    Args:
        platform: the project with its stores.
        at: only what had happened by then; None: everything.
    """
    policies, reports = effective_policies(platform), reports_of_outcomes(platform)
    stale = stale_evidence(platform)
    return inventory(platform.ledger, platform.project.models, policies, at, stale=stale, reports=reports)


def known_coverage(platform: Platform, at: datetime | None = None) -> Coverage | None:
    """What is governed of the models that are known to exist, at a time or now; None where no source was searched."""
    fleet = platform.ledger.state(happened_until=at).fleet
    return coverage(fleet, at or clock.now(), rule_in(platform.project.config))


def inventory_dict(rows: list[dict[str, Any]], found: Coverage | None) -> dict[str, Any]:
    """The inventory as JSON-able data: `models`, and `coverage`, which is None where no source was searched."""
    return {"models": rows, "coverage": found.to_dict() if found else None}


def reports_of_outcomes(platform: Platform) -> dict[str, OutcomeReports]:
    """By model whose outcomes have a source of their own: its reports as they were read for the last verdict."""
    found: dict[str, OutcomeReports] = {}
    state = platform.ledger.state()
    for name, declaration in platform.project.declarations.items():
        verdicts = state.model(name).window_verdicts.values() if declaration.outcomes is not None else ()
        last = max(verdicts, key=lambda verdict: verdict.seq, default=None)
        if last is not None:
            shown = outcome_reports(WindowResults(platform.home.reports, name, last.window).shown(OUTCOMES))
            found |= {name: shown} if shown is not None else {}
    return found


def stale_evidence(platform: Platform) -> dict[str, list[str]]:
    """Evidence that is out of date by model: profile, clause and why."""
    found: dict[str, list[str]] = {}
    for row in requirement_rows(platform, None, None):
        if row["verdict"] == "stale":
            found.setdefault(row["model"], []).append(f"{row['profile']} {row['clause']}: {', '.join(row['lacking'])}")
    return found


def write_inventory(platform: Platform) -> tuple[Path, list[dict[str, Any]]]:
    """Write `inventory.json`; returns its path and its rows."""
    rows = fleet_rows(platform)
    path = platform.home.reports / INVENTORY
    path.parent.mkdir(parents=True, exist_ok=True)
    content = inventory_dict(rows, known_coverage(platform))
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    return path, rows


def write_fleet_page(platform: Platform, *, check: bool = True) -> tuple[Path, list[str] | None]:
    """Write `fleet.html` and the pages of models and windows.

    Args:
        platform: the project with its stores.
        check: whether the whole ledger is verified first; the page says whether it was.

    Returns:
        Path of the fleet page, and what the check found wrong; None where nothing was checked.
    """
    reports = platform.home.reports
    problems = [str(problem) for problem in platform.ledger.verify()] if check else None
    links = {m.name: links_of(reports, m.name, _judged_windows(platform, m.name)) for m in platform.project.models}
    policies, stale = effective_policies(platform), stale_evidence(platform)
    fleet = view(
        platform.ledger, platform.project.models, policies, links=links, problems=problems, stale=stale,
        reports=reports_of_outcomes(platform), ignoring=rule_in(platform.project.config),
    )  # fmt: skip
    path = reports / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = (("Proof metrics", PROOF_PAGE), ("Return on governance", ROI_PAGE))
    fleet = replace(fleet, links=tuple((title, page) for title, page in pages if (reports / page).is_file()))
    fleet = replace(fleet, runbooks=write_runbooks(platform), times=times_of_incidents(platform))
    # The fleet page is the last: its mark says that every page shows the records up to there.
    write_model_pages(platform, fleet)
    (reports / START).write_text(START_PAGE, encoding="utf-8")
    path.write_text(f"{render(fleet)}<!-- {PAGE_MARK} {fleet.records} -->", encoding="utf-8")
    return path, problems


def write_runbooks(platform: Platform) -> dict[str, str]:
    """Write a page for each runbook of the project; returns name to address, relative to the fleet page or the bank's own."""
    try:
        places = replace(read_settings(platform.project.config).places, pages="")
    except PolicyError:  # an incident says so; the pages are written all the same
        places = Places()
    files = runbook_files(platform.project.config)
    runbook_page.write(platform.home.reports / RUNBOOKS, files)
    return {name: places.own_runbook(name) or f"{RUNBOOKS}/{name}.html" for name in files}


def times_of_incidents(platform: Platform) -> tuple[IncidentTimes, ...]:
    """How long incidents took, by kind."""
    ledger, declared = platform.ledger, platform.project.declarations
    cadences = {name: one.monitoring.cadence for name, one in declared.items() if one.has_time}
    known = incidents(ledger.state())
    return tuple(incident_times(known, lambda one: one.kind, ledger.clock(), cadences, first_promotions(ledger)))


def pages_show(reports: Path) -> int | None:
    """Number of the last record that the pages show; None where they were never written."""
    path = reports / PAGE
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MARK_BYTES))
        found = re.search(rf"<!-- {PAGE_MARK} (\d+) -->$", file.read().decode("utf-8", "replace"))
    return int(found[1]) if found else 0


def write_model_pages(platform: Platform, fleet: FleetView) -> dict[str, Path]:
    """Write `models/<name>.html` for every model of the fleet, and a page for each of its windows.

    A model about which nothing is new is left as it is.

    Returns:
        Pages by model, old and new.
    """
    folder = platform.home.reports / MODELS
    folder.mkdir(parents=True, exist_ok=True)
    state = platform.ledger.state()
    pages = {}
    for model in fleet.models:
        if model.row["lifecycle"] == TRIAL:
            continue
        pages[model.name] = path = folder / f"{model.name}.html"
        # Drawing takes most of a second for each model: a large fleet changes in a few places only.
        mark = f"<!-- {_state_of(model)} -->"
        if path.is_file() and path.read_text(encoding="utf-8").endswith(mark):
            continue
        last = model.records[-1].recorded_at if model.records else clock.now()
        windows = windows_of(platform.home.reports, model.name)
        write_window_pages(platform.home.reports, model, windows)
        judged = next(iter(alarm_precision(model.name, alarms(state, model.name))), None)
        up = {name: place if "://" in place else f"../{place}" for name, place in fleet.runbooks.items()}
        page = model_page.render(_from(MODELS, model), windows, at=last, precision=judged, runbooks=up)
        path.write_text(page + mark, encoding="utf-8")
    return pages


def write_window_pages(reports: Path, model: ModelView, windows: Sequence[WindowEvidence]) -> None:
    """Write `windows/<model>/<window>/index.html` for every judged window."""
    measured = {w.window: w for w in windows}
    recorded = {record.seq: record for record in model.records}
    scorings = {record.subject: record.event for record in model.records if isinstance(record.event, WindowScored)}
    starts = [verdict.window for verdict in model.verdicts]
    for place, verdict in enumerate(model.verdicts):
        results = WindowResults(reports, model.name, verdict.window)
        path = results.path("index", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        links = window_page.WindowLinks(
            fleet=f"../../../{PAGE}",
            model=f"../../../{MODELS}/{model.name}.html",
            before=f"../{starts[place - 1]}/{WINDOW_PAGE}" if place else "",
            after=f"../{starts[place + 1]}/{WINDOW_PAGE}" if place + 1 < len(starts) else "",
            reports=tuple((text, name) for text, name in REPORTS if (path.parent / name).is_file()),
            draw="" if results.path(*DRAWING).is_file() else f"mlops draw {model.name} {verdict.window}",
        )
        drift = results.shown(DRIFT)
        evidence = measured.get(verdict.window) or window_evidence(verdict.window, None, None)
        scored = scorings.get(verdict.window)
        page = window_page.render(model.name, recorded[verdict.seq], evidence, drift, links, scored)
        path.write_text(page, encoding="utf-8")


def rewrite_window_pages(platform: Platform, model: str) -> None:
    """Write the pages of a model's windows again, after one of the files that they link to was made."""
    fleet = view(platform.ledger, platform.project.models, effective_policies(platform))
    drawn = next(one for one in fleet.models if one.name == model)
    write_window_pages(platform.home.reports, drawn, windows_of(platform.home.reports, model))


def _judged_windows(platform: Platform, model: str) -> list[str]:
    return list(platform.ledger.state().model(model).window_verdicts)


def windows_of(reports: Path, model: str) -> list[WindowEvidence]:
    """What was measured in the model's windows, from the reports that are kept, in order of time."""
    stored = (WindowResults(reports, model, window) for window in windows_with_results(reports, model))
    return [
        window_evidence(one.window, one.shown(DRIFT), one.shown(PERFORMANCE), one.shown(OUTCOMES)) for one in stored
    ]


def _state_of(model: ModelView) -> str:
    last = model.records[-1].digest if model.records else ""
    links = [list(model.links.model), sorted(model.links.windows.items()), [repr(one) for one in model.incidents]]
    return digest({"row": json.loads(json.dumps(model.row, default=str)), "last": last, "links": links})


def _from(folder: str, model: ModelView) -> ModelView:
    """The model with links that lead from a page in `folder` to where they led from the fleet page."""
    up = "../" * len(Path(folder).parts)
    kept = tuple((text, f"{up}{address}") for text, address in model.links.model if not address.startswith(folder))
    return replace(model, links=Links(kept, {w: f"{up}{address}" for w, address in model.links.windows.items()}))


def write_roi(platform: Platform) -> tuple[Path, RoiReport]:
    """Write `roi.json` and `roi.html`; returns the page's path and what it shows.

    Raises:
        PolicyError: the declared assumptions have a mistake.
    """
    assumptions = read_assumptions(platform.project.config)
    states = platform.ledger.state()
    precision = {n: asdict(found[0]) for n in states.models if (found := alarm_precision(n, alarms(states, n)))}
    used = (state for state in states if state.versions)
    found = measure_roi(platform.ledger, used, assumptions, precision, known_coverage(platform))
    folder = platform.home.reports
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False, default=str)
    (folder / ROI).write_text(text, encoding="utf-8")
    path = folder / ROI_PAGE
    path.write_text(roi_page.render(found, PAGE), encoding="utf-8")
    return path, found


def effective_policies(platform: Platform) -> dict[str, Any]:
    """The policy in force by model name."""
    return {name: platform.policy(name) for name in platform.project.declarations}


def links_of(reports: Path, model: str, windows: Iterable[str] = ()) -> Links:
    """Pages about one model, relative to the fleet page.

    Args:
        reports: the folder of the fleet page.
        model: name.
        windows: starts of the judged windows; each gets a page.
    """
    cards = sorted((reports / "cards" / model).glob("v*/card.html"), key=lambda p: int(p.parent.name[1:]))
    return Links(
        model=(
            (PAGE_LINK, f"{MODELS}/{model}.html"),
            *((f"card {p.parent.name}", str(p.relative_to(reports))) for p in cards),
        ),
        windows={window: f"{WINDOWS}/{model}/{window}/{WINDOW_PAGE}" for window in windows},
    )


def _inventory(given: ReportInputs) -> Written:
    path, rows = write_inventory(given.platform)
    shown = ("model", "tier", "owner", "champion", "window", "severity", "kind", "open_incidents", "error")
    members = [row for row in rows if row["lifecycle"] != TRIAL]
    table = [{name: _counted(row.get(name)) for name in shown} for row in members]
    earned = [p for row in members for p in row["alarm_precision"]]
    found = known_coverage(given.platform)
    return Written(
        {
            "models": len(members),
            "coverage": found.text if found else NO_DATA,
            "fleet": table,
            "what alarms turned out to be": earned or None,
            "file": path,
        }
    )


def _counted(value: Any) -> Any:
    """A list by its length: a table in the UI has no room for more."""
    return len(value) if isinstance(value, list) else value


def _roi(given: ReportInputs) -> Written:
    page, found = write_roi(given.platform)
    lines = [{"what": x.what, "count": x.count, "hours each": x.hours_each, "hours": x.hours} for x in found.lines]
    return Written(
        {
            "page": page,
            "coverage": found.coverage.text if found.coverage else NO_DATA,
            "hours from rows to champion (median)": found.hours_to_champion,
            "gates decided": sum(sum(m.gates.values()) for m in found.models),
            "windows judged": sum(m.windows for m in found.models),
            "data-quality faults without retraining": sum(len(m.avoided) for m in found.models),
            "estimate": lines,
            "estimated hours saved": found.hours,
        }
    )


def _proof(given: ReportInputs) -> Written:
    period, metrics = proof_metrics(given.platform)
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / PROOF_PAGE
    path.write_text(proof_page.render(metrics, period, PAGE), encoding="utf-8")
    rows = [{"figure": m.title, "met": m.text, "not met": len(m.settled) - m.met} for m in metrics]
    return Written({"page": path, "figures": rows, "since": period.to_dict()["since"]})


def _fleet(given: ReportInputs) -> Written:
    page, problems = write_fleet_page(given.platform, check=given.verify)
    return Written({"page": page, "ledger": "not checked in this run" if problems is None else problems or "intact"})


INVENTORY_REPORT = Report(
    "inventory",
    "Every model that is declared or recorded, with the fields an examiner asks for.",
    _inventory,
    reads=(),
    kinds=("json",),
)
ROI_REPORT = Report(
    "roi_report",
    "What governance brought: times, decisions, incidents and retrainings counted from the ledger, and an estimate of hours from "
    "the assumptions declared in `config/hours.yaml`.",
    _roi,
    page=ROI_PAGE,
    kinds=("html", "json"),
)
PROOF_REPORT = Report(
    "proof_report",
    "Proof metrics since the first record: inventory, lineage, windows, alerts, retrainings and cards, each with its definition "
    "and what it lacks.",
    _proof,
    page=PROOF_PAGE,
)
FLEET_REPORT = Report(
    "fleet_report",
    "The fleet on one page: who decides, how windows went, what is open, and why.",
    _fleet,
    page=PAGE,
    reads=("inventory", "roi_report", "proof_report"),
)
