import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.two_tables.comparison import compare_tables
from mlops_assets.monitoring.two_tables.page import write_page
from mlops_assets_tests.monitoring.streams import DATA, customers, scored_customers


@pytest.fixture
def tables(tmp_path):
    customers(3000, 1).with_row_index("id").write_parquet(tmp_path / "before.parquet")
    broken = customers(2000, 2).with_row_index("id").with_columns(pl.col("amount") * 1000, pl.col("id") + 3000)
    broken.write_parquet(tmp_path / "now.parquet")
    return tmp_path


def test_a_fault_is_named_in_every_form(tables):
    found = compare_tables(tables / "before.parquet", tables / "now.parquet")
    assert found.verdict["kind"] == "data_quality"
    assert found.verdict["severity"] == "act"
    assert found.verdict["columns"] == ["amount"]
    assert found.columns[0].name == "amount"
    assert found.columns[0].fault == "unit_change"
    assert found.left_out == {"id": "an identifier: whole numbers, each once"}
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["verdict"]["rows"] == 2000
    page = write_page(found, tables / "out" / "page.html").read_text()
    assert "unit change" in page
    assert "Not compared" in page


def test_a_change_counts_though_there_is_but_one_window(tables):
    now = customers(2000, 2).with_columns(pl.col("age") + 10)
    now.write_parquet(tables / "older.parquet")
    found = compare_tables(tables / "before.parquet", tables / "older.parquet")
    assert (found.health.severity, found.health.kind) == ("act", "covariate_shift")


def test_csv_delta_and_duckdb_give_the_same_verdict(tables):
    expected = compare_tables(tables / "before.parquet", tables / "now.parquet").drift
    for name in ("before", "now"):
        frame = pl.read_parquet(tables / f"{name}.parquet")
        frame.write_csv(tables / f"{name}.csv")
        frame.with_columns(pl.col("id").cast(pl.Int64)).write_delta(str(tables / f"{name}_delta"))
    for ending, engine in ((".csv", "polars"), ("_delta", "polars"), (".parquet", "duckdb"), (".csv", "duckdb")):
        found = compare_tables(tables / f"before{ending}", tables / f"now{ending}", engine).drift
        assert [(c.name, c.severity, c.fault) for c in found.columns] == [
            (c.name, c.severity, c.fault) for c in expected.columns
        ]
        assert [c.value for c in found.columns] == pytest.approx([c.value for c in expected.columns])


def test_a_table_compared_with_itself_has_not_changed_and_that_is_said(tables):
    found = compare_tables(tables / "before.parquet", tables / "before.parquet")
    assert (found.verdict["severity"], found.verdict["kind"]) == ("none", "none")
    assert any("all rows are those of the reference" in remark for remark in found.verdict["remarks"])


def test_repeated_identifiers_are_named(tables):
    now = pl.read_parquet(tables / "now.parquet")
    pl.concat([now, now.head(7)]).with_columns(pl.col("amount") / 1000).write_parquet(tables / "again.parquet")
    found = compare_tables(tables / "before.parquet", tables / "again.parquet", identifier="id")
    assert "7 of 2007 rows repeat a value of the identifier id" in found.verdict["reasons"][0]


def test_the_time_between_two_windows_is_not_drift(tables):
    for name, day in (("t1", 1), ("t2", 40)):
        frame = customers(2000, day).with_columns(
            day=pl.date(2024, 1, 1) + pl.duration(days=pl.int_range(2000) % 28 + day)
        )
        frame.write_parquet(tables / f"{name}.parquet")
    found = compare_tables(tables / "t1.parquet", tables / "t2.parquet")
    assert found.left_out == {"day": "the time that separates the tables"}
    assert found.verdict["severity"] == "none"


def test_a_clock_without_the_type_of_one_is_not_drift(tables):
    for name, start in (("t1", 0.0), ("t2", 0.5)):
        frame = customers(2000, int(start * 10) + 1)
        frame.with_columns(date=start + pl.int_range(2000) // 5 / 800).write_parquet(tables / f"{name}.parquet")
    found = compare_tables(tables / "t1.parquet", tables / "t2.parquet")
    assert list(found.left_out) == ["date"]
    assert found.verdict["severity"] == "none"
    # The same numbers in another order are a column like others.
    shuffled = pl.read_parquet(tables / "t2.parquet").with_columns(pl.col("date").shuffle(seed=1))
    shuffled.write_parquet(tables / "t3.parquet")
    assert compare_tables(tables / "t1.parquet", tables / "t3.parquet").verdict["columns"] == ["date"]


def truncated(folder):
    whole = (folder / "now.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    return folder / "cut.parquet"


def empty(folder):
    pl.read_parquet(folder / "now.parquet").clear().write_parquet(folder / "empty.parquet")
    return folder / "empty.parquet"


def unrelated(folder):
    pl.DataFrame({"z": [1, 2]}).write_parquet(folder / "z.parquet")
    return folder / "z.parquet"


@pytest.mark.parametrize(
    ("current", "names"),
    [
        (truncated, ["cut.parquet"]),
        (empty, ["empty.parquet"]),
        (unrelated, ["z.parquet", "amount"]),
        (lambda folder: folder / "nothing.parquet", ["nothing.parquet", "not found"]),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(tables, current, names):
    with pytest.raises(ValueError) as refused:
        compare_tables(tables / "before.parquet", current(tables))
    for name in names:
        assert name in str(refused.value)


def test_options_that_do_not_fit_are_refused(tables):
    with pytest.raises(ValueError, match="no column 'zz' to ignore"):
        compare_tables(tables / "before.parquet", tables / "now.parquet", ignore=["zz"])
    with pytest.raises(ValueError, match="found engine 'abacus'"):
        compare_tables(tables / "before.parquet", tables / "now.parquet", "abacus")


def test_a_real_table_against_itself_a_year_later(tmp_path):
    table = pl.read_parquet(DATA / "acs_employment.parquet")
    for year in (2015, 2017):
        table.filter(pl.col("survey_year") == year).write_parquet(tmp_path / f"{year}.parquet")
    found = compare_tables(tmp_path / "2015.parquet", tmp_path / "2017.parquet", ignore=["survey_year"])
    assert found.verdict["severity"] == "none"
    assert "person_id" in found.left_out


WINDOWS = {
    "nothing": lambda w: w,
    "a unit": lambda w: w.with_columns(pl.col("amount") * 1000),
    "nulls and infinities": lambda w: w.with_columns(  # and a renamed category
        pl.col("product").replace("plus", "PLUS"),
        amount=pl.when(pl.col("age") > 60).then(None).when(pl.col("age") < 25).then(float("inf")).otherwise("amount"),
    ),
    "a renamed category": lambda w: w.with_columns(pl.col("state").replace("CA", "California")),
    "older people": lambda w: w.with_columns(pl.col("age") + 10),
    "a pair that came apart": lambda w: w.with_columns(visits=w["visits"].sort()),
    "no such column": lambda w: w.drop("rate"),
}


def to_nine_digits(content):
    """Means are sums of floats: in which order an engine adds is its own affair."""
    return json.loads(json.dumps(content), parse_float=lambda text: float(f"{float(text):.9g}"))


def with_capitals(table):
    """A further column whose name differs from another one's in capitals only."""
    return table.with_columns(AGE=pl.int_range(pl.len()) % 7)


def alike(engine, folder, windows):
    """The engine's verdict on every window is that of Polars: counts are equal, so all that follows from them is."""
    with_capitals(scored_customers(4000, 1)).write_parquet(folder / "reference.parquet")
    for name in windows:
        path = folder / "window.parquet"
        with_capitals(WINDOWS[name](scored_customers(3000, 2))).write_parquet(path)
        expected, found = (
            compare_tables(folder / "reference.parquet", path, e, target="outcome", score="score").to_dict()
            for e in ("polars", engine)
        )
        assert found.pop("engine") == engine
        expected.pop("engine")
        assert to_nine_digits(found) == to_nine_digits(expected), name


def test_duckdb_gives_the_verdicts_of_polars(tmp_path):
    alike("duckdb", tmp_path, WINDOWS)


def test_spark_gives_the_verdicts_of_polars(tmp_path):
    sql = pytest.importorskip("pyspark.sql")
    builder = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
    )
    builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.sql.shuffle.partitions", "1")
    builder = builder.config("spark.sql.caseSensitive", "true")
    try:
        session = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    except Exception as why:  # PySpark is there, Java is not.
        pytest.skip(f"Spark does not start: {why}")
    try:
        alike("pyspark", tmp_path, ["nulls and infinities"])
    finally:
        session.stop()


def test_spark_reads_parquet_only(tables):
    pl.read_parquet(tables / "now.parquet").write_csv(tables / "now.csv")
    with pytest.raises(ValueError, match="with pyspark a Parquet file"):
        compare_tables(tables / "before.parquet", tables / "now.csv", "pyspark")


@pytest.mark.parametrize(
    ("outcome", "score", "said"),
    [
        (lambda n: [5 <= i < 25 for i in range(n)], None, None),
        (lambda n: [i * 1.7 for i in range(n)], ["a", "b"], "expected predictions of a number"),
    ],
    ids=["all positives follow each other, so a fold has none", "a text is no prediction of a number"],
)
def test_outcomes_that_are_hard_to_learn_or_to_score(tmp_path, outcome, score, said):
    rows = customers(600, 3).with_columns(y=pl.Series(outcome(600)))
    if score:
        rows = rows.with_columns(p=pl.Series(score * 300))
    rows.write_parquet(tmp_path / "before.parquet")
    rows.reverse().head(500).write_parquet(tmp_path / "now.parquet")
    tables = tmp_path / "before.parquet", tmp_path / "now.parquet"
    if said:
        with pytest.raises(ValueError, match=said):
            compare_tables(*tables, target="y", score="p")
    else:
        found = compare_tables(*tables, target="y").outcomes
        assert found is not None
        assert (found.task, found.reference_rows) == ("binary", 600)


def test_a_score_that_became_text_is_a_broken_feed_and_no_crash(tmp_path):
    rows = scored_customers(1000, 5)
    rows.write_parquet(tmp_path / "before.parquet")
    rows.with_columns(score=pl.lit("n/a")).reverse().write_parquet(tmp_path / "now.parquet")
    found = compare_tables(tmp_path / "before.parquet", tmp_path / "now.parquet", target="outcome", score="score")
    assert found.health.kind == "data_quality"
    assert "score" in found.health.columns


def test_lists_are_left_out_by_name(tmp_path):
    rows = customers(600, 3)
    rows.with_columns(l=pl.lit([1, 2]), d=pl.duration(days="age")).write_parquet(tmp_path / "before.parquet")
    customers(500, 4).with_columns(l=pl.lit([1, 2]), m=pl.struct("age")).write_parquet(tmp_path / "now.parquet")
    found = compare_tables(tmp_path / "before.parquet", tmp_path / "now.parquet")
    assert found.left_out["l"] == found.left_out["d"] == "of a type that is not compared"
    assert {"l", "m", "d"} & {c.name for c in found.columns} == set()


def write_stream(folder: Path, memory: float = 0.97) -> tuple[Path, Path]:
    """A reference and, after a gap, a window of one stream whose neighbours are alike."""
    from scipy.signal import lfilter

    drawn = np.random.default_rng(4).normal(size=(13_000, 3)) * np.sqrt(1 - memory**2)
    stream = pl.DataFrame(lfilter([1], [1, -memory], drawn, axis=0), schema=list("abc")).with_row_index("minute")
    reference, window = folder / "reference.parquet", folder / "window.parquet"
    stream[1000:11_000].write_parquet(reference)
    stream[12_000:].write_parquet(window)
    return reference, window


def test_a_stream_in_order_is_held_against_its_own_variation(tmp_path: Path) -> None:
    reference, window = write_stream(tmp_path)
    assert compare_tables(reference, window, time="minute").health.severity == "none"
    assert compare_tables(reference, window, in_order=True, ignore=["minute"]).health.severity == "none"


def test_rows_that_stand_in_an_order_are_taken_in_it_and_that_is_said(tmp_path: Path) -> None:
    reference, window = write_stream(tmp_path)
    found = compare_tables(reference, window)
    assert found.health.severity == "none"
    assert any("--any-order" in remark for remark in found.remarks)
    assert compare_tables(reference, window, in_order=False).health.severity != "none"


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (None, "drawn anew, rows have no order"),
        ("a", "sorted by a number"),
        ("group", "sorted by a category, and the numbers go with it"),
    ],
)
def test_rows_without_an_order_or_merely_sorted_are_taken_as_independent(tmp_path: Path, order: str, why: str) -> None:
    reference, window = write_stream(tmp_path)
    group = (pl.col("a").round().clip(-1, 1)).cast(pl.Int8).cast(pl.String).alias("group")
    for path in (reference, window):
        rows = pl.read_parquet(path).with_columns(group).sample(fraction=1.0, shuffle=True, seed=3)
        (rows.sort(order) if order else rows).drop("minute").write_parquet(path)
    found = compare_tables(reference, window)
    assert found.health.severity == compare_tables(reference, window, in_order=False).health.severity != "none", why
    assert not any("--any-order" in remark for remark in found.remarks)


def test_an_alarm_that_no_order_explains_has_no_such_remark(tmp_path: Path) -> None:
    reference, window = write_stream(tmp_path, memory=0.0)
    pl.read_parquet(window).with_columns(pl.col("a") + 1).write_parquet(window)
    found = compare_tables(reference, window)
    assert found.health.severity != "none"
    assert not any("--any-order" in remark for remark in found.remarks)


def test_the_page_of_hostile_tables_steers_nothing(tables):
    rows = customers(400, 3)
    hostile = "\x1b[2J<script>\u202e"
    pl.DataFrame(rows.with_columns(pl.lit("a").alias(hostile))).write_parquet(tables / "hostile_before.parquet")
    now = rows.with_columns(pl.lit(hostile).alias(hostile), pl.lit(1).alias("more" + hostile))
    now.write_parquet(tables / "hostile_now.parquet")
    found = compare_tables(tables / "hostile_before.parquet", tables / "hostile_now.parquet")
    page = write_page(found, tables / "hostile.html").read_text()
    assert "\\u001b[2J&lt;script&gt;\\u202e" in page
    assert not any(c in page for c in ("\x1b", "\u202e", "<script"))
