"""The Python API, as a notebook uses it, on a project that was run."""

import os
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import mlops_assets
from mlops_assets.api import NoChampion
from mlops_assets.project import ProjectError
from mlops_assets_tests.integration.small_project import NUMBER, SNAPSHOT, TIMED, WINDOWS

pytestmark = pytest.mark.integration
ROOT = os.path.dirname(os.path.dirname(mlops_assets.__file__))


@pytest.fixture
def root(lived):
    return lived.platform.project.root


def rows_of(lived, model: str, window: str | None = None) -> pl.DataFrame:
    from mlops_assets.datasets.sources import scan

    declaration = lived.platform.project.declaration(model)
    return scan(declaration.source, lived.platform.project.root).collect()


@pytest.mark.parametrize("model", [TIMED, SNAPSHOT, NUMBER])
def test_the_champion_predicts_what_the_graph_recorded(lived, root, model):
    champion = mlops_assets.load(model, project=root)
    rows = rows_of(lived, model)
    found = champion.predict(rows)
    assert found.height == rows.height
    assert found["id"].to_list() == rows[champion.declaration.id].cast(pl.String).to_list(), "the caller's order"
    assert ((found["score"].is_null()) == (found["problem"].is_not_null())).all(), "a score, or why there is none"
    if model == SNAPSHOT:
        return
    recorded = pl.concat(
        lived.platform.lake.read(f"{model}/predictions", window=w).select("prediction_id", "score", "prediction")
        for w in lived.platform.lake.windows(f"{model}/predictions")
    ).filter(pl.col("prediction_id").str.contains(f":v{champion.version}:", literal=True))
    same = recorded.join(found, on="prediction_id", how="inner", suffix="_now")
    assert same.height == recorded.height > 0
    assert same["score"].to_list() == same["score_now"].to_list(), "to the last bit"
    assert same["prediction"].to_list() == same["prediction_now"].to_list()


def test_adverse_decisions_have_the_recorded_reasons(lived, root):
    champion = mlops_assets.load(TIMED, project=root)
    window = next(
        w for w in reversed(WINDOWS) if lived.ledger.state().model(TIMED).scored[w].version == champion.version
    )
    recorded = lived.platform.lake.read(f"{TIMED}/predictions", window=window)
    recorded = recorded.filter(pl.col("reasons").is_not_null()).select("prediction_id", "reasons")
    found = champion.predict(rows_of(lived, TIMED)).join(recorded, on="prediction_id", suffix="_recorded")
    assert found.height == recorded.height
    assert found["reasons"].to_list() == found["reasons_recorded"].to_list()


def test_pandas_in_pandas_out(lived, root):
    champion = mlops_assets.load(SNAPSHOT, project=root)
    rows = rows_of(lived, SNAPSHOT).head(20)
    assert_frame_equal(pl.from_pandas(champion.predict(rows.to_pandas())), champion.predict(rows), check_dtypes=False)


def test_a_row_that_breaks_the_contract_has_a_problem_and_no_score(lived, root):
    champion = mlops_assets.load(TIMED, project=root)
    rows = rows_of(lived, TIMED).head(3).with_columns(pl.Series("Betrag (€)", [10.0, -1.0, 20.0]))
    found = champion.predict(rows)
    assert found["problem"].is_null().to_list() == [True, False, True]
    assert "Betrag (€)" in found["problem"][1]
    assert found["score"].is_null().to_list() == [False, True, False]


def test_no_champion_no_model_no_project(lived, root, tmp_path):
    with pytest.raises(ProjectError, match="no such model"):
        mlops_assets.load("nobody", project=root)
    with pytest.raises(ProjectError, match="run this inside a project"):
        mlops_assets.load(TIMED, project=tmp_path)
    assert issubclass(NoChampion, LookupError)


def test_status_and_trace_show_themselves_in_a_notebook(lived, root):
    table = mlops_assets.status(project=root)
    assert {row["model"] for row in table} == {TIMED, SNAPSHOT, NUMBER}
    page = table._repr_html_()
    assert page.startswith("<table>")
    assert TIMED in page
    champion = mlops_assets.load(TIMED, project=root)
    assert str(champion.version) in champion._repr_html_()
    recorded = lived.platform.lake.read(f"{TIMED}/predictions", window=WINDOWS[0])["prediction_id"][0]
    assert mlops_assets.trace(recorded, project=root).to_dict()["prediction"]["prediction_id"] == recorded


def test_drift_of_frames_is_drift_of_their_files(tmp_path):
    before = pl.DataFrame({"amount": [float(i % 97) for i in range(2000)], "state": ["CA", "NY"] * 1000})
    now = before.with_columns(pl.col("amount") * 1000)
    before.write_parquet(tmp_path / "before.parquet")
    now.write_parquet(tmp_path / "now.parquet")
    of_frames = mlops_assets.drift(before, now.to_pandas(), target="")
    of_files = mlops_assets.drift(tmp_path / "before.parquet", tmp_path / "now.parquet", target="")
    assert of_frames.verdict == of_files.verdict
    assert of_frames.verdict["kind"] == "data_quality"
    shown = repr(of_frames)
    assert shown.startswith(
        "TableComparison(critical, data quality: 1 column looks broken: amount: values are 1000 times what they were"
    )


def test_importing_the_package_brings_nothing_heavy():
    program = "import sys, mlops_assets; print(sorted({'dagster', 'mlflow', 'sklearn', 'polars', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
