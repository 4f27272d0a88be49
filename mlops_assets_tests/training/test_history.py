"""How far back a training reaches after a change: measured, and the longer history where it makes no difference."""

import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.training.history import LEAST_OF_A_CLASS, LEAST_ROWS, choose_history

START = datetime(2024, 1, 1)  # noqa: DTZ001 - frames hold UTC without a zone
CHANGED = date(2024, 9, 1)


def declared(task: str = "binary", **changes: object) -> Declaration:
    return Declaration.model_validate(
        {
            "name": "orders", "purpose": "Whether an order is returned.", "owner": "team:tests", "developers": ["developer"],
            "tier": "low", "task": task, "source": {"path": "orders.parquet"}, "id": "id", "event_time": "when",
            "target": "y", "features": {"a": "numeric", "b": "numeric"}, "training": {"until": "2025-01-01"}, **changes,
        }
    )  # fmt: skip


def rows(*, flipped: bool, n: int = 4000, positives: float = 0.5, seed: int = 5) -> pl.DataFrame:
    """A year of rows, evenly spread; from September on the answer to `a` is the opposite one, or not."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(2, n))
    when = [START + timedelta(hours=8760 * i / n) for i in range(n)]
    late = np.array([moment.date() >= CHANGED for moment in when])
    sign = np.where(late & flipped, -1.0, 1.0)
    score = 2 * sign * a + 0.5 * b + draw.normal(size=n)
    y = (score > np.quantile(score, 1 - positives)).astype(int)
    return pl.DataFrame({"id": range(n), "when": when, "a": a, "b": b, "y": y, "amount": score})


def test_training_begins_at_a_change_that_the_older_rows_contradict():
    found = choose_history(rows(flipped=True), declared(), CHANGED)
    assert found.since == CHANGED
    assert max(found.recent) < min(found.whole), "the older rows do harm on every fold"
    assert "training begins at the change" in found.reason
    assert json.loads(json.dumps(found.to_dict()))["since"] == "2024-09-01"


def test_more_rows_are_kept_where_nothing_contradicts_them():
    found = choose_history(rows(flipped=False), declared(), CHANGED)
    assert found.since is None
    assert len(found.whole) == 5
    assert np.mean(found.whole) < 0.45


@pytest.mark.parametrize(
    ("table", "declaration", "because"),
    [
        (rows(flipped=True, n=1200), declared(), f"rows, expected {LEAST_ROWS}"),
        (rows(flipped=True, positives=0.01), declared(), f"rows of the rarest class, expected {LEAST_OF_A_CLASS}"),
        (rows(flipped=True).with_columns(y=pl.when(pl.col("when").dt.date() < CHANGED).then("y").otherwise(0)), declared(),
         "only 0 rows of the rarest class"),
        (rows(flipped=True).filter(pl.col("when").dt.date() >= CHANGED), declared(), "begins after the change"),
        (rows(flipped=True), declared(candidates=[{"algorithm": "hist_gradient_boosting", "parameters": {"max_iter": -1}}]),
         "cannot be compared"),
    ],
    ids=["few rows", "few positives", "one class", "no older rows", "a candidate that cannot be fitted"],
)  # fmt: skip
def test_what_cannot_be_measured_keeps_the_declared_window(table, declaration, because):
    found = choose_history(table, declaration, CHANGED)
    assert found.since is None
    assert because in found.reason
    assert found.whole == found.recent == ()


def test_a_shifted_base_rate_is_learned_from_the_rows_since():
    """The same order, another level: what an area under the curve would not see."""
    table = rows(flipped=False)
    late = pl.col("when").dt.date() >= CHANGED
    table = table.with_columns(y=(pl.col("amount") > pl.when(late).then(-1.5).otherwise(1.5)).cast(pl.Int64))
    assert choose_history(table, declared(), CHANGED).since == CHANGED


def test_amounts_too():
    table = rows(flipped=True).with_columns(y=pl.col("amount"))
    found = choose_history(table, declared("regression", target="y"), CHANGED)
    assert found.metric == "rmse"
    assert found.since == CHANGED


def test_the_order_of_delivery_changes_nothing():
    table = rows(flipped=True)
    shuffled = table[np.argsort(seeded_hash(table["id"], 1))]
    assert choose_history(shuffled, declared(), CHANGED) == choose_history(table, declared(), CHANGED)
