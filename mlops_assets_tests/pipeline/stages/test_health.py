"""What a verdict says beside what was measured."""

import csv
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_assets.datasets.files import unreadable
from mlops_assets.datasets.windows import window_of_key
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.pipeline.stages.health import delivery_faults, incident_cause, trained_on
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets_tests.training.tables import declare

DECLARED = declare()


@pytest.mark.parametrize(
    ("taken", "said", "why"),
    [
        ({"until": "2021-05-01"}, True, "all of its rows"),
        ({"until": "2021-04-02"}, True, "some of its rows"),
        ({"until": "2021-04-01"}, False, "trained on rows before it"),
        ({"until": None}, False, "rows without time have no windows"),
        ({"since": "2021-05-01", "until": "2021-06-01"}, False, "trained on rows after it"),
        ({"until": "2021-05-01", "windows_left_out": ("2021-04-01",)}, False, "its rows were left out"),
    ],
)
def test_a_window_that_the_version_was_trained_on_is_said_to_be_one(tmp_path, taken, said, why):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    body: dict[str, Any] = {"rows": 10, "quarantined": 0, "table": "t", "ordered_by": "row id", "delta_version": 0}
    event = SnapshotTaken.model_validate({**body, "declaration_digest": DECLARED.digest, **taken})
    record = ledger.append(event, model=DECLARED.name, subject="0" * 64)
    scored = SimpleNamespace(
        window=window_of_key("2021-04-01", DECLARED.monitoring.cadence),
        registration=SimpleNamespace(event=SimpleNamespace(snapshot_record=record.seq)),
        declaration=DECLARED,
        version=2,
    )
    found = trained_on(ledger, cast(ScoredWindow, scored))
    assert bool(found) is said, why
    assert not said or found.startswith(
        f"Version 2 was trained on the rows before {taken['until']} that had come by then"
    )


def test_what_is_wrong_with_a_delivery_joins_into_one_sentence():
    damaged = unreadable(
        "a.csv", csv.Error("new-line character seen in unquoted field - do you need to open the file in x mode?")
    )
    assert damaged.endswith(
        "not the format its name says (new-line character seen in unquoted field). Deliver it again."
    )
    scored = WindowScored(version=1, rows=1, quarantined=9, reasons={"income: not a number": 9}, problems=(damaged,))
    said = "; ".join(fault.text for fault in delivery_faults(scored, 0.05))
    assert "Deliver it again; 9 of 10 rows (90.0%) are quarantined" in said


def test_another_fault_of_the_delivery_is_another_incident():
    unread, refused = Fault("unreadable_file", "a.csv: cannot be read"), Fault("quarantined_rows", "497 of 497 rows")
    first = incident_cause("data_quality", (), [unread], 1)
    assert first == incident_cause("data_quality", (), [unread], 2), "whoever scores"
    assert first != incident_cause("data_quality", (), [unread, refused], 1)
    assert first != incident_cause("data_quality", ("income",), [unread], 1)
    assert incident_cause("data_quality", ("b", "a"), [], 1) == "data_quality:a,b"
    assert incident_cause("covariate_shift", ("a",), [], 2) == "covariate_shift:v2"


def test_a_file_that_was_mended_is_no_fault_any_more():
    scored = WindowScored(version=1, rows=10, problems=("a.csv: cannot be read.", "b.csv: cannot be read."))
    found = delivery_faults(scored, 0.05, {"a.csv: cannot be read."})
    assert [fault.text for fault in found] == ["b.csv: cannot be read"]
