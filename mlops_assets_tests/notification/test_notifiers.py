"""Log and file."""

import json
import logging

import pytest

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.notification.notice import notice_of
from mlops_assets.notification.notifiers import NOTICES, append_to_file, write_to_log
from mlops_assets.response.incidents import open_incident


@pytest.fixture
def notice(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    open_incident(ledger, "m", kind="data_quality", severity="critical", summary="income is gone", columns=["income"])
    return notice_of(ledger.records()[0])


def test_a_notice_says_what_happened(notice):
    found = (notice.kind, notice.model, notice.severity, notice.text)
    assert found == ("incident_opened", "m", "critical", "income is gone")
    assert notice.details["columns"] == ["income"]
    assert notice.details["incident"] == "data_quality"


def test_a_line_cut_short_does_not_spoil_the_next(tmp_path, notice):
    (tmp_path / NOTICES).write_text('{"key": "1:')
    append_to_file(notice, tmp_path)
    append_to_file(notice, tmp_path)
    lines = (tmp_path / NOTICES).read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines[1:]] == ["income is gone"] * 2


def test_the_log_warns_from_act_on(tmp_path, notice, caplog):
    with caplog.at_level(logging.INFO, logger="mlops_assets.notification"):
        write_to_log(notice, tmp_path)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "income is gone" in caplog.text
