from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.governance.restrictions import RestrictionError, check, read_restriction

ROWS = pl.DataFrame(
    {
        "age": [18, 30, 80, None],
        "income": [10.0, float("nan"), 50.0, 1e9],
        "state": ["CA", "NV", None, "CA"],
        "grade": [1, 2, 3, 4],
        "urban": [True, False, None, True],
        "day": [date(2019, 12, 31), date(2020, 1, 1), date(2020, 6, 1), None],
        "at": [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)],
        "kind": pl.Series(["a", "b", "c", "a"], dtype=pl.Categorical),
    }
)


def outside(**said) -> list[bool]:
    return check(ROWS, [read_restriction(said)]).refused.to_list()


@pytest.mark.parametrize(
    ("said", "expected", "why"),
    [
        ({"column": "age", "min": 18}, [0, 0, 0, 1], "a bound is inside; nobody knows who has no age"),
        ({"column": "age", "min": 18, "missing_allowed": True}, [0, 0, 0, 0], "unless a missing value is allowed"),
        ({"column": "age", "min": 19, "max": 75}, [1, 0, 1, 1], "both sides"),
        ({"column": "age", "allowed": [30, 80.0]}, [1, 0, 0, 1], "numbers are compared as numbers"),
        ({"column": "income", "max": 50}, [0, 1, 0, 1], "NaN is a missing value"),
        ({"column": "state", "allowed": ["CA"]}, [0, 1, 1, 0], "texts"),
        ({"column": "state", "allowed": ["CA"], "missing_allowed": True}, [0, 1, 0, 0], "texts, missing allowed"),
        ({"column": "state", "allowed": ["ca"]}, [1, 1, 1, 1], "letter by letter"),
        ({"column": "grade", "allowed": ["1"]}, [1, 1, 1, 1], "a text is no number"),
        ({"column": "urban", "allowed": [True]}, [0, 1, 1, 0], "truth values"),
        ({"column": "day", "min": "2020-01-01"}, [1, 0, 0, 1], "dates"),
        ({"column": "at", "max": "2020-01-02"}, [0, 0, 1, 1], "moments"),
        ({"column": "kind", "allowed": ["a", "b"]}, [0, 0, 1, 0], "categories"),
        ({"column": "age", "allowed": [18, 80], "max": 40}, [0, 1, 1, 1], "everything said must hold"),
    ],
)
def test_who_is_outside(said, expected, why):
    assert outside(**said) == [bool(e) for e in expected], why


def test_refused_and_flagged_rows_have_their_reasons():
    found = check(
        ROWS,
        [
            read_restriction({"column": "age", "min": 21}),
            read_restriction({"column": "state", "allowed": ["CA"], "effect": "flag"}),
        ],
    )
    assert found.refused.to_list() == [True, False, False, True]
    assert found.flagged.to_list() == [False, True, True, False]
    assert found.reasons.to_list() == [
        "age: outside the approved population, which has at least 21",
        "state: outside the approved population, which has one of CA",
        "state: outside the approved population, which has one of CA",
        "age: outside the approved population, which has at least 21",
    ]
    assert list(found.summary.values()) == [2, 2]


def test_two_reasons_are_both_given():
    found = check(ROWS, [read_restriction({"column": c, "max": 0}) for c in ("age", "grade")])
    assert found.reasons[0].count("outside") == 2


@pytest.mark.parametrize("rows", [ROWS, ROWS.clear()])
def test_without_restrictions_everybody_is_inside(rows):
    found = check(rows, [])
    assert not found.refused.any()
    assert (found.reasons.null_count(), found.summary) == (rows.height, {})
    assert check(rows.clear(), [read_restriction({"column": "age", "min": 1})]).reasons.to_list() == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"column": "age"}, "neither allowed nor min nor max"),
        ({"min": 3}, "expected the name of a column"),
        ({"column": "age", "minimum": 3}, "found minimum"),
        ({"column": "age", "allowed": "CA"}, "expected a list"),
        ({"column": "age", "allowed": []}, "expected a list"),
        ({"column": "age", "min": 5, "max": 4}, "expected min <= max"),
        ({"column": "age", "min": "2020-01-01", "max": 4}, "expected min <= max"),
        ({"column": "age", "min": True}, "a number or ISO date"),
        ({"column": "age", "min": 1, "effect": "ignore"}, "expected refuse or flag"),
    ],
)
def test_what_says_nothing_is_refused(said, why):
    with pytest.raises(RestrictionError, match=why):
        read_restriction(said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"column": "height", "min": 3}, "have no column 'height'"),
        ({"column": "age", "min": "2020-01-01"}, "cannot be held to"),
        ({"column": "state", "max": 3}, "cannot be held to"),
        ({"column": "day", "min": "yesterday"}, "cannot be held to"),
    ],
)
def test_what_cannot_be_enforced_stops_scoring(said, why):
    with pytest.raises(RestrictionError, match=why):
        outside(**said)


@given(st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=30), st.integers(-100, 100))
def test_refused_is_what_the_comparison_says(values, bound):
    rows = pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64)})
    restriction = read_restriction({"column": "x", "min": bound})
    assert check(rows, [restriction]).refused.to_list() == [v is None or v < bound for v in values]
    assert read_restriction(restriction.to_dict()) == restriction
