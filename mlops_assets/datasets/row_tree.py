"""A table of rows under one hash, of which a row can be shown, or taken out, without the others.

The hash is the root of a Merkle tree (RFC 9162, section 2.1.1): a leaf is SHA-256(0x00 || salt || row), a node
SHA-256(0x01 || left || right). The salt is random and stored beside the row, so that once both are removed nobody can try
rows until one gives the leaf that stays on record. The leaves are in the order of their hashes: where a removed one stood
then says nothing of the row, as its place among identifiers would.

A row is written so that the standard library can write it again: 32 bytes of SHA-256 over the names of the columns that
have a value anywhere in the table, in order, each as UTF-8 behind its length (little-endian uint32); then for each of
them a byte for the kind and eight bytes: 0 missing, 1 a little-endian float64, 2 the length of a text, 3 a boolean, 4
microseconds since 1970 in UTC, 5 an integer beyond 2**53 (int64), 6 one beyond int64 (uint64); then the texts, one behind
the other. -0.0 counts as 0.0 and NaN as missing. Values of any other type are texts as Polars casts them.

Belongs here: leaves, root, and the path from one leaf to the root. Not here: which table is under which root on record
(`inspection/recorded_tables.py`).
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import EXACT_INTEGERS
from mlops_assets.stores.lake import SALT

SALT_BYTES = 16
HASH_BYTES = 32
CELL = 9
"""Bytes of a column in a row: its kind, and eight for its value."""
ROWS_AT_ONCE = 50_000
MISSING, NUMBER, TEXT, BOOLEAN, TIME, INTEGER, LARGE_INTEGER = range(7)
_LEAF, _NODE = hashlib.sha256(b"\x00"), hashlib.sha256(b"\x01")
"""Copying a hash that has begun takes half the time of making one."""


@dataclass(frozen=True)
class RowTree:
    """The leaves of a table.

    Attributes:
        leaves: in the order of their hashes; shape (n, 32), bytes.
        root: of the tree, in lowercase hex.
    """

    leaves: np.ndarray
    root: str

    def position(self, leaf: bytes) -> int | None:
        """Where a leaf stands; None where it is not in the tree."""
        first = int(np.searchsorted(_keys(self.leaves), np.frombuffer(leaf[:8], ">u8")[0]))
        for place in range(first, len(self.leaves)):
            found = self.leaves[place].tobytes()
            if found >= leaf:
                return place if found == leaf else None
        return None

    def path(self, position: int) -> list[bytes]:
        """Hashes that lead from a leaf to the root, the nearest first (RFC 9162, section 2.1.3.1)."""
        found, level = [], self.leaves.tobytes()
        while len(level) > HASH_BYTES:
            beside = (position ^ 1) * HASH_BYTES
            if beside < len(level):
                found.append(level[beside : beside + HASH_BYTES])
            level, position = _above(level), position // 2
        return found


def fresh_salts(rows: int) -> pl.Series:
    """A random salt for each row."""
    import pyarrow as pa

    drawn = pa.py_buffer(os.urandom(rows * SALT_BYTES))
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(SALT_BYTES), rows, [None, drawn])
    return pl.Series(SALT, fixed.cast(pa.large_binary()), dtype=pl.Binary)


def columns_with_values(rows: pl.DataFrame) -> list[str]:
    """Names that a row is written under: a column without a single value is as if it were not there."""
    counts = rows.null_count().row(0) if rows.height else (0,) * rows.width
    return sorted(
        name
        for name, nulls in zip(rows.columns, counts, strict=True)
        if nulls < rows.height and name != SALT and not (rows.schema[name].is_float() and not _has_number(rows[name]))
    )


def tree_of(rows: pl.DataFrame) -> RowTree:
    """The tree of rows that have a salt."""
    return tree(leaves_of([rows], columns_with_values(rows)))


def tree(leaves: np.ndarray) -> RowTree:
    """The tree over leaves in any order; the root over none is SHA-256 of nothing."""
    ordered = _ordered(leaves)
    if not len(ordered):
        return RowTree(ordered, hashlib.sha256(b"").hexdigest())
    level = ordered.tobytes()
    while len(level) > HASH_BYTES:
        level = _above(level)
    return RowTree(ordered, level.hex())


def leaves_of(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> np.ndarray:
    """Leaf of each row: shape (n, 32), bytes.

    Args:
        frames: rows with a salt.
        columns: that a row is written under, in order; one that a frame does not have is missing in each of its rows.
    """
    header = _header(columns)
    found = [
        _leaves(frame[start : start + ROWS_AT_ONCE], columns, header)
        for frame in frames
        for start in range(0, frame.height, ROWS_AT_ONCE)
    ]
    return np.concatenate(found) if found else np.empty((0, HASH_BYTES), np.uint8)


def cells_of(row: pl.DataFrame, columns: Sequence[str]) -> list[tuple[int, bytes, str]]:
    """Kind, eight bytes and text of each value of one row, as it is written in its leaf."""
    found = []
    for name in columns:
        kinds, values, text = _cells(row[name])
        content = np.ascontiguousarray(values).view(np.uint8).tobytes()
        found.append((int(kinds[0]), content, text[0] if text is not None else ""))
    return found


def as_array(leaves: Sequence[bytes]) -> np.ndarray:
    """Leaves as the tree takes them: shape (n, 32), bytes."""
    return np.frombuffer(b"".join(leaves), np.uint8).reshape(-1, HASH_BYTES)


def _above(level: bytes) -> bytes:
    """The next level: a node over each two, and the last one as it is where it has none beside it."""
    found, whole, size = [], memoryview(level), 2 * HASH_BYTES
    last = len(level) - len(level) % size
    for start in range(0, last, size):
        node = _NODE.copy()
        node.update(whole[start : start + size])
        found.append(node.digest())
    return b"".join(found) + level[last:]


def _ordered(leaves: np.ndarray) -> np.ndarray:
    order = np.argsort(_keys(leaves), kind="stable")
    keys = _keys(leaves)[order]
    if (keys[1:] == keys[:-1]).any():
        order = np.asarray(sorted(range(len(leaves)), key=lambda place: leaves[place].tobytes()), dtype=np.int64)
    return leaves[order]


def _keys(leaves: np.ndarray) -> np.ndarray:
    """The first eight bytes of each, as numbers in the same order."""
    return np.ascontiguousarray(leaves[:, :8]).view(">u8").ravel()


def _header(columns: Sequence[str]) -> bytes:
    names = (name.encode() for name in columns)
    return hashlib.sha256(b"".join(len(name).to_bytes(4, "little") + name for name in names)).digest()


def _leaves(rows: pl.DataFrame, columns: Sequence[str], header: bytes) -> np.ndarray:
    start = SALT_BYTES + HASH_BYTES
    fixed = np.zeros((rows.height, start + CELL * len(columns)), np.uint8)
    fixed[:, :SALT_BYTES] = _salts(rows[SALT])
    fixed[:, SALT_BYTES:start] = np.frombuffer(header, np.uint8)
    texts: list[pl.Series] = []
    for position, name in enumerate(columns):
        if name not in rows.columns:
            continue
        kinds, values, text = _cells(rows[name])
        place = start + CELL * position
        fixed[:, place] = kinds
        fixed[:, place + 1 : place + CELL] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
        if text is not None:
            texts.append(text.alias(str(len(texts))))
    starts = fixed.view(f"V{fixed.shape[1]}").ravel().tolist()
    found = []
    if texts:
        ends = pl.select(pl.concat_str(texts)).to_series().cast(pl.Binary).to_list()
        for first, rest in zip(starts, ends, strict=True):
            leaf = _LEAF.copy()
            leaf.update(first + rest)
            found.append(leaf.digest())
    else:
        for first in starts:
            leaf = _LEAF.copy()
            leaf.update(first)
            found.append(leaf.digest())
    return as_array(found)


def _salts(salts: pl.Series) -> np.ndarray:
    """Salts as an array; where somebody put anything else in their place, a table of zeros, which no leaf on record has."""
    lengths = salts.bin.size()
    if salts.null_count() or not len(salts) or lengths.min() != SALT_BYTES or lengths.max() != SALT_BYTES:
        return np.zeros((len(salts), SALT_BYTES), np.uint8)
    return np.frombuffer(b"".join(salts.to_list()), np.uint8).reshape(-1, SALT_BYTES)


def _cells(series: pl.Series) -> tuple[np.ndarray, np.ndarray, pl.Series | None]:
    """Kind and eight bytes of each value, and the texts where the column has any."""
    dtype = series.dtype
    if dtype.is_float():
        number = series.cast(pl.Float64).fill_nan(None)
        given = number.is_not_null().to_numpy()
        return given * np.uint8(NUMBER), number.fill_null(0.0).to_numpy() + 0.0, None
    given = series.is_not_null().to_numpy()
    if dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128):
        return _integers(series, given)
    if dtype == pl.Boolean:
        return given * np.uint8(BOOLEAN), series.fill_null(False).cast(pl.Int64).to_numpy().astype("<i8"), None
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        moments = series.cast(pl.Datetime("us")).to_physical().fill_null(0).to_numpy()
        return given * np.uint8(TIME), moments.astype("<i8", copy=False), None
    if dtype.is_nested():
        as_struct = series.to_frame().select(pl.struct(pl.col(series.name)).struct.json_encode())
        series = as_struct.to_series()
    elif dtype == pl.Binary:
        series = series.bin.encode("hex")
    text = series.cast(pl.String).fill_null("")
    return given * np.uint8(TEXT), text.str.len_bytes().to_numpy().astype("<u8"), text


def _integers(series: pl.Series, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
    """Whole numbers as floats, so that 1 and 1.0 are the same, but for those that a float does not hold."""
    values = series.fill_null(0).to_numpy()
    kinds, cells = given * np.uint8(NUMBER), values.astype("<f8").view("<u8")
    beyond = (values > EXACT_INTEGERS) | (values < -EXACT_INTEGERS)
    if beyond.any():
        large = beyond & (values.astype(np.uint64) > np.uint64(2**63 - 1)) & (values > 0)
        kinds = np.where(large, np.uint8(LARGE_INTEGER), np.where(beyond, np.uint8(INTEGER), kinds))
        cells = np.where(beyond, values.astype("<u8" if series.dtype == pl.UInt64 else "<i8").view("<u8"), cells)
    return kinds, cells, None


def _has_number(series: pl.Series) -> bool:
    return bool(series.is_not_nan().any())
