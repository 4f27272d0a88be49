import polars as pl
import pytest

from mlops_assets.monitoring.two_tables.reading import spread_rows


@pytest.mark.parametrize(
    ("rows", "most", "kept"),
    [(0, 5, 0), (4, 5, 4), (5, 5, 5), (6, 5, 5), (9, 5, 5), (10, 5, 5), (19_999, 5_000, 5_000), (20_000, 5_000, 5_000)],
)
def test_rows_come_from_the_whole_table(rows, most, kept):
    frame = pl.LazyFrame({"a": range(rows), "b": range(rows)}, schema={"a": pl.Int64, "b": pl.Int64})
    found = spread_rows(frame, ["a"], most)
    assert found.columns == ["a"]
    places = found["a"].to_list()
    assert (len(places), places) == (kept, sorted(set(places)))
    if rows >= 4 * most:
        halves = sum(place < rows / 2 for place in places)
        assert abs(halves - most / 2) <= 3 * most**0.5, "the end of the table counts like its beginning"


def test_a_cycle_is_met_in_all_of_its_phases():
    """12,000 half-hours, 5,000 of them: at even distances they would be of 20 of the day's 48 only."""
    frame = pl.LazyFrame({"hour": [i % 48 for i in range(12_000)]})
    shares = spread_rows(frame, ["hour"], 5000)["hour"].value_counts()["count"]
    assert len(shares) == 48
    assert shares.min() > 60  # type: ignore[operator]
