"""Every column of every table that a verdict, trace, replay or training reads is under a digest that somebody compares."""

import shutil

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.inspection.lake_check import lake_problems
from mlops_assets.inspection.lookup import ChangedPredictions, prediction_row
from mlops_assets.inspection.recorded_tables import ChangedRows
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.drift import drift
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import TIMED

pytestmark = pytest.mark.integration
READ = ("held_out_losses", "outcomes", "predictions", "reference_sample", "scored_rows")
OTHERS = {"features", "training_data", "quarantine"}
"""Training reads the version of its rows that is on record, which `integration/test_attacks.py` changes; refused rows are
kept for people, and nothing is computed from them."""


@pytest.fixture
def copied(lived, tmp_path, monkeypatch) -> Platform:
    """The stores of the small project, to do harm to."""
    shutil.copytree(lived.platform.home.root, tmp_path / "home")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Platform.load(lived.platform.project.defs)


def changed(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows with the first value of a column replaced by another one of the column, or by none."""
    first, kind = rows[column][0], rows.schema[column]
    other = next((value for value in rows[column].unique(maintain_order=True) if value not in (None, first)), None)
    if other is None and first is None:
        other = "forged" if kind == pl.String else 1
    return rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit(other).cast(kind, strict=False))
        .otherwise(pl.col(column))
        .alias(column)
    )


def forge(folder: str, column: str) -> int:
    """Write the table with one changed value by Delta's own client; the version that was there before."""
    before = DeltaTable(folder).version()
    write_deltalake(
        folder, changed(pl.read_delta(folder), column).to_arrow(), mode="overwrite", schema_mode="overwrite"
    )
    return before


def test_a_changed_value_of_any_column_of_any_table_is_named(copied):
    tables = sorted(path.name for path in copied.lake.path(TIMED).iterdir() if path.is_dir())
    assert set(tables) - OTHERS == set(READ)
    folders = {name: str(copied.lake.path(f"{TIMED}/{name}")) for name in READ}
    columns = {
        name: [c for c in pl.read_delta(folder).columns if c != "mlops_window"] for name, folder in folders.items()
    }
    assert list(lake_problems(copied)) == []
    for position in range(max(map(len, columns.values()))):
        harmed = {name: columns[name][position] for name in READ if position < len(columns[name])}
        before = {name: forge(folders[name], column) for name, column in harmed.items()}
        found = [problem["what"] for problem in lake_problems(copied)]
        for name, column in harmed.items():
            assert any(f"{TIMED}/{name}" in what for what in found), f"{name}: nobody notices a changed {column}"
            DeltaTable(folders[name]).restore(before[name])
    assert list(lake_problems(copied)) == []


def test_reasons_rewritten_in_the_log_are_not_shown(copied):
    table = f"{TIMED}/predictions"
    prediction = copied.lake.read(table)["prediction_id"][0]
    folder = str(copied.lake.path(table))
    given = '[{"feature": "grade", "phrase": "Grade of the customer", "contribution": 0.2}]'
    rows = pl.read_delta(folder).with_columns(pl.lit(given).alias("reasons"))
    write_deltalake(folder, rows.to_arrow(), mode="overwrite")
    with pytest.raises(ChangedPredictions, match="are not those that record"):
        prediction_row(copied, prediction)


@pytest.mark.parametrize("table", ["reference_sample", "scored_rows", "predictions"])
def test_a_window_is_not_judged_on_changed_rows(copied, table):
    declaration = copied.project.declaration(TIMED)
    for window in copied.lake.windows(f"{TIMED}/scored_rows")[-1:]:
        folder = str(copied.lake.path(f"{TIMED}/{table}"))
        rows = pl.read_delta(folder)
        column = "score" if table == "predictions" else "days-granted"
        write_deltalake(folder, rows.with_columns(pl.col(column) + 1).to_arrow(), mode="overwrite")
        when = window_of_key(window, declaration.monitoring.cadence)
        context = StageContext(copied, declaration, copied.policy_of(declaration), run_id="", log=print, window=when)
        with pytest.raises(ChangedRows, match="the rows in the lake were changed"):
            drift(context)
