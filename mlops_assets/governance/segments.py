"""Segments of rows as a person names them: a comparison of columns, such as `state == 'TX' and loan_amount > 500000`.

The language has columns, numbers, texts and dates in quotes, `true` and `false`; `==`, `!=`, `<`, `<=`, `>`, `>=`, `in [..]`,
`not in [..]`, `is missing`; `not`, `and`, `or` and parentheses. A column whose name is no word is written in backticks. It
is parsed here and turned into an expression over columns: no part of it is ever run as code.

What a segment is for, and who signed it, is `release.segments`'.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import polars as pl

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.governance.restrictions import RestrictionError, bound_of, is_one_of

TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|`(?P<quoted>[^`]+)`"
    r"|(?P<word>[^\W\d]\w*)|(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,))"
)
LONGEST, DEEPEST = 1000, 20
WORDS = ("and", "or", "not", "in", "is", "missing", "true", "false")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class SegmentError(MlopsAssetsError, ValueError):
    """A segment that cannot be read, or that cannot be held against these rows."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Comparison:
    """One column held against values: `how` is a comparison, `in`, or `missing`."""

    column: str
    how: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Not:
    """What the part within does not say."""

    part: "Segment"


@dataclass(frozen=True)
class Both:
    """Several parts, joined by `and` or `or`."""

    how: str
    parts: tuple["Segment", ...]


Segment = Comparison | Not | Both


def read_segment(text: str) -> Segment:
    """The segment that a text names.

    Raises:
        SegmentError: it is no segment; the message says what was found, where, and what was expected.
    """
    if len(text) > LONGEST:
        raise SegmentError(f"found a segment of {len(text)} characters, expected at most {LONGEST}")
    tokens, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise SegmentError(
                f"segment: found {text[at:].strip()[:20]!r} at character {len(text) - len(text[at:].lstrip()) + 1}, expected a column, value or sign"
            )
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    reader = _Reader(tokens)
    found = reader.either()
    reader.end()
    return found


class _Reader:
    """Reads tokens from the left by recursive descent: `or` binds least, then `and`, then `not`."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def either(self) -> Segment:
        return self._joined("or", self.both)

    def both(self) -> Segment:
        return self._joined("and", self.one)

    def _joined(self, how: str, read: Any) -> Segment:
        parts = [read()]
        while self.takes("word", how):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Both(how, tuple(parts))

    def one(self) -> Segment:
        self.depth += 1
        if self.depth > DEEPEST:
            raise SegmentError(f"segment: found more than {DEEPEST} parts inside of each other")
        try:
            if self.takes("word", "not"):
                return Not(self.one())
            if self.takes("sign", "("):
                found = self.either()
                self.needs("sign", ")")
                return found
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Segment:
        kind, column = self.next("the name of a column")
        if kind not in ("word", "quoted") or (kind == "word" and column in WORDS):
            raise SegmentError(
                f"segment: found {column!r}, expected the name of a column (in backticks where it is no word)"
            )
        if self.takes("word", "is"):
            self.needs("word", "missing")
            return Comparison(column, "missing")
        if self.takes("word", "not"):
            self.needs("word", "in")
            return Not(Comparison(column, "in", self.list_of_values()))
        if self.takes("word", "in"):
            return Comparison(column, "in", self.list_of_values())
        kind, sign = self.next("a comparison")
        if sign not in COMPARISONS:
            raise SegmentError(
                f"segment: found {sign!r} after {column}, expected {', '.join(COMPARISONS)}, in, not in or is missing"
            )
        return Comparison(column, sign, (self.value(),))

    def list_of_values(self) -> tuple[Any, ...]:
        self.needs("sign", "[")
        found = [self.value()]
        while self.takes("sign", ","):
            found.append(self.value())
        self.needs("sign", "]")
        return tuple(found)

    def value(self) -> Any:
        kind, text = self.next("a value")
        if kind == "number":
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind in ("single", "double"):
            return text
        if kind == "word" and text in ("true", "false"):
            return text == "true"
        raise SegmentError(f"segment: found {text!r}, expected a number, true, false, or a text in quotes")

    def next(self, expected: str) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise SegmentError(f"segment: found its end, expected {expected}")
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, kind: str, text: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at] == (kind, text)
        self.at += found
        return found

    def needs(self, kind: str, text: str) -> None:
        if not self.takes(kind, text):
            found = self.tokens[self.at][1] if self.at < len(self.tokens) else "its end"
            raise SegmentError(f"segment: found {found!r}, expected {text!r}")

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise SegmentError(f"segment: found {self.tokens[self.at][1]!r}, expected and, or, or its end")


def columns_of(segment: Segment) -> tuple[str, ...]:
    """Columns that a segment names, each once, in order."""
    if isinstance(segment, Comparison):
        return (segment.column,)
    parts = (segment.part,) if isinstance(segment, Not) else segment.parts
    return tuple(dict.fromkeys(name for part in parts for name in columns_of(part)))


def values_of(segment: Segment, column: str) -> tuple[Any, ...]:
    """Values that a column is held against."""
    if isinstance(segment, Comparison):
        return segment.values if segment.column == column else ()
    parts = (segment.part,) if isinstance(segment, Not) else segment.parts
    return tuple(value for part in parts for value in values_of(part, column))


def written(segment: Segment) -> str:
    """A segment in the one way in which it is recorded: two spellings of the same comparison are the same segment."""
    if isinstance(segment, Comparison):
        name = (
            segment.column
            if re.fullmatch(r"[^\W\d]\w*", segment.column) and segment.column not in WORDS
            else f"`{segment.column}`"
        )
        if segment.how == "missing":
            return f"{name} is missing"
        values = ", ".join(_written_value(value) for value in segment.values)
        return f"{name} in [{values}]" if segment.how == "in" else f"{name} {segment.how} {values}"
    if isinstance(segment, Not):
        return f"not ({written(segment.part)})"
    return f" {segment.how} ".join(f"({written(p)})" if isinstance(p, Both) else written(p) for p in segment.parts)


def _written_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if "'" in value else f"'{value}'"
    return repr(value)


def inside(rows: pl.DataFrame, segment: Segment) -> pl.Series:
    """Which rows are, or may be, in a segment.

    A comparison with a missing value is not known, and what is not known is inside: a segment is named to keep rows from
    something, and nobody can say that such a row is none of them.

    Args:
        rows: with the columns of the segment, in their declared types.

    Returns:
        Booleans, one a row.

    Raises:
        SegmentError: a column is not delivered, or a value does not fit its type.
    """
    return _known(rows, segment).fill_null(True).alias("inside")


def _known(rows: pl.DataFrame, segment: Segment) -> pl.Series:
    """True, false, or null where it is not known (three-valued logic, as in SQL)."""
    if isinstance(segment, Comparison):
        return _compared(rows, segment)
    if isinstance(segment, Not):
        return ~_known(rows, segment.part)
    parts = [_known(rows, part) for part in segment.parts]
    return reduce(lambda a, b: a & b if segment.how == "and" else a | b, parts)


def _compared(rows: pl.DataFrame, one: Comparison) -> pl.Series:
    if one.column not in rows.columns:
        raise SegmentError(f"segment {written(one)}: the rows have no column {one.column!r}")
    values = rows[one.column]
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if one.how == "missing":
        return values.is_null()
    try:
        if one.how in ("==", "!=", "in") and not values.dtype.is_temporal():
            _fitting(values.dtype, one)
            found = is_one_of(values, one.values)
            return ~found if one.how == "!=" else found
        bounds = [bound_of(values.dtype, value, one.column) for value in one.values]
    except RestrictionError as error:
        raise SegmentError(
            f"segment {written(one)}: a column of {values.dtype} cannot be compared with that"
        ) from error
    if one.how == "in":
        return reduce(lambda a, b: a | b, (values == bound for bound in bounds))
    compare: Mapping[str, Any] = {
        "==": values.eq, "!=": values.ne, "<": values.lt, "<=": values.le, ">": values.gt, ">=": values.ge,
    }  # fmt: skip
    return compare[one.how](bounds[0])


def _fitting(dtype: pl.DataType, one: Comparison) -> None:
    """Refuse a text for a column of numbers: no row would ever be in the segment."""
    wrong = [value for value in one.values if dtype.is_numeric() and (isinstance(value, str | bool))]
    if wrong:
        raise SegmentError(f"segment {written(one)}: found {wrong[0]!r} for a column of numbers ({dtype})")
