"""Notices go out once, one way out that fails keeps no other from sending, and what failed is sent again."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.extensions import Notifier
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.registration import registered
from mlops_assets.response.incidents import open_incident
from mlops_assets.response.notification import NOTICES, append_to_file, notice_of, write_to_log
from mlops_assets.response.outbox import WAITING, due_again, send

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Pager:
    """Receives notices while it is on."""

    def __init__(self, on=True):
        self.on, self.received = on, []

    def send(self, notice, home):
        if not self.on:
            raise ConnectionError("no way out")
        self.received.append(notice.text)


@pytest.fixture
def notice(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    open_incident(ledger, "m", kind="data_quality", severity="critical", summary="income is gone", columns=["income"])
    return notice_of(ledger.records()[0])


def test_a_notice_says_what_happened(notice):
    assert (notice.kind, notice.model, notice.severity, notice.text) == (
        "incident_opened",
        "m",
        "critical",
        "income is gone",
    )
    assert notice.details["columns"] == ["income"]


def test_a_file_holds_each_notice_once(tmp_path, notice):
    append_to_file(notice, tmp_path / "new")
    append_to_file(notice, tmp_path / "new")
    lines = (tmp_path / "new" / NOTICES).read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["income is gone"]


def test_a_line_cut_short_does_not_spoil_the_next(tmp_path, notice):
    (tmp_path / NOTICES).write_text('{"key": "1:')
    append_to_file(notice, tmp_path)
    assert json.loads((tmp_path / NOTICES).read_text().splitlines()[-1])["text"] == "income is gone"


def test_the_log_warns_from_act_on(tmp_path, notice, caplog):
    with caplog.at_level(logging.INFO, logger="mlops_assets.notification"):
        write_to_log(notice, tmp_path)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "income is gone" in caplog.text


def test_every_registered_notifier_receives_a_notice_once(tmp_path, notice):
    pager = Pager()
    with registered(Notifier("pager", pager.send)):
        assert send(tmp_path, [notice], NOW).failed == ()
    assert pager.received == ["income is gone"]
    assert (tmp_path / NOTICES).is_file()
    assert not (tmp_path / WAITING).exists()


def test_what_could_not_be_sent_waits_and_is_sent_again_by_that_notifier_alone(tmp_path, notice, caplog):
    pager = Pager(on=False)
    with registered(Notifier("pager", pager.send)), caplog.at_level(logging.INFO, logger="mlops_assets.notification"):
        (failed,) = send(tmp_path, [notice], NOW).failed
        assert "pager" in failed.text
        assert "ConnectionError: no way out" in failed.text
        assert len(caplog.records) == 1, "the others sent"
        assert due_again(tmp_path, NOW + timedelta(seconds=59)) == 0
        assert send(tmp_path, [], NOW + timedelta(seconds=59)).failed == (), "not yet due"
        assert due_again(tmp_path, NOW + timedelta(seconds=60)) == 1
        pager.on = True
        assert send(tmp_path, [], NOW + timedelta(seconds=60)).waiting == ()
    assert pager.received == ["income is gone"]
    assert len(caplog.records) == 1, "no other sends it twice"
    assert due_again(tmp_path, NOW + timedelta(days=1)) == 0


def test_waits_grow_to_an_hour_and_a_notifier_that_keeps_failing_is_reported(tmp_path, notice):
    moment, waits, reported = NOW, [], []
    with registered(Notifier("pager", Pager(on=False).send)):
        for round_ in range(9):
            sent = send(tmp_path, [notice] if not round_ else [], moment)
            reported.append(bool(sent.to_report))
            after = datetime.fromisoformat(sent.waiting[0].due)
            waits.append(int((after - moment).total_seconds() // 60))
            moment = after
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert reported == [False, False, True, True, True, True, True, True, True]


def test_a_notifier_that_is_registered_no_more_leaves_nothing_waiting(tmp_path, notice):
    with registered(Notifier("pager", Pager(on=False).send)):
        send(tmp_path, [notice], NOW)
    assert send(tmp_path, [], NOW + timedelta(hours=1)).waiting == ()
