"""One reading of a value, whatever type it was delivered in: identifiers, codes and numbers.

Belongs here: expressions from a delivered column to its canonical form. Text is kept as delivered; numbers of any type
have one form, so that 1, 1.0 and Decimal("1.00") are the same identifier and the same code. Not here: which columns hold
what (`reading.py`) and times (`event_times.py`).
"""

import polars as pl

EXACT_WHOLE = 2**53
"""Whole numbers from here on are not exact in a float."""


def identifier_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """The canonical form of an identifier, by which rows, predictions and outcomes find each other.

    Text as delivered (empty text is missing), whole numbers as digits, other numbers without trailing zeros, dates and
    times as ISO text, bytes as hexadecimal digits. What has no exact form becomes missing: infinite numbers, floats from
    2**53 on (neighbouring identifiers share one float there), and nested values.
    """
    if dtype == pl.String:
        return pl.when(column != "").then(column)
    if dtype.is_float():
        exact = column.is_finite() & (column.abs() < EXACT_WHOLE)
        return pl.when(exact).then(canonical_text(dtype, column))
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype.is_nested() or dtype == pl.Object:
        return pl.lit(None, dtype=pl.String)
    return canonical_text(dtype, column)


def canonical_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """The text that names a code: 1, 1.0 and Decimal("1.00") agree, and so do true and "true"; missing stays missing."""
    if dtype == pl.String:
        return column
    if dtype == pl.Boolean:
        return pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false"))
    if dtype.is_float():
        number = column.cast(pl.Float64).fill_nan(None)
        whole = (number.round(0) == number) & (number.abs() < EXACT_WHOLE)
        as_whole = number.cast(pl.Int64, strict=False).cast(pl.String)
        # Straight from the delivered type: a 32-bit 1.1 is 1.100000023841858 as a 64-bit float.
        return pl.when(whole).then(as_whole).when(number.is_not_null()).then(column.cast(pl.String))
    if dtype.is_decimal():
        text = column.cast(pl.String)
        short = text.str.strip_chars_end("0").str.strip_chars_end(".")
        return pl.when(text.str.contains(".", literal=True)).then(short).otherwise(text)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype.is_nested():
        return pl.when(column.is_not_null()).then(pl.struct(column.alias("value")).struct.json_encode())
    return column.cast(pl.String, strict=False)


def text_of(value: object) -> str:
    """The text of one declared value, as `canonical_text` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_WHOLE:
        return str(int(value))
    return str(value)


def number(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """A number as Float64; text is read as one, NaN is missing, and what is no number becomes missing."""
    if dtype == pl.String:
        text = column.str.strip_chars()
        return pl.when(text != "").then(text).cast(pl.Float64, strict=False).fill_nan(None)
    if dtype.is_numeric() or dtype == pl.Boolean:
        read = column.cast(pl.Float64, strict=False)
        return read.fill_nan(None) if dtype.is_float() else read
    return pl.lit(None, dtype=pl.Float64)


def delivered_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """A value as text for people to look at: as near to what was delivered as text can be."""
    if dtype == pl.Binary or dtype.is_nested():
        return canonical_text(dtype, column)
    return column.cast(pl.String, strict=False)
