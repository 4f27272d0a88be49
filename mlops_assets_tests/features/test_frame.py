import numpy as np
import polars as pl
import pytest

from mlops_assets.features.frame import MISSING, required_columns, target_vector, to_model_frame
from mlops_assets_tests.training.tables import declare, multiclass, regression, table


def test_types_do_not_depend_on_how_a_column_arrived() -> None:
    frame = table(100)
    other = frame.with_columns(
        pl.col("code").cast(pl.Float64), pl.col("größe").cast(pl.Categorical), pl.col("born").cast(pl.Date)
    )
    first, second = to_model_frame(frame, declare()), to_model_frame(other, declare())
    assert first.equals(second)
    assert set(first["code"]) == {"1", "2", "3", "4"}
    assert set(first["blank"]) == {MISSING}


def test_ordinals_are_ranks_dates_are_ages_and_infinities_are_gaps() -> None:
    frame = table(50).with_columns(pl.lit(float("inf")).alias("constant"))
    made = to_model_frame(frame, declare())
    assert made["grade"].tolist() == [["low", "mid", "high"].index(g) for g in frame["grade"]]
    assert made["born"].iloc[0] == (frame["opened"][0] - frame["born"][0]).days
    assert made["constant"].isna().all()
    assert set(made["flag"].dropna()) <= {0.0, 1.0}


def test_targets() -> None:
    frame = table(80)
    assert target_vector(frame, declare()).tolist() == [int(y == "bad") for y in frame["y"]]
    assert target_vector(frame, multiclass()).tolist() == frame["kind"].to_list()
    assert target_vector(frame, regression()).dtype == np.float64
    as_bool = frame.with_columns((pl.col("y") == "bad").alias("y"))
    assert target_vector(as_bool, declare(target={"column": "y", "positive": True})).sum() == as_bool["y"].sum()
    with pytest.raises(ValueError, match="targets are missing"):
        target_vector(frame.with_columns(pl.lit(None, dtype=pl.String).alias("y")), declare())


def test_the_columns_a_model_reads_are_all_it_needs() -> None:
    """A date becomes an age at the event: a window kept without its event time once stopped every verdict."""
    frame, dated, plain = table(20), declare(), declare(features={"code": "categorical"})
    assert required_columns(dated) == (*dated.features, "opened")
    assert required_columns(plain) == ("code",)
    for model in (dated, plain):
        kept = frame.select(required_columns(model))
        assert to_model_frame(kept, model).equals(to_model_frame(frame, model))
    without_time = declare(event_time=None, training={}, monitoring={}, features={"born": "date"})
    assert required_columns(without_time) == ("born",)
