import numpy as np
import polars as pl
import pytest

from mlops_assets.features.frame import to_model_frame
from mlops_assets.features.transformer import Form, build_transformer, features_digest, output_columns
from mlops_assets_tests.training.tables import declare, table


@pytest.mark.parametrize("form", ["linear", "trees"])
def test_every_output_column_belongs_to_exactly_one_feature(form: Form) -> None:
    frame, model = table(600), declare()
    rows = to_model_frame(frame, model)
    transformer = build_transformer(model, form).fit(rows)
    blocks = output_columns(transformer)
    matrix = transformer.transform(rows)
    assert sorted(c for columns in blocks.values() for c in columns) == list(range(matrix.shape[1]))
    assert not np.isnan(matrix).any()
    for name, columns in blocks.items():
        changed = rows.copy()
        changed[name] = rows[name].to_numpy()[::-1]
        moved = np.flatnonzero((transformer.transform(changed) != matrix).any(axis=0))
        assert set(moved) <= set(columns), name


@pytest.mark.parametrize("form", ["linear", "trees"])
def test_unseen_and_missing_values_are_no_surprise(form: Form) -> None:
    model = declare()
    transformer = build_transformer(model, form).fit(to_model_frame(table(600), model))
    fresh = table(20, seed=9).with_columns(
        pl.lit("neu").alias("größe"), pl.lit(None, dtype=pl.Float64).alias("constant"), pl.lit(3.0).alias("empty")
    )
    assert np.isfinite(transformer.transform(to_model_frame(fresh, model))).all()


def test_digest_tells_equal_features_from_different_ones() -> None:
    model, frame = declare(), table(300)
    transformer = build_transformer(model).fit(to_model_frame(frame, model))
    again = build_transformer(model).fit(to_model_frame(frame, model))
    probe = frame.head(50)
    assert features_digest(transformer, probe, model) == features_digest(again, probe, model)
    moved = probe.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(9).otherwise(pl.col("code")).alias("code"))
    assert features_digest(transformer, moved, model) != features_digest(transformer, probe, model)
