"""Segments: what their text means, and that it is never more than a comparison."""

from datetime import date

import polars as pl
import pytest

from mlops_assets.governance.segments import SegmentError, columns_of, inside, read_segment, written

ROWS = pl.DataFrame(
    {
        "state": ["TX", "CA", None],
        "amount": [1.0, float("nan"), 5.0],
        "on": [date(2020, 1, 1), None, date(2021, 1, 1)],
        "Betrag (€)": [1, 2, 3],
        "new": [True, False, None],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state == 'TX'", [True, False, True]),
        ('state == "TX"', [True, False, True]),
        ("state != 'TX'", [False, True, True]),
        ("state in ['TX', 'CA']", [True, True, True]),
        ("state not in ['TX']", [False, True, True]),
        ("not state == 'TX'", [False, True, True]),
        ("state is missing", [False, False, True]),
        ("not state is missing and state == 'TX'", [True, False, False]),
        ("amount > 2", [False, True, True]),
        ("amount == 1", [True, True, False]),
        ("amount <= 5 and `Betrag (€)` < 3", [True, True, False]),
        ("state == 'CA' or amount >= 5 and on > '2020-06-01'", [False, True, True]),
        ("(state == 'CA' or amount >= 5) and on < '2020-06-01'", [False, True, False]),
        ("on in ['2020-01-01']", [True, True, False]),
        ("new == true", [True, False, True]),
    ],
)
def test_a_row_is_inside_where_that_is_so_or_cannot_be_known(text, expected):
    segment = read_segment(text)
    assert inside(ROWS, segment).to_list() == expected
    assert read_segment(written(segment)) == segment


def test_two_spellings_are_one_segment():
    assert written(read_segment('`state`=="TX"')) == written(read_segment("state == 'TX'")) == "state == 'TX'"
    assert columns_of(read_segment("a == 1 or not (b < 2 and a > 0)")) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected the name of a column"),
        ("state", "expected a comparison"),
        ("state = 'TX'", "found \"= 'TX'\" at character 7"),
        ("state == TX", "expected a number, true, false, or a text in quotes"),
        ("state == 'TX' xx", "expected and, or, or its end"),
        ("state in []", "expected a number"),
        ("not", "expected the name of a column"),
        ("(" * 30 + "state == 'a'", "more than 20 parts"),
        ("state == 'a'" + " or state == 'a'" * 100, "at most 1000"),
        ("__import__('os') == 1", "found '('"),
        ("state.str.len() > 1", "found '.str.len() > 1' at character 6"),
        ("lambda: 1", "at character 7"),
        ("amount == 'x'", "for a column of numbers"),
        ("amount > 'x'", "cannot be compared with that"),
        ("state > 3", "cannot be compared with that"),
        ("on > 'soon'", "cannot be compared with that"),
        ("nope == 1", "the rows have no column 'nope'"),
    ],
)
def test_anything_else_is_refused(text, why):
    with pytest.raises(SegmentError) as refused:
        inside(ROWS, read_segment(text))
    assert why in str(refused.value)
