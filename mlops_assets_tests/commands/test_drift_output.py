"""What `mlops drift` prints on results of every kind: a table without a crash, and JSON of plain types."""

import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.commands.common import cell
from mlops_assets_tests.commands.conftest import call_in


def rows(number: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    z = generator.normal(size=number)
    return pl.DataFrame(
        {
            "x": z,
            "group": generator.choice(["a", "b"], number),
            "flag": generator.random(number) < 0.3,
            "nothing": pl.Series([None] * number, dtype=pl.Float64),
            "list": [[1, 2]] * number,
            "score": 1 / (1 + np.exp(-z)),
            "bad": (generator.random(number) < 1 / (1 + np.exp(-z))).astype(int),
            "grade": generator.choice(["low", "mid", "high"], number),
            "amount": 3 * z + generator.normal(size=number),
        }
    )


CHANGES = {
    "the same": lambda w: w,
    "few rows": lambda w: w.head(5),
    "missing": lambda w: w.with_columns(x=pl.lit(float("nan")), score=pl.lit(float("inf"))),
    "text": lambda w: w.with_columns(x=pl.lit("word")),
    "no outcome": lambda w: w.with_columns(bad=pl.lit(None, pl.Int64), grade=pl.lit(None, pl.String)),
    "one class": lambda w: w.with_columns(bad=pl.lit(1), grade=pl.lit("low")),
    "a new class": lambda w: w.with_columns(bad=pl.col("bad") + 7, grade=pl.lit("new")),
    "moved": lambda w: w.with_columns(x=pl.col("x") * 100, amount=pl.col("amount") + 9),
}
OPTIONS = {
    "no outcome": ["--target", ""],
    "binary": ["--target", "bad", "--score", "score"],
    "regression": ["--target", "amount", "--score", "x"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_text_and_json_of_every_result(tmp_path, change, options):
    rows(600, 1).write_parquet(tmp_path / "before.parquet")
    change(rows(500, 2)).write_parquet(tmp_path / "now.parquet")
    call = ("drift", tmp_path / "before.parquet", tmp_path / "now.parquet", *options)
    text, as_json = call_in(tmp_path, *call), call_in(tmp_path, *call, "--json")
    assert text.code == as_json.code
    if as_json.code == 2:
        assert "expected" in text.err
        return
    assert "severity" in text.out

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(as_json.out, parse_constant=refuse)
    assert found["verdict"]["severity"] in text.out.replace(" ", "_")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.array([]), "–"),
        (np.array([0.5, 2.0]), "0.5, 2"),
        (np.float64(0.123456), "0.1235"),
        (np.int64(7), "7"),
        (np.bool_(True), "True"),
    ],
)
def test_numpy_values_in_a_cell(value, shown):
    assert cell(value) == shown


def test_names_and_values_do_not_steer_the_terminal(tmp_path):
    hostile = "am\x1b[2Jount\u202e"
    before = rows(600, 1).select("group", pl.col("amount").alias(hostile))
    before.write_parquet(tmp_path / "before.parquet")
    now = before.with_columns(pl.col(hostile) + 50, group=pl.lit("x\x1b[31m\u202e"))
    now.write_parquet(tmp_path / "now.parquet")
    found = call_in(tmp_path, "drift", tmp_path / "before.parquet", tmp_path / "now.parquet")
    assert "am\\u001b[2Jount\\u202e" in found.out
    assert not set(found.out) & set("\x1b\u202e")
