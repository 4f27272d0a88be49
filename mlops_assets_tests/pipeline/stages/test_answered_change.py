"""A version made after a change is held to rows since the change."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.answered_change import ENOUGH_ROWS, since_change
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.pipeline.desk import Desk
from mlops_assets_tests.training.test_history import declared

MODEL = "orders"
REQUEST = "orders-2024-10-01"


def desk(folder, kinds: dict[str, list[str]], request: str | None = REQUEST) -> StageContext:
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    for window, found in kinds.items():
        causes = [{"kind": kind, "severity": "act"} for kind in found]
        ledger.append(raw("health_verdict", {"version": "1", "causes": causes}), model=MODEL, subject=window)
    ledger.append(
        raw("retraining_request", {"window": "2024-10-01", "until": "2025-01-01"}), model=MODEL, subject=REQUEST
    )
    return cast(StageContext, Desk(SimpleNamespace(ledger=ledger), declared(), request, MODEL))


def held_out(rows_since: int) -> pl.DataFrame:
    """Rows of July 2024, and so many of October."""
    time = declared().event_time
    assert time is not None
    days = [date(2024, 7, 1) + timedelta(days=i % 30) for i in range(2000)]
    return pl.DataFrame({time.column: days + [date(2024, 10, 5)] * rows_since})


SHIFTED = {"2024-08-01": [], "2024-09-01": ["covariate_shift"], "2024-10-01": ["concept_drift"]}


@pytest.mark.parametrize(
    ("kinds", "request_", "rows_since", "kept", "why"),
    [
        (SHIFTED, REQUEST, ENOUGH_ROWS, ENOUGH_ROWS, "what came before is another world"),
        (SHIFTED, REQUEST, ENOUGH_ROWS - 1, 2000 + ENOUGH_ROWS - 1, "too few rows since to be held to alone"),
        (SHIFTED, None, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "a first training answers no change"),
        ({"2024-10-01": ["data_quality"]}, REQUEST, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "a broken feed is no other world"),
        ({"2024-06-01": ["covariate_shift"], **{f"2024-{m:02}-01": ["covariate_shift"] for m in (7, 8, 9, 10)}},
         REQUEST, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "it began before the rows held out"),
    ],
)  # fmt: skip
def test_rows_a_version_is_held_to(tmp_path, kinds, request_, rows_since, kept, why):
    assert since_change(desk(tmp_path, kinds, request_), held_out(rows_since)).height == kept, why
