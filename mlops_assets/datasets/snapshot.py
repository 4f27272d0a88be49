"""The training snapshot: its content digest, which rows train, and which are held out.

Belongs here: pure functions from frame to digest or frames. Not here: the Delta table that keeps a snapshot (`stores/`),
and what makes a row acceptable (`contract.py`).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.windows import midnight, shift
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task

EXACT_INTEGERS = 2**53
TEXTS_AT_ONCE = 1_000_000
"""Texts whose bytes are laid out one behind the other at a time."""
# Holding out by whole days can miss the wanted share; beyond this factor, time is too coarse to split by.
SHARE_TOLERANCE = 1.6


@dataclass(frozen=True)
class Split:
    """Training rows in two parts.

    Attributes:
        fit: rows the model is fitted on.
        holdout: rows kept for evaluation and reference, never seen in fitting.
        method: `time` when the holdout is the latest rows, `hash` when it is a seeded stratified draw, `none` when nothing is
            fitted here and all rows are held out, but for those that are known to have trained the model elsewhere.
        cut: first day of the holdout, where it is cut by time.
    """

    fit: pl.DataFrame
    holdout: pl.DataFrame
    method: Literal["time", "hash", "none"]
    cut: date | None


def rows_digest(frame: pl.DataFrame, by: str | None = None) -> str:
    """SHA-256 over the rows' content, the same whatever their order, file format, process or Polars version.

    What is hashed: the number of rows, then for each column in order of name: its name, its kind, one byte a row for
    missing (1) or not (0), and its values in row order. A column without a value counts as absent: a table has it as soon as
    other rows do. Rows are sorted by `by` (where that is not unique or not given, by all columns in order of name).
    Numbers are little-endian float64 (so 1 and 1.0 are the same; -0.0 counts as 0.0, NaN as missing); whole-number columns
    that go beyond 2**53 are text. Text is UTF-8: all byte lengths as little-endian uint32, then the bytes. Booleans are one
    byte; dates and times are little-endian int64 microseconds since 1970 in UTC; bytes are text in hexadecimal. Any other
    type is hashed as the text Polars casts it to.
    """
    return digest_by_column(frame.columns, frame.height, frame.get_column, by)


def digest_by_column(names: Sequence[str], rows: int, read: Callable[[str], pl.Series], by: str | None = None) -> str:
    """`rows_digest` of a table that is read a column at a time, so that no more than one of its columns is in memory.

    Args:
        names: of the columns, in any order.
        rows: how many the table has.
        read: gives a column; the one rows are sorted by is asked for twice.
        by: see `rows_digest`. Where its values repeat, all columns are read at once to be sorted by.
    """
    names = sorted(names)
    order = _order(_canonical(read(by))) if by is not None and by in names else None
    if order is None and names:
        ordered = pl.DataFrame([_canonical(read(name)) for name in names]).sort(names, nulls_last=False)
        read, order = ordered.get_column, np.empty(0, np.uint32)
    digest = hashlib.sha256(f"rows-v1\n{rows}\n".encode())
    for name in names:
        assert order is not None
        _update(digest, _canonical(read(name)), order)
    return digest.hexdigest()


def _order(key: pl.Series) -> np.ndarray | None:
    """Positions that sort a column as `Series.sort` does; empty where it is sorted already, None where values repeat."""
    if key.dtype == pl.String and not key.null_count():
        return _text_order(key)
    ordered = key.arg_sort()
    again = key.gather(ordered)
    if len(key) > 1 and again[1:].eq_missing(again[:-1]).any():
        return None
    return ordered.to_numpy()


def _text_order(texts: pl.Series) -> np.ndarray | None:
    """`_order` of texts, in a fraction of the time that comparing them takes.

    Texts are compared by the eight bytes behind what all of them begin with, read as one number; those that agree in them
    are then sorted as texts.
    """
    if len(texts) < 2:
        return np.empty(0, np.uint32)
    keys = _leading_numbers(texts)
    if (keys[1:] > keys[:-1]).all():
        return np.empty(0, np.uint32)
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.concatenate((same, [False])) | np.concatenate(([False], same))
    if tied.any():
        rows = pl.Series(order[tied])
        again = pl.DataFrame({"row": rows, "key": ordered[tied], "text": texts.gather(rows)}).sort("key", "text")
        if (again["text"][1:] == again["text"][:-1]).any():
            return None
        order[tied] = again["row"].to_numpy()
    return order


def _leading_numbers(texts: pl.Series) -> np.ndarray:
    """Of each text, the eight bytes behind what all texts begin with, as a number; what it lacks counts as zero."""
    # Whatever lies between the least and the greatest text begins with what both begin with.
    first, last = (str(value).encode() for value in (texts.min(), texts.max()))
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    length = len(first)
    found = np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        edges, content = _text_buffers(texts[start : start + TEXTS_AT_ONCE])
        count = len(edges) - 1
        leading = np.zeros((count, 8), np.uint8)
        if (np.diff(edges) == length).all():
            width = min(8, length - shared)
            leading[:, :width] = content.reshape(count, length)[:, shared : shared + width]
        else:
            for i in range(8):
                place = edges[:-1] + shared + i
                there = place < edges[1:]
                leading[there, i] = content[place[there]]
        found[start : start + count] = leading.view(">u8").ravel()
    return found


def _text_buffers(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Where each text begins (and the last one ends), and the bytes of all of them, one behind the other."""
    stored = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, places, content = stored.buffers()
    edges = np.frombuffer(places, np.int64, len(texts) + 1, 8 * stored.offset)
    whole = np.frombuffer(content, np.uint8) if content is not None else np.empty(0, np.uint8)
    return edges - edges[0], whole[edges[0] : edges[-1]]


def _canonical(series: pl.Series) -> pl.Series:
    dtype = series.dtype
    if dtype == pl.Boolean or dtype == pl.String:
        return series
    if dtype.is_integer():
        bound = max(abs(int(series.min() or 0)), abs(int(series.max() or 0)))  # pyright: ignore[reportArgumentType]
        return series.cast(pl.Float64) if bound <= EXACT_INTEGERS else series.cast(pl.String)
    if dtype.is_float():
        # Polars leaves a column to which 0.0 is added as it is, -0.0 included.
        number = pl.col(series.name).cast(pl.Float64).fill_nan(None)
        return series.to_frame().select(pl.when(number == 0).then(0.0).otherwise(number).alias(series.name)).to_series()
    if dtype == pl.Null:
        return series.cast(pl.Float64)
    if isinstance(dtype, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else series
        return utc.cast(pl.Datetime("us"))
    if dtype == pl.Date:
        return series.cast(pl.Datetime("us"))
    if dtype == pl.Binary:
        return series.bin.encode("hex")
    if dtype.is_nested():
        as_struct = series.to_frame().select(pl.struct(pl.col(series.name)).struct.json_encode().alias(series.name))
        return as_struct.to_series()
    return series.cast(pl.String)


def _update(digest: "hashlib._Hash", series: pl.Series, order: np.ndarray) -> None:
    """Add a column whose rows are taken in this order; as they are where it is empty."""

    def ordered(values: np.ndarray) -> memoryview:
        return np.ascontiguousarray(values[order] if len(order) else values).data

    missing = series.null_count()
    if missing == len(series):
        return
    if series.dtype == pl.String:
        kind, values = "text", None
    elif series.dtype == pl.Boolean:
        kind, values = "boolean", series.fill_null(False).cast(pl.UInt8).to_numpy()
    elif isinstance(series.dtype, pl.Datetime):
        kind, values = "time", series.to_physical().fill_null(0).to_numpy().astype("<i8", copy=False)
    else:
        kind, values = "number", series.fill_null(0.0).to_numpy().astype("<f8", copy=False)
    name = series.name.encode()
    digest.update(f"{len(name)}:".encode() + name + b"\n" + kind.encode() + b"\n")
    digest.update(ordered(series.is_null().cast(pl.UInt8).to_numpy()) if missing else bytes(len(series)))
    if values is not None:
        digest.update(ordered(values))
    elif kind == "text":
        texts = series.fill_null("") if missing else series
        digest.update(ordered(texts.str.len_bytes().to_numpy().astype("<u4", copy=False)))
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = slice(start, start + TEXTS_AT_ONCE)
            _, content = _text_buffers(texts.gather(order[part]) if len(order) else texts[part])
            digest.update(content.data)


def select_training(
    frame: pl.DataFrame, declaration: Declaration, until: date | None = None, known_at: date | None = None
) -> pl.DataFrame:
    """Rows that train: events before `until`, no older than the declared window.

    Args:
        frame: accepted rows.
        declaration: the model.
        until: first day that is not training any more; default `training.until`.
        known_at: day on which the training is done; rows whose outcome has not matured by then (event time plus
            `target.matures_after`) are left out. Not given: every outcome in the frame counts as known.
    """
    if declaration.event_time is None:
        return frame
    end = until or declaration.training.until
    assert end is not None  # the declaration refuses a timed model without `until`
    time = event_time_expr(declaration.event_time)
    keep = time < midnight(end)
    if declaration.training.window is not None:
        keep &= time >= midnight(shift(end, declaration.training.window, sign=-1))
    if known_at is not None and declaration.target.matures_after is not None:
        keep &= time < midnight(shift(known_at, declaration.target.matures_after, sign=-1))
    return frame.filter(keep.fill_null(False))


def split(frame: pl.DataFrame, declaration: Declaration) -> Split:
    """Part training rows into those to fit on and those held out.

    With an event time the holdout is the latest days, cut between two days so that rows of one moment stay together,
    as near to `training.holdout` as days allow. Where time is too coarse for that (a survey year, one snapshot) the
    holdout is drawn by a seeded hash of the id, the same share from each class.

    Raises:
        ValueError: when there are fewer than two rows, or none that did not train an imported model.
    """
    if not declaration.trained_here:
        return _not_fitted(frame, declaration)
    if frame.height < 2:
        raise ValueError(f"found {frame.height} training row(s); at least two are needed to hold some out")
    if declaration.event_time is not None:
        cut = _day_cut(frame, declaration)
        if cut is not None:
            late = event_time_expr(declaration.event_time) >= midnight(cut)
            return Split(frame.filter(~late), frame.filter(late), "time", cut)
    held = _hash_draw(frame, declaration)
    return Split(frame.filter(~held), frame.filter(held), "hash", None)


def held_out_alike(rows: pl.DataFrame, parts: Split, declaration: Declaration) -> pl.DataFrame:
    """Of further rows of the training period, those that stand beside the held-out ones: of the same days, or the same share.

    Args:
        rows: that do not train, such as those without an outcome; columns as in `parts`.
        parts: of the rows that train.
        declaration: the model.
    """
    if parts.cut is not None:
        assert declaration.event_time is not None
        return rows.filter(event_time_expr(declaration.event_time) >= midnight(parts.cut))
    if parts.method == "none":
        return rows
    return rows.filter(_hash_draw(rows, declaration))


def _not_fitted(frame: pl.DataFrame, declaration: Declaration) -> Split:
    """Nothing is fitted here: all rows are held out, but for those that are known to have trained an imported model."""
    cut = declaration.imported.trained_until if declaration.imported is not None else None
    if cut is None or declaration.event_time is None:
        return Split(frame.clear(), frame, "none", None)
    late = event_time_expr(declaration.event_time) >= midnight(cut)
    parts = Split(frame.filter(~late), frame.filter(late), "none", cut)
    if parts.holdout.is_empty():
        raise ValueError(
            f"imported.trained_until is {cut}, and no row of the training period is of that day or later; expected some, on which "
            "the model is evaluated"
        )
    return parts


def _day_cut(frame: pl.DataFrame, declaration: Declaration) -> date | None:
    assert declaration.event_time is not None
    days = frame.select(event_time_expr(declaration.event_time).dt.date().alias("day")).to_series()
    counts = days.value_counts().sort("day")
    if counts.height < 2:
        return None
    share = counts["count"].reverse().cum_sum().reverse().to_numpy()[1:] / frame.height
    wanted = declaration.training.holdout
    best = int(np.argmin(np.abs(share - wanted)))
    if not wanted / SHARE_TOLERANCE <= share[best] <= wanted * SHARE_TOLERANCE:
        return None
    return counts["day"][best + 1]


def _hash_draw(frame: pl.DataFrame, declaration: Declaration) -> pl.Series:
    order = frame.select(
        pl.Series("draw", seeded_hash(frame[declaration.id], declaration.training.seed)),
        pl.lit(0).alias("class")
        if declaration.task is Task.REGRESSION
        else pl.col(declaration.target.column).alias("class"),
    )
    rank = pl.col("draw").rank("ordinal").over("class")
    size = pl.len().over("class")
    # Half a row is added so that the share is met on the whole and not always rounded down.
    return order.select((rank <= (size * declaration.training.holdout + 0.5).floor()).alias("held")).to_series()


def seeded_hash(ids: pl.Series, seed: int) -> np.ndarray:
    """A uint64 a row that depends on seed and id alone: a random order that every process agrees on."""
    prefix = f"{seed}:".encode()
    texts = ids.cast(pl.String).fill_null("").to_list()
    digests = b"".join(hashlib.blake2b(prefix + text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8")
