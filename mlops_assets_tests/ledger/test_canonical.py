from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.ledger.canonical import canonical_json, digest, iso, moment


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    tags: tuple[str, ...]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ([1, 1.0, True, None, "ä"], '[1,1.0,true,null,"ä"]'),
        ((1, {2, 1}), "[1,[1,2]]"),
        (Colour.RED, '"red"'),
        ({Colour.RED: 1}, '{"red":1}'),
        (Point(1, ("a",)), '{"tags":["a"],"x":1}'),
        (datetime(2026, 1, 5, 9, tzinfo=timezone(timedelta(hours=2))), '"2026-01-05T07:00:00.000000Z"'),
        (date(2026, 1, 5), '"2026-01-05"'),
        (Path("a/b"), '"a/b"'),
        (np.float64(0.5), "0.5"),
        (np.int32(7), "7"),
        (np.array([1, 2]), "[1,2]"),
    ],
)
def test_one_text_for_one_value(value, text):
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [1, float("nan")]}, r"\$\.a\[1\]: found nan"),
        ({"a": float("inf")}, "finite"),
        ({1: 2}, "expected text"),
        ({"a": b"x"}, "found bytes"),
        ({"a": object()}, "found object"),
        ("\0", "NUL"),
        ("\ud800", "surrogate"),
        (datetime(2026, 1, 5), "without a time zone"),  # noqa: DTZ001
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value, why):
    with pytest.raises(ValueError, match=why):
        canonical_json(value)


def test_order_of_keys_does_not_change_the_digest():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


def test_times_sort_as_their_texts():
    times = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(microseconds=m) for m in (0, 1, 999_999, 1_000_000)]
    assert sorted(times, key=iso) == times
    assert [moment(iso(time)) for time in times] == times
