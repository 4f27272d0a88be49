"""Notices go out once, and one way out that fails keeps no other from sending."""

import json
import logging

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.response.incidents import open_incident
from mlops_assets.response.notification import FileNotifier, LogNotifier, notice_of, tell


class Broken:
    def send(self, notice):
        raise ConnectionError("no way out")


def incident_record(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    open_incident(ledger, "m", kind="data_quality", severity="critical", summary="income is gone", columns=["income"])
    return ledger.records()[0]


def test_a_notice_says_what_happened(tmp_path):
    notice = notice_of(incident_record(tmp_path))
    assert (notice.kind, notice.model, notice.severity, notice.text) == (
        "incident_opened",
        "m",
        "critical",
        "income is gone",
    )
    assert notice.details["columns"] == ["income"]


def test_a_file_holds_each_notice_once(tmp_path):
    record, path = incident_record(tmp_path), tmp_path / "out" / "notices.jsonl"
    assert tell([FileNotifier(path)], [record, record]) == []
    assert tell([FileNotifier(path)], [record]) == []
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["income is gone"]


def test_a_line_cut_short_does_not_spoil_the_next(tmp_path):
    record, path = incident_record(tmp_path), tmp_path / "notices.jsonl"
    path.write_text('{"key": "1:')
    assert tell([FileNotifier(path)], [record]) == []
    assert json.loads(path.read_text().splitlines()[-1])["text"] == "income is gone"


def test_a_broken_way_out_is_reported_and_the_others_send(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="mlops_assets.notification"):
        problems = tell([Broken(), LogNotifier()], [incident_record(tmp_path)])
    assert len(problems) == 1
    assert "no way out" in problems[0]
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "income is gone" in caplog.text
