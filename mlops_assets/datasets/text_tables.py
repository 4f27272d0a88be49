"""Tables in text files (CSV, TSV): the type of each column is what all of its values are.

Belongs here: inferring those types, once for a file's content. Not here: which files there are, and what is said of one that
cannot be read (`datasets/sources.py`).
"""

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

LOOKED_AT = 100
"""Values of a text column that must look like dates or times before all of them are tried."""


def scan_text(files: Sequence[Path], separator: str) -> pl.LazyFrame:
    """Open text files with one header lazily, as one table.

    A guess from a file's first rows fails at the first value that differs, so numbers, booleans, dates and times are only
    what all rows agree on; everything else is text.

    Args:
        files: in order; each with the same header.
        separator: of the fields.

    Raises:
        Exception: what Polars says of files that it cannot read.
    """
    types = dict(_types(tuple(str(f) for f in files), separator, tuple(_identity(f) for f in files)))
    return _typed(files, separator, types)


def _identity(file: Path) -> tuple[int, int, int, int]:
    """Changes whenever the content does: the change time, unlike the modification time, no program can set back."""
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@lru_cache(maxsize=256)
def _types(
    files: tuple[str, ...], separator: str, _identities: tuple[tuple[int, int, int, int], ...]
) -> tuple[tuple[str, pl.DataType], ...]:
    paths = [Path(f) for f in files]
    types: dict[str, pl.DataType] = dict(
        pl.scan_csv(paths, separator=separator, infer_schema_length=None, glob=False).collect_schema()
    )
    # All rows are read here, once for a content: a row with too many fields is found now, not in the middle of a run.
    there = _typed(paths, separator, types).select(pl.all().count()).collect().row(0, named=True)
    texts = [n for n, t in types.items() if t == pl.String]
    dated = _look_like_dates(_typed(paths, separator, types), texts)
    if dated:
        # Polars can look for dates in all rows by itself, which takes fifty times as long as reading them.
        tried = _typed(paths, separator, {**types, **dated}, ignore_errors=True)
        read = tried.select(pl.col(n).count() for n in dated).collect().row(0, named=True)
        types.update({n: t for n, t in dated.items() if read[n] == there[n]})
    return tuple(types.items())


def _typed(
    files: Sequence[Path], separator: str, types: dict[str, pl.DataType], ignore_errors: bool = False
) -> pl.LazyFrame:
    return pl.scan_csv(
        list(files),
        separator=separator,
        schema_overrides=types,
        infer_schema_length=0,
        glob=False,
        ignore_errors=ignore_errors,
    )


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
