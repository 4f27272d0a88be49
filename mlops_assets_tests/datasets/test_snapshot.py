import io
import os
import subprocess
import sys
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets.snapshot import rows_digest, select_training, split
from mlops_assets_tests.training.tables import declare, table

FRAME = pl.DataFrame({"id": [3, 1, 2], "x": [1.0, None, -0.0], "t": ["a", "", None], "b": [True, None, False]})


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param(FRAME.reverse(), True, id="rows in another order"),
        pytest.param(FRAME.select("t", "b", "x", "id"), True, id="columns in another order"),
        pytest.param(FRAME.with_columns(pl.col("id").cast(pl.Float64)), True, id="whole numbers as floats"),
        pytest.param(FRAME.with_columns(pl.col("x").replace(-0.0, 0.0)), True, id="minus zero"),
        pytest.param(FRAME.with_columns(pl.col("x").fill_null(float("nan"))), True, id="NaN for missing"),
        pytest.param(FRAME.with_columns(pl.col("t").cast(pl.Categorical)), True, id="dictionary"),
        pytest.param(FRAME.with_columns(pl.col("x").fill_null(0.0)), False, id="zero for missing"),
        pytest.param(FRAME.with_columns(pl.col("t").fill_null("")), False, id="empty text for missing"),
        pytest.param(FRAME.with_columns(pl.Series("t", ["", "a", None])), False, id="values between rows"),
        pytest.param(FRAME.rename({"t": "u"}), False, id="another name"),
        pytest.param(FRAME.head(2), False, id="a row less"),
    ],
)
def test_digest_depends_on_content_alone(changed: pl.DataFrame, same: bool) -> None:
    assert (rows_digest(changed, "id") == rows_digest(FRAME, "id")) is same


def test_digest_is_a_fixed_value_in_any_process() -> None:
    # Written down once: a change of this value would orphan every snapshot on record.
    frame = pl.DataFrame({"id": [2, 1], "x": [0.5, None], "t": ["ä", "b"]})
    code = "import polars as pl; from mlops_assets.datasets.snapshot import rows_digest\n"
    code += "print(rows_digest(pl.DataFrame({'id': [1, 2], 'x': [None, 0.5], 't': ['b', 'ä']}), 'id'))"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert other.stdout.strip() == rows_digest(frame, "id") == EXPECTED


EXPECTED = "56b0bcc11984bc100ecfdb0caa551ea3a35b567c3265d8ad1d10bf9bd88ddbbc"


def test_digest_survives_csv_and_repeated_ids() -> None:
    frame = table(50).drop("empty", "blank")
    back = pl.read_csv(io.BytesIO(frame.write_csv().encode()), try_parse_dates=True)
    assert rows_digest(back, "row id") == rows_digest(frame, "row id")
    doubled = pl.concat([frame, frame.head(1).with_columns(constant=pl.lit(2.0))])
    assert rows_digest(doubled, "row id") == rows_digest(doubled.reverse(), "row id")


@pytest.mark.parametrize("key", [pytest.param(["k1", "k1", "k0"], id="texts"), pytest.param([1, 1, 0], id="numbers")])
def test_zeros_of_both_signs_do_not_tell_rows_of_one_id_apart(key: list) -> None:
    frame = pl.DataFrame({"id": key, "x": [-0.0, 0.0, 1.0], "y": [2, 1, 0]})
    assert rows_digest(frame, "id") == rows_digest(frame.reverse(), "id")


@given(st.lists(st.text(alphabet="ab\0é€z", max_size=12), unique=True), st.sampled_from(["", "model:2020:v1:", "é"]))
def test_digest_sorts_texts_by_their_bytes(texts: list[str], begin: str) -> None:
    keys = [begin + text for text in texts]
    frame = pl.DataFrame({"key": keys, "n": list(range(len(keys)))}, schema={"key": pl.String, "n": pl.Int64})
    in_order = frame[sorted(range(len(keys)), key=lambda i: keys[i].encode())]
    # A number as the key is sorted by Polars.
    ranked = in_order.with_row_index("rank").select("key", "n", "rank")
    shuffled = ranked.sample(fraction=1.0, shuffle=True, seed=1)
    assert rows_digest(shuffled, by="key") == rows_digest(shuffled, by="rank")


def test_select_training_keeps_the_window_and_leaves_out_what_was_not_known() -> None:
    frame = table(1000)
    model = declare(
        training={"until": "2020-01-01", "window": "12 months"},
        target={"column": "y", "positive": "bad", "matures_after": "6 months"},
    )
    opened = select_training(frame, model)["opened"].dt.date()
    assert date(2019, 1, 1) <= opened.min() and opened.max() < date(2020, 1, 1)  # type: ignore[operator]  # noqa: PT018
    known = select_training(frame, model, known_at=date(2020, 1, 1))["opened"].dt.date()
    assert known.max() < date(2019, 7, 1)  # type: ignore[operator]
    later = select_training(frame, model, until=date(2020, 7, 1))["opened"].dt.date()
    assert later.min() >= date(2019, 7, 1)  # type: ignore[operator]


def test_split_by_time_cuts_between_days() -> None:
    frame = table(1000)
    parts = split(frame, declare())
    assert parts.method == "time"
    assert parts.fit["opened"].max() < parts.holdout["opened"].min()  # type: ignore[operator]
    assert parts.holdout.height == pytest.approx(250, abs=10)
    assert parts.fit.height + parts.holdout.height == 1000


@pytest.mark.parametrize("years", [[1994], [2015, 2016]])
def test_time_too_coarse_to_split_by_gives_a_stratified_draw(years: list[int]) -> None:
    frame = table(1000).with_columns(year=pl.Series([years[i % len(years)] for i in range(1000)]))
    model = declare(event_time={"column": "year", "format": "year"}, features={"code": "categorical"})
    parts = split(frame, model)
    assert (parts.method, parts.cut) == ("hash", None)
    assert parts.holdout.height == pytest.approx(250, abs=1)
    share = (frame["y"] == "bad").mean()
    assert (parts.holdout["y"] == "bad").mean() == pytest.approx(share, abs=0.003)  # type: ignore[arg-type]
    shuffled = split(frame.sample(fraction=1, shuffle=True, seed=4), model)
    assert set(shuffled.holdout["row id"]) == set(parts.holdout["row id"])


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least two"):
        split(table(1), declare())
