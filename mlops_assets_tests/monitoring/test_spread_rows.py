from itertools import pairwise

import polars as pl
import pytest

from mlops_assets.monitoring.spread_rows import spread_rows


@pytest.mark.parametrize(
    ("rows", "most", "kept"),
    [(0, 5, 0), (4, 5, 4), (5, 5, 5), (6, 5, 5), (9, 5, 5), (10, 5, 5), (19_999, 5_000, 5_000)],
)
def test_rows_come_from_the_whole_table(rows, most, kept):
    frame = pl.LazyFrame({"a": range(rows), "b": range(rows)}, schema={"a": pl.Int64, "b": pl.Int64})
    found = spread_rows(frame, ["a"], most)
    assert found.columns == ["a"]
    places = found["a"].to_list()
    assert (len(places), places) == (kept, sorted(set(places)))
    if rows > most:
        apart = [after - before for before, after in pairwise(places)]
        assert max(apart) - min(apart) <= 1
        assert rows - places[-1] <= rows // most + 1, "the end of the table counts like its beginning"
