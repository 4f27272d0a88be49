import pytest

from mlops_assets.evidence.reading import cell, day, estimate, leftovers, number, records_of, table


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.7, (0.7, None, None)),
        ({"value": 0.7, "low": 0.6, "high": 0.8}, (0.7, 0.6, 0.8)),
        ({"estimate": 0.7, "interval": [0.6, 0.8]}, (0.7, 0.6, 0.8)),
        ({"mean": 0.7, "ci": {"low": 0.6, "high": 0.8}}, (0.7, 0.6, 0.8)),
        ({"value": None, "low": 0.6}, None),
        (True, None),
        (float("nan"), None),
        ("0.7", None),
    ],
)
def test_estimate(value: object, expected: tuple | None):
    found = estimate(value)
    assert (None if found is None else (found.value, found.low, found.high)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (12345, "12,345"),
        (-2.0, "-2"),
        (0.71349, "0.713"),
        (0.00042, "0.0004"),
        (1e-9, "1.0e-09"),
        (True, "yes"),
        (float("inf"), "–"),
    ],
)
def test_number(value: object, text: str):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("2004-01-02", "2004-01-02"), ("2004-01-02T23:30:00-05:00", "2004-01-03"), ("soon", "–"), (None, "–")],
)
def test_day(value: object, text: str):
    assert day(value) == text


def test_nothing_that_was_recorded_disappears():
    evidence = {
        "known": 1,
        "share": 0.5,
        "rows": [{"a": 1}, {"a": 2, "b": "x"}],
        "nested": {"p": {"value": 0.1}},
        "flat": {"k": "v"},
    }
    text = repr(leftovers(evidence, ("known",)))
    for shown in ("'0.500'", "'x'", "'0.100'", "'v'"):
        assert shown in text
    assert "Known" not in text


def test_a_long_table_says_what_it_leaves_out():
    found = table([{"a": i} for i in range(50)], limit=10)
    assert len(found.rows) == 10
    assert "40 more rows" in found.note


def test_shapes():
    assert records_of({"x": {"v": 1}, "y": 2}) == [{"name": "x", "v": 1}, {"name": "y", "value": 2}]
    assert cell([1, "a", {"value": 0.5, "low": 0.4, "high": 0.6}]) == "1, a, 0.500 (0.400 to 0.600)"
