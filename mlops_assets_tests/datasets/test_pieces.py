from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.pieces import StoredRows, pieces, regrouped

ROWS = pl.DataFrame({"id": range(1050), "name": [f"é{i}" for i in range(1050)]})


@pytest.mark.parametrize(
    ("rows", "size", "heights", "why"),
    [
        (ROWS, 400, [400, 400, 250], "the last one is smaller"),
        (ROWS, 350, [350, 350, 350], "no empty piece at the end"),
        (ROWS, None, [1050], "a small table is one piece"),
        (ROWS.clear(), 10, [0], "a table without rows still has columns"),
    ],
)
def test_pieces_are_the_rows_in_their_order(rows, size, heights, why):
    found = list(pieces(rows.lazy(), size))
    assert [piece.height for piece in found] == heights, why
    assert pl.concat(found).equals(rows)


@pytest.mark.parametrize(
    ("given", "heights", "why"),
    [
        ([300, 300, 450], [400, 400, 250], "where a piece begins depends on the rows alone"),
        ([0, 1050], [400, 400, 250], "one of which nothing was left"),
        ([400, 400], [400, 400], "no empty piece at the end"),
        ([0, 0], [0], "of no rows one empty piece"),
    ],
)
def test_regrouped_rows_are_the_same_rows(given, heights, why):
    edges = np.cumsum([0, *given])
    found = list(regrouped((ROWS[a:b] for a, b in pairwise(edges)), 400))
    assert [piece.height for piece in found] == heights, why
    assert pl.concat(found).equals(ROWS[: edges[-1]])


def test_rows_of_a_stored_table_are_taken_by_position(tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet", row_group_size=100)
    stored = StoredRows(pl.scan_parquet(tmp_path / "rows.parquet"), ROWS.height)
    positions = np.array([0, 7, 99, 100, 1049])
    assert (stored.height, stored.columns) == (1050, ROWS.columns)
    assert stored[positions].equals(ROWS[positions])
