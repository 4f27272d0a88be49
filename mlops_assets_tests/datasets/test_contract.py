from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets.contract import ContractError, check
from mlops_assets.datasets.internal_columns import REASONS
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

NOW = datetime(2022, 1, 1, tzinfo=UTC)


def broken(column: str, value: object, dtype: pl.DataType | None = None) -> pl.DataFrame:
    """The table with one value of its third row replaced, its column as `dtype`."""
    frame = table(60)
    values = frame[column].to_list()
    values[2] = value
    return frame.with_columns(pl.Series(column, values, dtype=dtype or frame.schema[column], strict=False))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(broken("income (€)", -1.0), "income (€): below minimum 0", id="below the minimum"),
        pytest.param(broken("income (€)", float("inf")), "income (€): infinite", id="infinite"),
        pytest.param(broken("grade", "top"), "grade: not an allowed value", id="not allowed"),
        pytest.param(broken("y", None), "y: missing", id="no target"),
        pytest.param(broken("row id", None), "row id: missing", id="no id"),
        pytest.param(broken("opened", None), "opened: missing", id="no time"),
        pytest.param(broken("opened", datetime(2030, 1, 1)), "opened: in the future", id="future"),  # noqa: DTZ001
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(frame: pl.DataFrame, reason: str) -> None:
    found = check(frame, declare(), now=NOW)
    assert found.summary == {reason: 1}
    assert found.quarantined[REASONS].to_list() == [reason]
    assert (found.accepted.height, found.rows) == (59, 60)


def test_every_reason_of_a_row_is_given() -> None:
    frame = broken("income (€)", -5.0).with_columns(
        grade=pl.when(pl.int_range(pl.len()) == 2).then(pl.lit("top")).otherwise(pl.col("grade"))
    )
    reasons = check(frame, declare(), now=NOW).quarantined[REASONS].item()
    assert reasons == "grade: not an allowed value; income (€): below minimum 0"


def test_text_that_is_no_number_is_not_turned_into_a_gap() -> None:
    frame = table(40).with_columns(pl.col("income (€)").cast(pl.String))
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("n/a")).otherwise(pl.col("income (€)")).alias("income (€)")
    )
    found = check(frame, declare(), now=NOW)
    assert found.summary == {"income (€): not a number": 1}
    assert found.quarantined["income (€)"].item() == "n/a"
    assert found.accepted.schema["income (€)"] == pl.Float64


def test_rows_that_contradict_each_other_under_one_id_all_go_but_an_exact_copy_stays_once() -> None:
    frame = table(20)
    conflict = frame[3:4].with_columns(pl.lit(77.0).alias("income (€)"))
    found = check(pl.concat([frame, frame[5:6], conflict]), declare(), now=NOW)
    assert (found.summary, found.copies, found.rows) == ({"row id: not unique": 2}, 1, 22)
    assert frame["row id"][5] in found.accepted["row id"]
    assert frame["row id"][3] not in found.accepted["row id"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        pytest.param(["good"] * 40, "positive value 'bad' never occurs", id="no positive"),
        pytest.param(["bad"] * 40, "exactly two values, found 1", id="one value"),
        pytest.param(["bad", "good", "odd", "good"] * 10, "exactly two values, found 3", id="three values"),
    ],
)
def test_a_target_that_is_not_binary_is_a_problem_of_the_table(values: list[str], problem: str) -> None:
    found = check(table(40).with_columns(pl.Series("y", values)), declare(), now=NOW)
    assert any(problem in text for text in found.problems)
    assert found.accepted.height == 40


def test_other_tasks() -> None:
    assert check(table(50), regression(), now=NOW).problems == ()
    assert check(table(50), multiclass(), now=NOW).problems == ()
    constant = table(50).with_columns(pl.lit(1.0).alias("amount"))
    assert "one value only" in check(constant, regression(), now=NOW).problems[0]


def test_a_missing_column_is_named_with_its_nearest() -> None:
    with pytest.raises(ContractError, match=r"'grade' \(near: 'grades'"):
        check(table(5).rename({"grade": "grades"}), declare(), now=NOW)


def test_an_empty_table_is_no_row_and_a_problem() -> None:
    found = check(table(10).clear(), declare(), now=NOW)
    assert (found.rows, found.quarantined_share) == (0, 0.0)
    assert found.problems == ("no row meets the contract",)


def test_the_declaration_alone_decides_the_types() -> None:
    frame = table(30)
    other = frame.with_columns(
        pl.col("größe").cast(pl.Categorical), pl.col("code").cast(pl.Float32), pl.col("constant").cast(pl.Int8)
    )
    expected = check(frame, declare(), now=NOW).accepted
    assert check(other, declare(), now=NOW).accepted.equals(expected)
    assert (expected.schema["row id"], expected.schema["code"], expected.schema["constant"]) == (
        pl.String,
        pl.String,
        pl.Float64,
    )


def test_a_copy_of_a_bad_row_is_a_copy() -> None:
    bad = broken("grade", "top")
    found = check(pl.concat([bad, bad[2:3]]), declare(), now=NOW)
    assert (found.accepted.height, found.quarantined.height, found.copies) == (59, 1, 1)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (pl.Series([1.0, 2.0, float(2**53 + 2)]), "not an identifier with an exact form"),
        (pl.Series([[1], [2], [3]]), "not an identifier with an exact form"),
        (pl.Series(["a", "b", ""]), "missing"),
    ],
    ids=["a float beyond 2**53", "lists", "empty text"],
)
def test_an_identifier_without_an_exact_form_is_refused_by_name(ids: pl.Series, reason: str) -> None:
    found = check(table(3).with_columns(ids.alias("row id")), declare(), now=NOW)
    (text,) = found.summary
    assert text.startswith(f"row id: {reason}")


@given(
    incomes=st.lists(st.one_of(st.none(), st.floats(), st.integers(-5, 5).map(float)), min_size=1, max_size=30),
    grades=st.lists(st.sampled_from(["low", "mid", "high", "?", None]), min_size=30, max_size=30),
)
def test_accepted_and_quarantined_are_the_input(incomes: list[float | None], grades: list[str | None]) -> None:
    size = len(incomes)
    frame = table(size).with_columns(pl.Series("income (€)", incomes), pl.Series("grade", grades[:size]))
    found = check(frame, declare(), now=NOW)
    assert sorted([*found.accepted["row id"], *found.quarantined["row id"]]) == frame["row id"].to_list()
    good = [
        (i is None or i != i or 0 <= i < float("inf")) and g != "?" for i, g in zip(incomes, grades[:size], strict=True)
    ]
    assert found.accepted.height == sum(good)
