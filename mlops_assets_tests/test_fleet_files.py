import json
from pathlib import Path

import pytest

from mlops_assets.fleet_files import links_of, windows_of, write_fleet_page, write_inventory, write_roi
from mlops_assets.ledger.events.response import IncidentOpened
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, declare, write_project


@pytest.fixture
def platform(tmp_path, monkeypatch) -> Platform:
    for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    defs = write_project(tmp_path, TIMED, SNAPSHOT, rows=10)
    declare(defs, "broken", "attributes: {tier: 3}\n")
    return Platform.load(defs)


def test_the_inventory_lists_every_model_the_broken_one_with_its_error(platform):
    path, rows = write_inventory(platform)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["models"] == json.loads(json.dumps(rows, default=str))
    assert written["coverage"] is None, "nothing was searched"
    found = {row["model"]: row for row in rows}
    assert set(found) == {TIMED, SNAPSHOT, "broken"}
    assert "tier" in found["broken"]["error"]
    assert not found[TIMED]["error"]
    assert found[TIMED]["champion"] is None


def test_the_page_shows_models_before_anything_has_run(platform):
    write_inventory(platform)
    path, problems = write_fleet_page(platform)
    text = path.read_text(encoding="utf-8")
    assert problems == []
    for model in (TIMED, SNAPSHOT, "broken"):
        assert model in text


def test_the_page_says_when_the_ledger_was_not_checked_for_it(platform):
    path, problems = write_fleet_page(platform, check=False)
    assert problems is None
    assert "was not checked for this page" in path.read_text(encoding="utf-8")
    assert 'url=fleet.html"' in (path.parent / "index.html").read_text(encoding="utf-8")


def test_links_are_relative_and_in_order_of_versions(tmp_path):
    for version in ("v10", "v2"):
        page = tmp_path / "cards" / "loans" / version / "card.html"
        page.parent.mkdir(parents=True)
        page.touch()
    links = links_of(tmp_path, "loans", ["2021-01-01"])
    assert links.model[0] == ("model page", "models/loans.html")
    assert links.model[1:] == (("card v2", "cards/loans/v2/card.html"), ("card v10", "cards/loans/v10/card.html"))
    assert links.windows == {"2021-01-01": "windows/loans/2021-01-01/index.html"}
    assert not any(Path(page).is_absolute() for _, page in links.model)


def test_every_model_has_a_page_that_is_redrawn_only_when_something_is_new(platform):
    write_fleet_page(platform)
    folder = platform.home.reports / "models"
    assert {p.stem for p in folder.glob("*.html")} == {TIMED, SNAPSHOT, "broken"}
    page = folder / f"{TIMED}.html"
    first = page.stat().st_mtime_ns
    write_fleet_page(platform)
    assert page.stat().st_mtime_ns == first
    opened = IncidentOpened(
        kind="data_quality", severity="act", window="2021-01-01", summary="a look is needed", cause="x"
    )
    platform.ledger.append(opened, model=TIMED, subject="inc-1")
    write_fleet_page(platform)
    assert "a look is needed" in page.read_text(encoding="utf-8")


def test_a_report_that_was_cut_short_is_a_gap(tmp_path):
    folder = tmp_path / "windows" / "loans" / "2021-01-01"
    folder.mkdir(parents=True)
    (folder / "drift.json").write_text('{"rows": 5, "colu')
    assert [(w.window, w.rows) for w in windows_of(tmp_path, "loans")] == [("2021-01-01", None)]


def test_returns_are_written_and_the_fleet_page_leads_to_them(platform):
    path, found = write_roi(platform)
    assert found.models == ()
    assert json.loads((path.parent / "roi.json").read_text(encoding="utf-8"))["estimate"]["hours"] == 0
    assert f'href="{path.name}"' in write_fleet_page(platform)[0].read_text(encoding="utf-8")
