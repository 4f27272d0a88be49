import polars as pl
import pytest

from mlops_assets.monitoring.inputs.batches import batch_content, content_digest, faults_of_content, find_batch_faults
from mlops_assets_tests.monitoring.streams import customers

ROWS = customers(500, 1).with_row_index("id")
COLUMNS = [c for c in ROWS.columns if c != "id"]


@pytest.mark.parametrize(
    ("window", "signs", "why"),
    [
        (ROWS, [], "honest rows"),
        (
            ROWS.sample(fraction=1, shuffle=True, seed=1).with_columns(pl.col("id") + 9000),
            ["stale_batch"],
            "sent again",
        ),
        (pl.concat([ROWS, ROWS]), ["duplicated_ids", "duplicated_rows"], "sent twice"),
        (pl.concat([ROWS, ROWS.head(1)]), ["duplicated_ids"], "one identifier twice"),
        (ROWS.clear(), [], "nothing"),
        (ROWS.head(1), [], "one row"),
        (pl.DataFrame({"amount": [1.0] * 500}), [], "all alike is another fault"),
    ],
)
def test_signs(window, signs, why):
    earlier = {} if window is ROWS else {"2024-01": content_digest(ROWS, COLUMNS)}
    found = find_batch_faults(window, COLUMNS, identifier="id", earlier=earlier)
    assert [f.sign for f in found] == signs, why


def test_digest_depends_on_rows_and_not_on_their_order():
    assert content_digest(ROWS, COLUMNS) == content_digest(ROWS.reverse(), COLUMNS)
    assert content_digest(ROWS, COLUMNS) != content_digest(ROWS.head(499), COLUMNS)


def test_what_was_kept_of_a_window_tells_what_its_rows_tell():
    twice = pl.concat([ROWS, ROWS])
    earlier = {"before": content_digest(ROWS, COLUMNS), "again": content_digest(twice, COLUMNS)}
    kept = batch_content(twice, COLUMNS)
    assert [f.sign for f in faults_of_content(kept, earlier)] == ["stale_batch", "duplicated_rows"]
    assert faults_of_content(kept, earlier) == find_batch_faults(twice, COLUMNS, earlier=earlier)
