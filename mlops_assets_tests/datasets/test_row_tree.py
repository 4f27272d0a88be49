"""The tree over a table's rows, held against the definition written out with the standard library."""

import hashlib
import math
import struct
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets.kept_rows import SaltedWindow, keep_snapshot, salted, sealed
from mlops_assets.datasets.row_tree import as_array, columns_with_values, fresh_salts, leaves_of, tree, tree_of
from mlops_assets.stores.lake import SALT, Lake

MOMENT = datetime(2021, 3, 1, 12, 30, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "id": ["b", "a", "ä"],
        "number": [1.5, -0.0, float("nan")],
        "count": [1, None, 2**60],
        "huge": pl.Series([2**64 - 1, 5, None], dtype=pl.UInt64),
        "flag": [True, None, False],
        "when": [MOMENT, None, MOMENT],
        "day": [date(1969, 12, 31), date(2020, 2, 29), None],
        "other": ["", None, "x" * 300],
        "empty": pl.Series([None, None, None], dtype=pl.String),
        "nothing": [float("nan")] * 3,
    }
)


def cell(value: object) -> tuple[bytes, bytes]:
    """Kind and value of one cell, and the text behind all cells."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return b"\x00" + bytes(8), b""
    if isinstance(value, bool):
        return b"\x03" + struct.pack("<q", value), b""
    if isinstance(value, int) and abs(value) > 2**53:
        return (b"\x06" + struct.pack("<Q", value) if value >= 2**63 else b"\x05" + struct.pack("<q", value)), b""
    if isinstance(value, int | float):
        return b"\x01" + struct.pack("<d", value + 0.0), b""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        return b"\x04" + struct.pack("<q", (since.days * 86400 + since.seconds) * 10**6 + since.microseconds), b""
    text = str(value).encode()
    return b"\x02" + struct.pack("<Q", len(text)), text


def leaf(row: dict[str, object], columns: list[str]) -> bytes:
    header = hashlib.sha256(b"".join(struct.pack("<I", len(c.encode())) + c.encode() for c in columns)).digest()
    cells = [cell(row[name]) for name in columns]
    content = b"".join(fixed for fixed, _ in cells) + b"".join(text for _, text in cells)
    salt = row[SALT]
    assert isinstance(salt, bytes)
    return hashlib.sha256(b"\x00" + salt + header + content).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def climbed(found: bytes, position: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2."""
    last = size - 1
    for beside in path:
        if position % 2 or position == last:
            found = hashlib.sha256(b"\x01" + beside + found).digest()
            while position and position % 2 == 0:
                position, last = position // 2, last // 2
        else:
            found = hashlib.sha256(b"\x01" + found + beside).digest()
        position, last = position // 2, last // 2
    return found


def test_a_leaf_is_what_the_page_says():
    rows = salted(ROWS)
    columns = columns_with_values(rows)
    assert columns == sorted(set(ROWS.columns) - {"empty", "nothing"})
    expected = [leaf(row, columns) for row in rows.to_dicts()]
    assert [found.tobytes() for found in leaves_of([rows[:1], rows[1:]], columns)] == expected
    assert tree_of(rows).root == root(sorted(expected)).hex() == tree_of(rows.reverse()).root


@given(st.integers(0, 70), st.integers(0, 2**32))
def test_every_leaf_has_a_path_to_the_root(size: int, seed: int):
    drawn = np.random.default_rng(seed).integers(0, 256, (size, 32), dtype=np.uint8)
    found = tree(drawn)
    ordered = sorted(row.tobytes() for row in drawn)
    assert found.root == root(ordered).hex()
    for position, one in enumerate(ordered):
        assert found.position(one) is not None
        assert climbed(one, position, size, found.path(position)).hex() == found.root
    assert found.position(bytes(32)) is None or bytes(32) in ordered


def test_leaves_that_begin_alike_are_ordered_whole():
    alike = [bytes(8) + bytes([last]) * 24 for last in (3, 1, 2, 1)]
    assert tree(as_array(alike)).root == root(sorted(alike)).hex()


@pytest.mark.parametrize(
    "changed",
    [
        ROWS.with_columns(pl.col("number") + 1),
        ROWS.with_columns(other=pl.lit("")),
        ROWS.with_columns(id=pl.col("other"), other=pl.col("id")),
        ROWS.rename({"flag": "flags"}),
        ROWS.with_columns(flag=pl.col("flag").cast(pl.Int64)),
        ROWS.head(2),
    ],
)
def test_other_rows_have_another_root(changed):
    salts = fresh_salts(3)
    assert tree_of(ROWS.with_columns(salts)).root != tree_of(changed.with_columns(salts.head(changed.height))).root


def test_salts_that_are_none_give_another_root():
    rows = salted(ROWS)
    for other in (pl.lit(b"short"), pl.lit(None, dtype=pl.Binary)):
        assert tree_of(rows.with_columns(other.alias(SALT))).root != tree_of(rows).root


def test_the_same_rows_are_kept_once_and_under_the_same_hashes(tmp_path):
    lake = Lake(tmp_path)
    rows = ROWS.select("id", "number", "flag", "when")
    first = keep_snapshot(lake, "m/rows", rows, "id", tag=":a")
    other = keep_snapshot(lake, "m/rows", rows.head(2), "id", tag=":a")
    assert keep_snapshot(lake, "m/rows", rows.reverse(), "id", tag=":a") == first
    assert other.root != first.root
    assert keep_snapshot(lake, "m/rows", rows, "id", tag=":b").digest != first.digest, (
        "no hash tells that rows are equal"
    )
    assert SALT not in lake.read("m/rows").columns
    stored = lake.read("m/rows", version=first.written.version, salted=True)
    assert sealed(stored, "id").root == first.root


def test_a_window_that_is_written_again_keeps_its_salts(tmp_path):
    lake, rows = Lake(tmp_path), ROWS.select("id", "number", "flag")

    def write(*frames: pl.DataFrame) -> str:
        with SaltedWindow(lake, "m/said", "2021-01-01", "id") as window:
            for frame in frames:
                window.add(frame)
            found = window.sealed("id")
            window.commit()
        return found.root + found.digest

    first = write(rows)
    assert write(rows[:1], rows[1:]) == first == write(rows)
    assert write(rows.with_columns(number=pl.lit(2.0))) != first
    assert write(rows) == first


def test_no_value_is_in_the_log_of_a_table(tmp_path):
    lake = Lake(tmp_path)
    keep_snapshot(lake, "m/rows", pl.DataFrame({"id": ["MARKED-VALUE"], "x": [123456.75]}), "id")
    with SaltedWindow(lake, "m/said", "2021 01/01", "id") as window:  # a name that needs Delta's own writer
        window.add(pl.DataFrame({"id": ["MARKED-VALUE"], "x": [123456.75]}))
        window.commit()
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("_delta_log/*.json")]
    assert logs
    assert not [log for log in logs if "MARKED" in log or "123456" in log]
