"""What breaks a feed, put into a window of a stream that nobody knows: whether the fault is named, with its columns.

Belongs here: the faults. The streams and the table are `published_streams.py`'s.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

Broken = tuple[pl.DataFrame, set[str]]
Break = Callable[[pl.DataFrame, Sequence[str], np.random.Generator], Broken | None]
"""Rows and the columns that may be broken to broken rows and the columns that were; None where no column is fit for it."""


def _numbers(rows: pl.DataFrame, columns: Sequence[str], least: int = 20) -> list[str]:
    return [n for n in columns if rows[n].dtype.is_numeric() and rows[n].n_unique() >= least]


def _texts(rows: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Categories, the most frequent of which a twentieth of the rows has; days that are written as text are none."""
    held = [n for n in columns if rows[n].dtype == pl.String and 2 <= rows[n].n_unique() <= 100]
    held = [n for n in held if not rows[n].str.contains(r"^\d{4}-\d\d-\d\d").any()]
    return [n for n in held if rows[n].drop_nulls().value_counts()["count"].max() >= rows.height / 20]  # type: ignore[operator]


def _one(found: Sequence[str], generator: np.random.Generator) -> str | None:
    return found[int(generator.integers(len(found)))] if found else None


def missing(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A fifth of a column is not there."""
    name = _one([n for n in columns if rows[n].null_count() < rows.height / 2], generator)
    if name is None:
        return None
    gone = pl.Series(generator.random(rows.height) < 0.2)
    return rows.with_columns(
        rows[name].set(gone, None)
        if rows[name].dtype != pl.String
        else pl.when(gone).then(None).otherwise(rows[name]).alias(name)
    ), {name}


def thousand(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A number is given in thousandths."""
    held = [n for n in _numbers(rows, columns) if (rows[n].fill_null(0) == 0).mean() < 0.8]  # type: ignore[operator]
    name = _one(held, generator)
    return None if name is None else (rows.with_columns(pl.col(name).cast(pl.Float64) * 1000), {name})


def hundredth(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A number comes as a share where percent were meant."""
    held = [n for n in _numbers(rows, columns) if (rows[n].fill_null(0) == 0).mean() < 0.8]  # type: ignore[operator]
    name = _one(held, generator)
    return None if name is None else (rows.with_columns(pl.col(name).cast(pl.Float64) / 100), {name})


def placeholder(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A tenth of a number is -999."""
    name = _one(_numbers(rows, columns), generator)
    if name is None:
        return None
    gone = pl.Series(generator.random(rows.height) < 0.1)
    return rows.with_columns(
        pl.when(gone)
        .then(-999)
        .otherwise(rows[name])
        .cast(rows[name].dtype if rows[name].dtype.is_signed_integer() else pl.Float64)
        .alias(name)
    ), {name}


def stuck(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A number keeps the value of the first row."""
    name = _one(_numbers(rows, columns), generator)
    return (
        None
        if name is None
        else (rows.with_columns(pl.lit(rows[name].drop_nulls()[0], dtype=rows[name].dtype).alias(name)), {name})
    )


def renamed(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """The most frequent category is written otherwise."""
    name = _one(_texts(rows, columns), generator)
    if name is None:
        return None
    most = rows[name].drop_nulls().mode().sort()[0]
    return rows.with_columns(pl.col(name).replace(most, f"{most}_v2")), {name}


def upper(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A text column is written with a space at its end."""
    name = _one(_texts(rows, columns), generator)
    return None if name is None else (rows.with_columns(pl.col(name) + " "), {name})


def swapped(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """Two numbers of other sizes have changed places."""
    held = _numbers(rows, columns)
    generator.shuffle(held)
    for i, first in enumerate(held):
        for second in held[i + 1 :]:
            a, b = rows[first].cast(pl.Float64), rows[second].cast(pl.Float64)
            if abs(float(a.mean()) - float(b.mean())) > max(float(a.std()), float(b.std())):  # type: ignore[arg-type]
                return rows.with_columns(b.alias(first), a.alias(second)), {first, second}
    return None


def dropped(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """A column is not delivered."""
    name = _one(list(columns), generator)
    return None if name is None or len(columns) < 2 else (rows.drop(name), {name})


def twice(rows: pl.DataFrame, columns: Sequence[str], generator: np.random.Generator) -> Broken | None:
    """Half of the window, sent twice."""
    half = rows.head(rows.height // 2)
    return pl.concat([half, half]), set()


FAULTS: dict[str, Break] = {
    "20% missing": missing,
    "times 1000": thousand,
    "a hundredth": hundredth,
    "10% -999": placeholder,
    "stuck at a value": stuck,
    "renamed category": renamed,
    "text with a space": upper,
    "swapped numbers": swapped,
    "a column dropped": dropped,
    "sent twice": twice,
}
