"""A table checked in pieces says what it says as a whole, whatever is wrong with it and wherever a piece ends."""

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.datasets.contract import ContractError, Tally
from mlops_assets.scoring.input_contract import check, check_in_pieces
from mlops_assets_tests.training.tables import declare, table

NOW = datetime(2022, 1, 1, tzinfo=UTC)
FRAME = table(300)
ROW = pl.int_range(pl.len())


def with_ids(**replaced: str | None) -> pl.DataFrame:
    """The table with the ids of some rows (`r7`) replaced."""
    ids = FRAME["row id"].to_list()
    for row, value in replaced.items():
        ids[int(row[1:])] = value
    return FRAME.with_columns(pl.Series("row id", ids))


def copied(*rows: int) -> pl.DataFrame:
    """The table with these of its rows once more at its end."""
    return pl.concat([FRAME, FRAME[list(rows)]])


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (FRAME, "nothing"),
        (FRAME.clear(), "no rows"),
        (copied(3, 3, 150), "identical rows in other pieces: the first one stays"),
        (with_ids(r5="r00250"), "rows of two pieces contradict each other"),
        (pl.concat([copied(10, 10), with_ids(r5="r00010")[5:6]]), "copies, and one that contradicts them"),
        (with_ids(r1=None, r2=None, r299=None), "missing ids do not repeat each other"),
        (copied(*range(300)), "a batch sent twice"),
        (
            FRAME.with_columns(pl.when(ROW % 70 == 3).then(-1.0).otherwise("income (€)").alias("income (€)")),
            "bad rows in every piece",
        ),
        (
            FRAME.with_columns(pl.when(ROW < 120).then(-1.0).otherwise("income (€)").alias("income (€)")),
            "a piece of which nothing is left",
        ),
        (FRAME.with_columns(pl.col("row id").cast(pl.Categorical)), "ids as a dictionary"),
        (FRAME.with_columns(ROW.cast(pl.Float64).alias("row id")), "ids that came as whole floats"),
        (
            pl.concat([FRAME, FRAME[:1]]).with_columns((ROW + 0.5 * (ROW == 299)).alias("row id")),
            "one id that is no whole number makes all of them text, in the pieces before it too",
        ),
        (FRAME.with_columns(code=pl.lit(3.0)), "a category that came as floats"),
        (FRAME.with_columns(code=pl.when(ROW == 299).then(2.5).otherwise(3.0)), "one of which is none"),
        (FRAME.with_columns(pl.lit(1).alias("further")), "a column that nobody reads"),
    ],
)
def test_in_pieces_as_in_one(frame: pl.DataFrame, why: str) -> None:
    model = declare()
    whole = check(frame, model, now=NOW)
    tally = Tally(extra_columns=whole.extra_columns)
    found = list(check_in_pieces(frame.lazy(), model, now=NOW, size=70))
    for piece in found:
        tally.add(piece)
    assert tally.to_dict() == whole.to_dict(), why
    assert list(tally.summary) == list(whole.summary)
    assert_frame_equal(pl.concat([piece.accepted for piece in found]), whole.accepted)
    assert_frame_equal(pl.concat([piece.quarantined for piece in found]), whole.quarantined)


def test_a_missing_column_is_named_before_a_row_is_read() -> None:
    with pytest.raises(ContractError, match="'born'"):
        next(check_in_pieces(FRAME.lazy().drop("born"), declare(), now=NOW))
