"""The two tables of `mlops drift`, read: whole, in part, and by the engine that is asked for.

Belongs here: opening tables and errors that name them. Not here: what is made of the rows (`tables.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.datasets.sources import SourceError, scan
from mlops_assets.declaration.source import Source
from mlops_assets.statistics.between_periods import LEVEL
from mlops_assets.statistics.counting import WindowCounts, count_window, distinct_names
from mlops_assets.statistics.profile import Profile, build_profile
from mlops_assets.statistics.resampling import spread_positions

SAMPLE_ROWS = 5000
NAMELESS = "(no name)"


def open_table(table: str | Path) -> pl.LazyFrame:
    """A Parquet, CSV or Delta table, not read yet but for text.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        frame = scan(Source(path=str(table)), Path.cwd())
    except SourceError as error:
        # There is no declaration here in which anything could be corrected.
        raise SourceError(str(error).replace("`source.path` in the declaration", "the path")) from error
    if "" in frame.collect_schema().names():
        # The column of row numbers that some tools write has no name.
        frame = frame.rename({"": NAMELESS})
    # Text is read once: every column of it costs the whole file.
    return frame.collect().lazy() if str(table).lower().endswith((".csv", ".tsv", ".gz")) else frame


def profile_table(frame: pl.LazyFrame, roles: dict[str, str], name: str, time: str | None, in_order: bool) -> Profile:
    """Profile of the reference, with the variation of its periods where the order of its rows is known.

    Raises:
        SourceError: the table breaks off; the message has its name.
    """
    try:
        times = None
        if time or in_order:
            order = pl.col(time) if time else pl.int_range(pl.len())
            times = frame.select(order).collect().to_series()
        return build_profile(frame, roles, times=times)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{name} cannot be read to its end: {error}. Is the file whole?") from error


def sample_rows(frame: pl.LazyFrame, names: Sequence[str], time: str | None) -> pl.DataFrame:
    """Rows spread over the table, in the order of time where a column tells it."""
    if time is None or time not in frame.collect_schema().names():
        return spread_rows(frame, names, SAMPLE_ROWS)
    return spread_rows(frame, [*names, time], SAMPLE_ROWS).sort(time, maintain_order=True).drop(time)


def counted_by(
    engine: str, frame: pl.LazyFrame, table: str | Path, profile: Profile, *, as_read: bool = False
) -> WindowCounts:
    """The table as the engine (polars, duckdb, pyspark) reads and counts it; with `as_read` DuckDB is given the frame, in
    which text was read as times.

    Raises:
        SourceError: Spark is not there, is asked for anything but Parquet, or takes two columns for one.
    """
    path = str(table)
    alike = distinct_names(frame.collect_schema().names())
    if engine == "duckdb" and path.endswith(".parquet") and not as_read and not alike:
        import duckdb

        return count_window(duckdb.connect().read_parquet(path), profile)
    if engine != "pyspark":
        return count_window(frame, profile, engine)
    if not path.endswith(".parquet"):
        raise SourceError(f"{path}: with pyspark a Parquet file or a glob of them is expected; use polars or duckdb")
    session = _spark()
    if alike and session.conf.get("spark.sql.caseSensitive") != "true":
        raise SourceError(
            f"{path}: the names of {', '.join(map(repr, alike))} differ only in capitals, and this Spark session takes them "
            "for one; set spark.sql.caseSensitive to true, or use polars or duckdb"
        )
    return count_window(session.read.parquet(path), profile)


def _spark() -> Any:
    """The session that is open (a cluster's, say), or a local one that nobody else can reach."""
    try:
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SourceError(
            "found no pyspark, expected the extra `spark` to be installed; or use polars or duckdb"
        ) from error
    session = SparkSession.getActiveSession()
    if session is not None:
        return session
    alone = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.caseSensitive": "true",
    }
    try:
        session = SparkSession.builder.master("local[*]").config(map=alone).getOrCreate()  # type: ignore[attr-defined]
    except Exception as error:
        raise SourceError(f"Spark does not start: {error}. It needs Java; or use polars or duckdb") from error
    session.sparkContext.setLogLevel("ERROR")
    return session


POSITION = "position of the row"


def spread_rows(frame: pl.LazyFrame, names: Sequence[str], most: int) -> pl.DataFrame:
    """At most `most` rows, in their order, drawn from all over the table.

    Args:
        frame: the whole table.
        names: columns to keep.
        most: number of rows; all of them where there are no more.
    """
    rows = int(frame.select(pl.len()).collect().item())
    kept = frame.select(names)
    if rows > most:
        places = pl.Series(spread_positions(rows, most), dtype=pl.get_index_type())
        kept = kept.with_row_index(POSITION).filter(pl.col(POSITION).is_in(places.implode())).drop(POSITION)
    return kept.collect(engine="streaming")


SAID = (
    "the reference's rows differ from stretch to stretch in the order they stand in, as a stream's do: what its own "
    "stretches differ by was taken for no change; --any-order says that their order means nothing"
)


def looks_ordered(profile: Profile, reference: pl.LazyFrame) -> bool:
    """Whether stretches of the reference differ more than rows in any order would, and it is not merely sorted.

    A table that was sorted by one of its columns has stretches that differ too, but holds each of that column's values in
    one stretch alone; what a stream's columns hold comes back. Rows in any order show no difference, but for one table
    in a hundred.

    Args:
        profile: of the reference, its rows taken in the order they stand in.
        reference: the rows.
    """
    tests = [one.p_value for column in profile.columns.values() for one in column.periods]
    if not tests or min(tests) * len(tests) >= LEVEL:
        return False
    return not any(_sorted(reference, name) for name, column in profile.columns.items() if column.distinct > 1)


def _sorted(reference: pl.LazyFrame, name: str) -> bool:
    """Whether rows stand by this column: rising, falling, or value by value, each in one stretch."""
    values = reference.select(name).collect().to_series()
    if values.is_sorted() or values.is_sorted(descending=True):
        return True
    different = values.n_unique()
    return len(values) >= 2 * different and values.rle_id().n_unique() == different
