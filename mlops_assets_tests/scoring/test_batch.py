import hashlib
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.datasets.contract import ContractError
from mlops_assets.scoring import batch, input_contract
from mlops_assets.scoring.batch import decision_threshold, score
from mlops_assets.scoring.prediction_id import parse, prediction_ids
from mlops_assets.training.candidates import refit
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

FRAME = table(300)
NOW = datetime(2022, 1, 1, tzinfo=UTC)


def test_binary_scores_decide_by_the_threshold() -> None:
    model = declare()
    pipeline = refit(model, model.candidates[0], FRAME)
    found = score(pipeline, FRAME, model, 0.4, version=3, window="2020-05-01")
    assert found.columns == ["prediction_id", "id", "event_time", "score", "prediction"]
    assert found["id"].to_list() == FRAME["row id"].to_list()
    assert found["prediction"].to_list() == [int(s >= 0.4) for s in found["score"]]
    assert found["prediction_id"].n_unique() == 300
    with pytest.raises(ValueError, match="threshold"):
        score(pipeline, FRAME, model, None)
    empty = score(pipeline, FRAME.clear(), model, 0.4, version=3)
    assert (empty.height, empty.schema) == (0, found.schema)


def test_multiclass_and_regression() -> None:
    model = multiclass()
    found = score(refit(model, model.candidates[1], FRAME), FRAME, model, None)
    parts = found.select("score:a", "score:b", "score:c")
    assert parts.sum_horizontal().to_list() == pytest.approx([1.0] * 300)
    assert found["score"].to_list() == parts.max_horizontal().to_list()
    model = regression()
    found = score(refit(model, model.candidates[1], FRAME), FRAME, model, None)
    assert found["score"].equals(found["prediction"], check_names=False)


def test_a_row_is_scored_the_same_alone_and_in_company() -> None:
    for number in range(3):
        model = declare()
        pipeline = refit(model, model.candidates[number], FRAME)
        together = score(pipeline, FRAME, model, 0.4)["score"][17]
        alone = score(pipeline, FRAME[17:18], model, 0.4)["score"].item()
        assert alone == pytest.approx(together, abs=1e-12)


def test_a_large_window_is_scored_in_pieces(monkeypatch) -> None:
    for model in (declare(), multiclass(), regression()):
        pipeline = refit(model, model.candidates[1], FRAME)
        whole = score(pipeline, FRAME, model, 0.4)
        monkeypatch.setattr(batch, "ROWS_AT_ONCE", 70)
        assert_frame_equal(score(pipeline, FRAME, model, 0.4), whole, rel_tol=1e-12)
        monkeypatch.undo()


def test_bad_rows_are_kept_from_the_model_and_kept() -> None:
    frame = FRAME.drop("y").with_columns(
        pl.when(pl.int_range(pl.len()) < 4).then(-1.0).otherwise(pl.col("income (€)")).alias("income (€)")
    )
    found = input_contract.check(frame, declare(), now=NOW)
    assert (found.accepted.height, found.quarantined.height) == (296, 4)
    assert found.problems == ()
    with pytest.raises(ContractError, match="'born'"):
        input_contract.check(frame.drop("born"), declare(), now=NOW)


def test_group_columns_may_be_missing_from_a_feed() -> None:
    model = declare(protected=["sex"])
    assert input_contract.check(FRAME, model, now=NOW).accepted.height == 300
    carried = input_contract.check(FRAME.with_columns(sex=pl.lit("w")), model, now=NOW).accepted
    assert "sex" in carried.columns


def test_prediction_id_tells_where_to_look() -> None:
    model = declare()
    pipeline = refit(model, model.candidates[0], FRAME)
    text = score(pipeline, FRAME, model, 0.4, version="12", window="2020-05-01")["prediction_id"][0]
    found = parse(text)
    assert (found.model, found.window, found.version, str(found)) == ("odd_table", "2020-05-01", "12", text)
    snapshot = score(pipeline, FRAME, model, 0.4, version=1)["prediction_id"][0]
    assert parse(snapshot).window == "snapshot"
    for wrong in ("", "odd_table", "odd_table:2020:v1:" + "0" * 32, "../x:2020-05-01:v1:" + "0" * 32):
        with pytest.raises(ValueError, match="expected a prediction id"):
            parse(wrong)


@pytest.mark.parametrize("ids", [["a", "é€", "", None], [1, -2, None], [1.5, 2.0]])
def test_prediction_ids_of_a_column_are_those_of_its_rows(ids: list) -> None:
    series = pl.Series("id", ids)
    found = prediction_ids(series, "m", "2020-05-01", 3)
    texts = series.cast(pl.String).to_list()
    assert found.name == "prediction_id"
    hashed = [hashlib.blake2s(str(text).encode(), digest_size=16).hexdigest() for text in texts]
    assert found.to_list() == [f"m:2020-05-01:v3:{digest}" for digest in hashed]
    assert prediction_ids(series.clear(), "m", None, 3).to_list() == []


def test_threshold_is_declared_or_the_share_of_positives() -> None:
    assert decision_threshold(declare(), 0.3) == 0.3
    assert decision_threshold(declare(decision_threshold=0.2), 0.3) == 0.2
    assert decision_threshold(regression(), 0.3) is None
