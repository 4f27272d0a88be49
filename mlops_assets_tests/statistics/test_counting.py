import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

ROLES = {"x": "numeric", "i": "numeric", "k": "categorical", "yes": "boolean", "d": "date", "t": "date", "u": "date"}


def table(rows=2000, seed=1):
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": [None, math.nan, math.inf, -math.inf, *generator.normal(size=rows - 4)],
            "i": generator.poisson(3, rows),
            "k": generator.choice(["a", "b", f"only {seed}", None], rows, p=[0.5, 0.3, 0.1, 0.1]).tolist(),
            "yes": generator.random(rows) < 0.3,
            "d": [date(2020, 1, 1 + i % 28) for i in range(rows)],
            "t": [datetime(2020, 1, 1 + i % 28, i % 24) for i in range(rows)],  # noqa: DTZ001 - wall-clock
            "u": [datetime(2020, 1, 1 + i % 28, i % 24, tzinfo=UTC) for i in range(rows)],
        }
    )


@pytest.fixture(scope="module")
def profile():
    return build_profile(table(), ROLES)


def alike(found, expected):
    """The same but for the last bits of a mean, which depend on the order of summing."""
    assert found.rows == expected.rows
    for name, column in expected.columns.items():
        other = found.columns[name]
        assert replace(other, mean=None, dtype="") == replace(column, mean=None, dtype=""), name
        assert other.mean == pytest.approx(column.mean)


def test_by_hand(profile):
    counts = count_window(table(seed=2), profile)
    x, k = counts.columns["x"], counts.columns["k"]
    assert (counts.rows, x.nulls, x.infinite, sum(x.counts)) == (2000, 2, 2, 1996)
    finite = table(seed=2)["x"].fill_nan(None).drop_nulls().to_numpy()
    finite = finite[np.isfinite(finite)]
    assert x.counts[0] == (finite < profile.columns["x"].edges[0]).sum()
    assert x.minimum == finite.min()
    assert k.new == {"only 2": k.new_rows}
    assert k.new_rows == (table(seed=2)["k"] == "only 2").sum()
    assert counts.extra == ()


def test_lazy_frame_and_file_count_alike(profile, tmp_path):
    window = table(seed=2)
    window.write_parquet(tmp_path / "w.parquet")
    expected = count_window(window, profile)
    alike(count_window(window.lazy(), profile), expected)
    alike(count_window(pl.scan_parquet(tmp_path / "w.parquet"), profile), expected)


def test_duckdb_counts_alike(profile, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    window = table(seed=2)
    expected = count_window(window, profile)
    alike(count_window(window, profile, engine="duckdb"), expected)
    path = tmp_path / "w.parquet"
    window.write_parquet(path)
    alike(count_window(duckdb.connect().read_parquet(str(path)), profile), expected)


def test_spark_counts_alike(profile, tmp_path):
    sql = pytest.importorskip("pyspark.sql")
    window = table(seed=2)
    path = tmp_path / "w.parquet"
    window.write_parquet(path)
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "1").config("spark.sql.session.timeZone", "UTC")
    try:
        session = builder.getOrCreate()
    except Exception as why:  # PySpark is there, Java is not.
        pytest.skip(f"Spark does not start: {why}")
    try:
        alike(count_window(session.read.parquet(str(path)), profile), count_window(window, profile))
    finally:
        session.stop()


CAPITALS = pl.DataFrame({"age": [1.0, 2.0, 3.0], "Age": ["a", "b", "b"], "AGE": [10, 20, 30], "other": [1, 2, 3]})


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_names_that_differ_only_in_capitals_are_columns_of_their_own(engine):
    profile = build_profile(CAPITALS, {"age": "numeric", "Age": "categorical", "AGE": "numeric"})
    found = count_window(CAPITALS, profile, engine)
    assert {name: column.name for name, column in found.columns.items()} == {n: n for n in ("age", "Age", "AGE")}
    assert (found.columns["age"].maximum, found.columns["AGE"].maximum) == (3, 30)
    assert (found.columns["Age"].distinct, found.extra) == (2, ("other",))


def test_an_unknown_engine_is_refused(profile):
    with pytest.raises(ValueError, match="found engine 'abacus', expected polars, duckdb or pyspark"):
        count_window(table(), profile, engine="abacus")


def test_rows_far_outside_the_reference_are_counted():
    profile = build_profile(pl.DataFrame({"x": [1.0, 2.0, 3.0]}), {"x": "numeric"})
    # One range's width beyond it, -1 to 5, is not far.
    window = pl.DataFrame({"x": [-1.5, -1.0, 1.0, 3.0, 5.0, 5.5, 9.0, None, math.nan, math.inf, -math.inf]})
    assert count_window(window, profile).columns["x"].outside == 3
    assert count_window(window, profile, engine="duckdb").columns["x"].outside == 3


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String], ids=str)
def test_a_whole_number_is_the_same_category_with_and_without_a_decimal(dtype):
    known = pl.DataFrame({"k": [1, 2, 2]})
    for reference in (known, known.cast(pl.Float64)):
        window = pl.DataFrame({"k": [2, 1, 3]}).cast(dtype)
        counts = count_window(window, build_profile(reference, {"k": "categorical"})).columns["k"]
        assert (counts.counts, counts.new_rows) == ((1, 1), 1)


def test_values_beyond_those_listed_are_counted_by_name():
    profile = build_profile(pl.DataFrame({"k": [f"v{i}" for i in range(300)]}), {"k": "categorical"})
    counts = count_window(pl.DataFrame({"k": ["w"] * 5 + ["v299"]}), profile).columns["k"]
    assert counts.unlisted["w"] == 5
    assert (counts.new, counts.new_rows) == ({}, 0)


@pytest.mark.parametrize(
    ("window", "check", "why"),
    [
        (table().drop("x"), lambda c: c.columns["x"].missing, "a missing column"),
        (table().with_columns(x=pl.lit("a")), lambda c: c.columns["x"].wrong_type, "text for a number"),
        (table().with_columns(z=1), lambda c: c.extra == ("z",), "an extra column"),
        (table().clear(), lambda c: c.rows == 0 and c.columns["x"].present == 0, "no rows"),
        (table().head(1), lambda c: c.columns["x"].nulls == 1, "one row"),
        (table().with_columns(x=pl.lit(None, pl.Float64)), lambda c: c.columns["x"].present == 0, "all nulls"),
        (table().with_columns(x=pl.lit(None)), lambda c: c.columns["x"].rows == 2000, "nulls without a type"),
        (table().with_columns(k=pl.lit(5)), lambda c: c.columns["k"].new == {"5": 2000}, "numbers for text"),
    ],
)
def test_bad_windows_are_counted(profile, window, check, why):
    assert check(count_window(window, profile)), why


def test_a_million_categories_are_kept_short():
    values = pl.DataFrame({"k": pl.int_range(1_000_000, eager=True).cast(pl.String)})
    profile = build_profile(pl.DataFrame({"k": ["a", "b"] * 500}), {"k": "categorical"})
    counts = count_window(values, profile).columns["k"]
    assert counts.new_rows == 1_000_000
    assert len(counts.new) == 50
    wide = build_profile(values, {"k": "categorical"}).columns["k"]
    assert len(wide.categories) == 200
    assert wide.others == 999_800
