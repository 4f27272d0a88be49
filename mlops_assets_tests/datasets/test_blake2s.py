import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets import blake2s


@given(st.lists(st.text(alphabet="a0é€", max_size=70), max_size=12))
def test_digests_are_those_of_the_standard_library(texts: list[str]) -> None:
    found = blake2s.digests(pl.Series(texts, dtype=pl.String))
    assert [bytes(row) for row in found] == [hashlib.blake2s(t.encode(), digest_size=16).digest() for t in texts]


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(0, id="nothing to hash"),
        pytest.param(10, id="all of one length"),
        pytest.param(64, id="a whole block"),
        pytest.param(65, id="more than a block"),
    ],
)
def test_many_texts_are_hashed_in_pieces(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pl.Series([f"{i:03d}".rjust(length, "x")[:length] for i in range(50)], dtype=pl.String)
    whole = blake2s.digests(texts)
    monkeypatch.setattr(blake2s, "ROWS_AT_ONCE", 7)
    assert np.array_equal(blake2s.digests(texts), whole)
    assert bytes(whole[49]) == hashlib.blake2s(texts[49].encode(), digest_size=16).digest()


def test_a_part_of_a_column_is_hashed_as_such() -> None:
    texts = pl.Series(["a", "bb", "ccc", "a text that is too long to be kept inside its view"])
    assert np.array_equal(blake2s.digests(texts[1:]), blake2s.digests(texts)[1:])
