from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets.declared_data import data_mistakes
from mlops_assets.project import DeclaredModel
from mlops_assets_tests.datasets.test_deliver import declared, month

DECLARED = "attributes:\n  target: bad\n  features:\n    age: numeric\n"


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (None, ["file not found"]),
        (
            month(1, bad=pl.lit(2, dtype=pl.Int64)).drop("age"),
            [
                ":4: features.age: the table has no column 'age'",
                ":2: target.positive: the positive value '1' never occurs in 'bad'; found '2'",
            ],
        ),
        (month(1, day=pl.lit(20240101, dtype=pl.Int64)), ["format: yyyymmdd"]),
        (
            pl.concat([month(1), month(2, bad=pl.lit(1, dtype=pl.Int64)), month(3, bad=pl.lit(2, dtype=pl.Int64))]),
            ["two values, found 3"],
        ),
        (pl.concat([month(1), month(2, bad=pl.lit(1, dtype=pl.Int64))]), []),
    ],
    ids=["no file", "no column and no positive", "another format", "three values", "as declared"],
)
def test_every_mistake_in_view_of_the_data_is_found(
    tmp_path: Path, frame: pl.DataFrame | None, found: list[str]
) -> None:
    if frame is not None:
        frame.write_parquet(tmp_path / "a.parquet")
    path = tmp_path / "defs.yaml"
    path.write_text(DECLARED)
    mistakes = data_mistakes(DeclaredModel("m", path, declared("a.parquet")), tmp_path)
    assert len(mistakes) == len(found)
    assert all(text in mistake for text, mistake in zip(found, mistakes, strict=True))
