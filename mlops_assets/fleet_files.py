"""The fleet's files for people: the inventory as JSON, the fleet page, and a page a model."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets.evidence.history import fold
from mlops_assets.evidence.inventory import TRIAL, inventory
from mlops_assets.evidence.pages import model as model_page
from mlops_assets.evidence.pages import roi as roi_page
from mlops_assets.evidence.pages.fleet import FleetView, Links, ModelView, render, view
from mlops_assets.evidence.roi import RoiReport, measure_roi, read_assumptions
from mlops_assets.evidence.window_evidence import WindowEvidence, window_evidence
from mlops_assets.ledger.canonical import digest
from mlops_assets.platform import Platform
from mlops_assets.response.alarm_precision import alarm_precision
from mlops_assets.response.incidents import incidents

INVENTORY = "inventory.json"
PAGE = "fleet.html"
ROI, ROI_PAGE = "roi.json", "roi.html"
MODELS = "models"
PAGE_LINK = "model page"


def write_inventory(platform: Platform) -> tuple[Path, list[dict[str, Any]]]:
    """Write `inventory.json`; returns its path and its rows."""
    rows = inventory(platform.ledger, platform.project.models, effective_policies(platform))
    path = platform.home.reports / INVENTORY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    return path, rows


def write_fleet_page(platform: Platform) -> tuple[Path, list[str]]:
    """Write `fleet.html` and the models' pages after checking the ledger; returns its path and what the check found."""
    problems = [str(problem) for problem in platform.ledger.verify()]
    links = {m.name: links_of(platform.home.reports, m.name) for m in platform.project.models}
    fleet = view(platform.ledger, platform.project.models, effective_policies(platform), links=links, problems=problems)
    path = platform.home.reports / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    if (path.parent / ROI_PAGE).is_file():
        fleet = replace(fleet, links=(("what governance brought", ROI_PAGE),))
    path.write_text(render(fleet), encoding="utf-8")
    write_model_pages(platform, fleet)
    return path, problems


def write_model_pages(platform: Platform, fleet: FleetView) -> dict[str, Path]:
    """Write `models/<name>.html` for every model of the fleet; one about which nothing is new is left as it is.

    Returns:
        Pages by model, old and new.
    """
    folder = platform.home.reports / MODELS
    folder.mkdir(parents=True, exist_ok=True)
    policies = effective_policies(platform)
    known = incidents(platform.ledger)
    pages = {}
    for model in fleet.models:
        if model.row["lifecycle"] == TRIAL:
            continue
        pages[model.name] = path = folder / f"{model.name}.html"
        asked = tuple((rule.role, rule.count) for rule in getattr(policies.get(model.name), "approvals", ()))
        # Drawing takes most of a second a model: a large fleet changes in a few places only.
        mark = f"<!-- {_state_of(model, asked)} -->"
        if path.is_file() and path.read_text(encoding="utf-8").endswith(mark):
            continue
        last = model.state.records[-1].recorded_at if model.state.records else datetime.now(UTC)
        windows = windows_of(platform.home.reports, model.name)
        judged = next(iter(alarm_precision(model.name, known)), None)
        page = model_page.render(_from(MODELS, model), windows, at=last, approvals=asked, precision=judged)
        path.write_text(page + mark, encoding="utf-8")
    return pages


def windows_of(reports: Path, model: str) -> list[WindowEvidence]:
    """What was measured in the model's windows, from the reports that are kept, in order of time."""
    folders = sorted(p for p in (reports / "windows" / model).glob("*") if p.is_dir())
    return [window_evidence(p.name, _report(p / "drift.json"), _report(p / "performance.json")) for p in folders]


def _report(path: Path) -> Any:
    """The content of a report; None where there is none, or where it was cut short while it was written."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _state_of(model: ModelView, asked: tuple[tuple[str, int], ...]) -> str:
    last = model.state.records[-1].digest if model.state.records else ""
    links = [list(model.links.model), sorted(model.links.windows.items())]
    return digest({"row": json.loads(json.dumps(model.row, default=str)), "last": last, "links": links, "asked": asked})


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
    states = fold(platform.ledger.records(), platform.ledger.root)
    known = incidents(platform.ledger)
    precision = {n: asdict(found[0]) for n in states if (found := alarm_precision(n, known))}
    found = measure_roi((s for s in states.values() if s.versions), assumptions, precision)
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


def links_of(reports: Path, model: str) -> Links:
    """Pages about one model, relative to the fleet page."""
    cards = sorted((reports / "cards" / model).glob("v*/card.html"), key=lambda p: int(p.parent.name[1:]))
    windows = sorted((reports / "windows" / model).glob("*/evidently.html"))
    return Links(
        model=(
            (PAGE_LINK, f"{MODELS}/{model}.html"),
            *((f"card {p.parent.name}", str(p.relative_to(reports))) for p in cards),
        ),
        windows={p.parent.name: str(p.relative_to(reports)) for p in windows},
    )
