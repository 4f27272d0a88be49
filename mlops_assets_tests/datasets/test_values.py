from decimal import Decimal

import polars as pl
import pytest

from mlops_assets.datasets.values import canonical_text, identifier_text, text_of


def identifiers(values: pl.Series) -> list[str | None]:
    return values.to_frame("v").select(identifier_text(values.dtype, pl.col("v"))).to_series().to_list()


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1, None]),
        pl.Series([1, None], dtype=pl.UInt64),
        pl.Series([1.0, None]),
        pl.Series([1.0, float("nan")], dtype=pl.Float32),
        pl.Series([Decimal("1"), None], dtype=pl.Decimal(19, 0)),
        pl.Series([Decimal("1.00"), None], dtype=pl.Decimal(19, 2)),
        pl.Series(["1", ""]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_one_identifier_whatever_its_type(values: pl.Series) -> None:
    assert identifiers(values) == ["1", None]


def test_identifiers_are_exact_or_missing() -> None:
    assert identifiers(pl.Series([2**64 - 1], dtype=pl.UInt64)) == [str(2**64 - 1)]
    assert identifiers(pl.Series([Decimal("1234567890123456789")], dtype=pl.Decimal(19, 0))) == ["1234567890123456789"]
    assert identifiers(pl.Series([float(2**53), float("inf"), 1.5])) == [None, None, "1.5"]
    assert identifiers(pl.Series(["00000017", "M0000001", "1.0"])) == ["00000017", "M0000001", "1.0"]
    assert identifiers(pl.Series([b"\x01\xff"])) == ["01ff"]
    assert identifiers(pl.Series([[1]])) == [None]


def test_text_codes_are_kept_and_numbers_have_one_form() -> None:
    def codes(values: pl.Series) -> list[str | None]:
        return values.to_frame("v").select(canonical_text(values.dtype, pl.col("v"))).to_series().to_list()

    assert codes(pl.Series(["01", "1", "1.10", "1.1"])) == ["01", "1", "1.10", "1.1"]
    assert codes(pl.Series([1.0, 2.5])) == codes(pl.Series([Decimal("1.00"), Decimal("2.50")])) == ["1", "2.5"]
    assert codes(pl.Series([1.1], dtype=pl.Float32)) == ["1.1"]
    assert codes(pl.Series([True, False, None])) == [text_of(True), text_of(False), None]
