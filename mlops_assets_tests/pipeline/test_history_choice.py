"""A retraining reads from the verdicts, as they stood when it was asked for, when the change began."""

from datetime import date
from types import SimpleNamespace
from typing import cast

import pytest

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.data import history_choice
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.pipeline.desk import Desk
from mlops_assets_tests.training.test_history import declared, rows

MODEL = "orders"
REQUEST = "orders-2024-10-01-concept_drift"


@pytest.fixture
def desk(tmp_path) -> Desk:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    for window, kinds in (
        ("2024-08-01", ["covariate_shift"]),
        ("2024-09-01", ["concept_drift"]),
        ("2024-10-01", ["concept_drift"]),
    ):
        causes = [{"kind": kind, "severity": "act"} for kind in kinds]
        ledger.append(raw("health_verdict", {"version": "1", "causes": causes}), model=MODEL, subject=window)
    ledger.append(
        raw("retraining_request", {"window": "2024-10-01", "until": "2025-01-01"}), model=MODEL, subject=REQUEST
    )
    return Desk(SimpleNamespace(ledger=ledger), declared(), REQUEST, MODEL)


def test_training_begins_where_the_run_of_verdicts_began(desk):
    found = history_choice(cast(StageContext, desk), rows(flipped=True))
    assert found is not None
    assert found.changed_since == found.since == date(2024, 9, 1)


def test_a_verdict_after_the_request_changes_nothing(desk):
    # A training that is run again after a crash must take the same rows.
    desk.platform.ledger.append(
        raw("health_verdict", {"version": "1", "causes": []}), model=MODEL, subject="2024-10-01"
    )
    found = history_choice(cast(StageContext, desk), rows(flipped=True))
    assert found is not None
    assert found.changed_since == date(2024, 9, 1)


def test_a_first_training_has_no_change_behind_it(desk):
    desk.request = None
    assert history_choice(cast(StageContext, desk), rows(flipped=True)) is None
