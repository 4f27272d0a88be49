"""The fleet's files for people: the inventory as JSON, and the fleet page with links to cards and window pages."""

import json
from pathlib import Path
from typing import Any

from mlops_assets.evidence.fleet_page import Links, render, view
from mlops_assets.evidence.inventory import inventory
from mlops_assets.platform import Platform

INVENTORY = "inventory.json"
PAGE = "fleet.html"


def write_inventory(platform: Platform) -> tuple[Path, list[dict[str, Any]]]:
    """Write `inventory.json`; returns its path and its rows."""
    rows = inventory(platform.ledger, platform.project.models, effective_policies(platform))
    path = platform.home.reports / INVENTORY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
    return path, rows


def write_fleet_page(platform: Platform) -> tuple[Path, list[str]]:
    """Write `fleet.html` after checking the ledger; returns its path and what the check found."""
    problems = [str(problem) for problem in platform.ledger.verify()]
    links = {m.name: links_of(platform.home.reports, m.name) for m in platform.project.models}
    fleet = view(platform.ledger, platform.project.models, effective_policies(platform), links=links, problems=problems)
    path = platform.home.reports / PAGE
    path.write_text(render(fleet), encoding="utf-8")
    return path, problems


def effective_policies(platform: Platform) -> dict[str, Any]:
    """The policy in force by model name."""
    return {name: platform.policy(name) for name in platform.project.declarations}


def links_of(reports: Path, model: str) -> Links:
    """Pages about one model, relative to the fleet page."""
    cards = sorted((reports / "cards" / model).glob("v*/card.html"), key=lambda p: int(p.parent.name[1:]))
    windows = sorted((reports / "windows" / model).glob("*/evidently.html"))
    return Links(
        model=tuple((f"card {p.parent.name}", str(p.relative_to(reports))) for p in cards),
        windows={p.parent.name: str(p.relative_to(reports)) for p in windows},
    )
