"""Tables in text files (CSV, TSV): how a file is written, and its rows.

Belongs here: separator, decimal mark and encoding of a file, declared or guessed from its first lines, and lines that do
not fit the header. Not here: which files there are, and the message for one that cannot be read (`sources.py`).
"""

import codecs
import csv
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

import polars as pl

from mlops_assets.datasets.internal_columns import FAULT
from mlops_assets.declaration.source import Source

LOOKED_AT = 100
"""Values of a text column that must look like dates or times before all of them are tried."""
SNIFFED_BYTES = 64 * 1024
SEPARATORS = (",", ";", "\t", "|")
USUAL_NULLS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "NIL", "nil", "?", "-", "--",
    ".", "missing",
)  # fmt: skip
"""Texts that mean "no value" in columns of numbers and times, where no null marker is declared."""
POINT_NUMBER = re.compile(r"[-+]?\d+\.\d+")
COMMA_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")


@dataclass(frozen=True)
class TextFormat:
    """How a text file is written.

    Attributes:
        separator: between fields.
        decimal: mark of numbers.
        encoding: of the characters.
        guessed: what of it was guessed, in words; empty where all of it was declared or is the usual.
    """

    separator: str
    decimal: str
    encoding: str
    guessed: str = ""


def text_format(file: Path, source: Source | None = None) -> TextFormat:
    """How a local text file is written: as declared, else as its first lines suggest."""
    declared = source or Source(path=str(file))
    usual = "\t" if ".tsv" in file.name.lower() else ","
    return _format(str(file), usual, declared.separator, declared.decimal, declared.encoding, *_identity(file))


@lru_cache(maxsize=4096)
def _format(
    path: str, usual: str, separator: str | None, decimal: str | None, encoding: str | None, *_identity: int
) -> TextFormat:
    with _opened(Path(path)) as stream:
        return format_of(stream, usual, separator, decimal, encoding)


def format_of(
    stream: IO[bytes], usual: str, separator: str | None = None, decimal: str | None = None, encoding: str | None = None
) -> TextFormat:
    """How text is written, from its bytes; what is given is taken, and the rest guessed.

    Args:
        stream: the content, from its beginning.
        usual: separator where nothing speaks for another one.
        separator, decimal, encoding: as declared.
    """
    guessed, beginning = [], stream.read(SNIFFED_BYTES)
    if encoding is None:
        encoding = _guessed_encoding(beginning, stream)
        if encoding != "utf-8":
            guessed.append(f"encoding {encoding}")
    lines = beginning.decode(encoding, errors="replace").splitlines()
    # The last line may be cut.
    lines = [line for line in lines[: -1 if len(beginning) == SNIFFED_BYTES else None] if line.strip()][:LOOKED_AT]
    if separator is None:
        separator = _guessed_separator(lines, usual)
        if separator != usual:
            guessed.append(f"separator {separator!r}")
    if decimal is None:
        decimal = _guessed_decimal(lines, separator)
        if decimal != ".":
            guessed.append(f"decimal mark {decimal!r}")
    return TextFormat(separator, decimal, encoding, ", ".join(guessed))


def text_rows(file: Path, how: TextFormat) -> pl.LazyFrame:
    """The rows of a file, every column as text; lines with more fields than the header are marked in a column `FAULT`.

    Raises:
        Exception: what Polars says of a file that it cannot read.
    """
    if _fits(str(file), how, *_identity(file)):
        return _scan(file if how.encoding == "utf-8" else _decoded(file, how.encoding), how)
    return _line_by_line(_content(file).decode(how.encoding, errors="replace"), how).lazy()


def text_rows_of(raw: bytes, how: TextFormat) -> pl.LazyFrame:
    """As `text_rows`, from a content in memory."""
    text = raw.decode(how.encoding, errors="replace")
    try:
        return _scan(text.encode(), how).collect().lazy()
    except pl.exceptions.ComputeError:
        return _line_by_line(text, how).lazy()


def in_numbers(column: pl.Expr, how: TextFormat) -> pl.Expr:
    """Text of a column of numbers with a decimal point; what is no number stays as delivered."""
    if how.decimal == ".":
        return column
    text = column.str.strip_chars()
    number = text.str.contains(r"^[-+]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$")
    pointed = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(number).then(pointed).otherwise(column)


def without_markers(column: pl.Expr, markers: Sequence[str]) -> pl.Expr:
    """A text column in which null markers are missing values."""
    return pl.when(~column.str.strip_chars().is_in(list(markers))).then(column)


def scan_text(files: Sequence[Path], source: Source | None = None) -> pl.LazyFrame:
    """Open text files with one header lazily, as one table with inferred types, for a table without a declaration.

    A guess from a file's first rows fails at the first value that differs, so numbers, booleans, dates and times are only
    what all rows agree on; everything else is text.

    Args:
        files: in order; each with the same header.
        source: how they are written, where that is declared.

    Raises:
        Exception: what Polars says of files that it cannot read.
    """
    how = text_format(files[0], source)
    if how.encoding != "utf-8":
        return _inferred(tuple(_decoded(file, how.encoding) for file in files), how)
    types = dict(_types(tuple(str(f) for f in files), how, tuple(_identity(f) for f in files)))
    return _typed(files, how, types)


def _identity(file: Path) -> tuple[int, int, int, int]:
    """Changes whenever the content does: a program can set back the modification time, but not the change time."""
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb"))


def _content(file: Path) -> bytes:
    with _opened(file) as stream:
        return stream.read()


@lru_cache(maxsize=8)
def _decoded_once(path: str, encoding: str, *_identity: int) -> bytes:
    return _content(Path(path)).decode(encoding, errors="replace").encode()


def _decoded(file: Path, encoding: str) -> bytes:
    """A file's content in UTF-8, which is all that Polars scans."""
    return _decoded_once(str(file), encoding, *_identity(file))


def _guessed_encoding(beginning: bytes, rest: IO[bytes]) -> str:
    if beginning[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(beginning)
        while part := rest.read(SNIFFED_BYTES * 16):
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _guessed_separator(lines: Sequence[str], usual: str) -> str:
    """The separator that cuts the header into most fields and the other lines into as many."""
    if not lines:
        return usual
    best, most = usual, 1
    for separator in (usual, *(s for s in SEPARATORS if s != usual)):
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        agreed = sum(count == counts[0] for count in counts)
        if counts[0] > most and agreed > 0.8 * len(counts):
            best, most = separator, counts[0]
    return best


def _guessed_decimal(lines: Sequence[str], separator: str) -> str:
    if separator == ",":
        return "."  # a comma inside of a number parts thousands there
    fields = [field.strip() for row in csv.reader(lines[1:], delimiter=separator) for field in row]
    commas = sum(COMMA_NUMBER.fullmatch(field) is not None for field in fields)
    points = sum(POINT_NUMBER.fullmatch(field) is not None for field in fields)
    return "," if commas > points else "."


@lru_cache(maxsize=4096)
def _fits(path: str, how: TextFormat, *_identity: int) -> bool:
    """Whether no line has more fields than the header; all lines are read, once for a content."""
    file = Path(path)
    try:
        _scan(file if how.encoding == "utf-8" else _decoded(file, how.encoding), how).select(pl.all().count()).collect()
    except pl.exceptions.ComputeError:
        return False
    return True


def _scan(content: Path | bytes, how: TextFormat) -> pl.LazyFrame:
    return pl.scan_csv(content, separator=how.separator, infer_schema=False, glob=False)


def _line_by_line(text: str, how: TextFormat) -> pl.DataFrame:
    """The rows of a text in which some lines have more fields than the header; those are marked."""
    reader = csv.reader(io.StringIO(text), delimiter=how.separator)
    header = next(reader)
    columns: list[list[str | None]] = [[] for _ in header]
    faults: list[str | None] = []
    for fields in reader:
        if not fields:
            continue
        for column, field in zip(columns, [*fields, *[None] * len(header)], strict=False):
            column.append(field or None)
        more = len(fields) > len(header)
        faults.append(f"found {len(fields)} fields, expected {len(header)}" if more else None)
    names = [name if name not in header[:i] else f"{name}_duplicated_{i}" for i, name in enumerate(header)]
    table = pl.DataFrame([pl.Series(n, v, dtype=pl.String) for n, v in zip(names, columns, strict=True)])
    return table.with_columns(pl.Series(FAULT, faults, dtype=pl.String))


@lru_cache(maxsize=256)
def _types(
    files: tuple[str, ...], how: TextFormat, _identities: tuple[tuple[int, int, int, int], ...]
) -> tuple[tuple[str, pl.DataType], ...]:
    paths = [Path(f) for f in files]
    types: dict[str, pl.DataType] = dict(
        pl.scan_csv(
            paths, separator=how.separator, decimal_comma=how.decimal == ",", infer_schema_length=None, glob=False
        ).collect_schema()
    )
    # All rows are read here, once for a content: a row with too many fields is found now, not in the middle of a run.
    present = _typed(paths, how, types).select(pl.all().count()).collect().row(0, named=True)
    texts = [n for n, t in types.items() if t == pl.String]
    dated = _look_like_dates(_typed(paths, how, types), texts)
    if dated:
        # Polars can look for dates in all rows by itself, which takes fifty times as long as reading them.
        tried = _typed(paths, how, {**types, **dated}, ignore_errors=True)
        read = tried.select(pl.col(n).count() for n in dated).collect().row(0, named=True)
        types.update({n: t for n, t in dated.items() if read[n] == present[n]})
    return tuple(types.items())


def _typed(
    files: Sequence[Path], how: TextFormat, types: dict[str, pl.DataType], ignore_errors: bool = False
) -> pl.LazyFrame:
    return pl.scan_csv(
        list(files),
        separator=how.separator,
        decimal_comma=how.decimal == ",",
        schema_overrides=types,
        infer_schema_length=0,
        glob=False,
        ignore_errors=ignore_errors,
    )


def _inferred(contents: tuple[bytes, ...], how: TextFormat) -> pl.LazyFrame:
    frames = [
        pl.read_csv(
            content,
            separator=how.separator,
            decimal_comma=how.decimal == ",",
            try_parse_dates=True,
            infer_schema_length=None,
        )
        for content in contents
    ]
    return pl.concat(frames, how="vertical_relaxed").lazy()


def _look_like_dates(frame: pl.LazyFrame, columns: Sequence[str]) -> dict[str, pl.DataType]:
    """Types that Polars gives to the first values of each column, where they are dates or times."""
    found: dict[str, pl.DataType] = {}
    for name in columns:
        values = frame.select(pl.col(name).drop_nulls().head(LOOKED_AT)).collect()
        if values.height == 0:
            continue
        guessed = pl.read_csv(io.BytesIO(values.write_csv().encode()), try_parse_dates=True, infer_schema_length=None)
        kind = guessed.schema[name]
        if kind.is_temporal():
            found[name] = kind
    return found
