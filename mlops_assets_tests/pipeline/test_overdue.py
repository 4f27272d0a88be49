"""A window that nobody judged, or that no row came for, is an incident; a source that several models read is one."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.terms import Cadence
from mlops_assets.fleet_files import PAGE_MARK
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Entry
from mlops_assets.pipeline.overdue import report_late, report_stale_page, to_be_told
from mlops_assets.response.incidents import incidents
from mlops_assets_tests.ledger.made import health_verdict
from mlops_assets_tests.pipeline.test_due import WINDOWS, World

JUNE_2 = datetime(2021, 6, 2, 23, tzinfo=UTC)
"""The window of May ended on 1 June; its data was due on 3 June, and it is overdue a day later."""
JUNE_4 = datetime(2021, 6, 4, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path):
    def of(models=1, judged=WINDOWS[:4], **changes):
        world = World(tmp_path, models, **changes)
        for name in world.declared:
            world.judge(*judged, model=name)
        return world

    return of


def opened(world):
    return [(i.model, i.kind, i.window) for i in incidents(world.ledger.state(), None)]


def test_a_window_is_overdue_a_day_after_its_data_was_due(world):
    one = world()
    assert to_be_told(one.platform, JUNE_2) == []
    assert report_late(one.platform, JUNE_2) == []
    assert to_be_told(one.platform, JUNE_4) == [f"m000: window overdue {WINDOWS[4]}"]
    (said,) = report_late(one.platform, JUNE_4)
    assert said.startswith(f"1 window has no verdict, the first is {WINDOWS[4]}: its run is due and has not come")
    assert to_be_told(one.platform, JUNE_4) == []
    assert report_late(one.platform, JUNE_4 + timedelta(days=1)) == []
    assert opened(one) == [("m000", "window_overdue", WINDOWS[4])]


def test_windows_that_are_judged_one_after_the_other_are_not_overdue(world):
    one = world(judged=WINDOWS[:1])
    one.moment = JUNE_4 - timedelta(hours=2)
    one.judge(WINDOWS[1])
    assert to_be_told(one.platform, JUNE_4) == []
    (said,) = report_late(one.platform, JUNE_4 + timedelta(days=1))
    assert said.startswith(f"3 windows have no verdict, the first is {WINDOWS[2]}")


def test_a_source_that_cannot_be_read_is_one_incident_for_all_that_read_it(world):
    fleet = world(3)
    shared = {"source": fleet.declared["m000"].source}
    fleet.declared |= {name: one.model_copy(update=shared) for name, one in fleet.declared.items() if name != "m002"}
    (fleet.root / "m000.parquet").unlink()
    said = report_late(fleet.platform, JUNE_4)
    assert len(said) == 2
    together = next(
        text for text in said if text.startswith("2 models read m000.parquet (m000, m001): 2 windows have no verdict")
    )
    assert "m000.parquet" in together.partition("no verdict")[2], "why"
    assert opened(fleet) == [("", "window_overdue", WINDOWS[4]), ("m002", "window_overdue", WINDOWS[4])]
    assert to_be_told(fleet.platform, JUNE_4) == []


def test_a_window_without_a_row_is_told_of(world):
    one = world(judged=WINDOWS)
    assert to_be_told(one.platform, JUNE_4) == []
    one.ledger.append_all([Entry(WindowScored(version=1, rows=0), "m000", WINDOWS[4])])
    assert to_be_told(one.platform, JUNE_4) == [f"m000: data missing {WINDOWS[4]}"]
    assert report_late(one.platform, JUNE_4) == [
        f"no row came for the window {WINDOWS[4]}; ask the owner of m000.parquet"
    ]
    assert opened(one) == [("m000", "data_missing", WINDOWS[4])]


def test_a_model_that_decides_nothing_has_nothing_overdue(world):
    one = world()
    one.declared = {"other": one.declared["m000"].model_copy(update={"name": "other"})}
    assert to_be_told(one.platform, JUNE_4) == []


def test_pages_that_were_not_written_at_the_last_look_are_told_of(world):
    one = world(judged=WINDOWS)
    platform = one.platform
    platform.home = SimpleNamespace(reports=one.root / "reports")
    page = platform.home.reports / "fleet.html"
    last, later = one.ledger.last().seq, JUNE_4 + timedelta(days=1)
    assert report_stale_page(platform, last, later) == [], "they were never written"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<p>the fleet</p><!-- {PAGE_MARK} {last - 2} -->", encoding="utf-8")
    assert report_stale_page(platform, last - 2, later) == [], "the last look took in no more"
    assert report_stale_page(platform, last, one.ledger.last().recorded_at) == [], "they may be being written"
    (said,) = report_stale_page(platform, last, later)
    assert f"record {last - 1} of" in said
    assert report_stale_page(platform, last, later) == []
    (found,) = incidents(one.ledger.state(), None)
    assert (found.model, found.kind, found.severity) == ("", "page_stale", "act")
    page.write_text(f"<p>the fleet</p><!-- {PAGE_MARK} {last} -->", encoding="utf-8")
    assert report_stale_page(platform, last, later) == []


def test_a_broken_delivery_is_told_of_once(world):
    """Where the verdict says why no row came, its own incident stands for that."""
    one = world(judged=WINDOWS)
    one.ledger.append_all([Entry(WindowScored(version=1, rows=0), "m000", WINDOWS[4])])
    end = window_of_key(WINDOWS[4], Cadence.MONTH).end
    one.ledger.append(
        health_verdict(WINDOWS[4], window_end=end, severity="act", kind="data_quality"),
        model="m000",
        subject=WINDOWS[4],
    )
    assert to_be_told(one.platform, JUNE_4) == []
