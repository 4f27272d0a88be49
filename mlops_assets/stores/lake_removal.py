"""Taking rows out of the lake for good: what remains is written again, and the files that held the rest are deleted.

Delta keeps the files of every version until they are vacuumed. Here a file is deleted as soon as no version that is to be
kept has it, and only where a commit names it: what another process is writing at this moment is named by none. The log has
no values of rows (`RETENTION` in `lake.py`). Belongs here: writing and deleting. Which rows go is for `privacy`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from mlops_assets.stores.lake import WINDOW, Lake


@dataclass(frozen=True)
class Place:
    """Where rows are.

    Attributes:
        version: of the Delta table.
        window: whose rows; None: all of the version.
    """

    version: int
    window: str | None = None


def write_again(lake: Lake, table: str, window: str | None, rows: pl.DataFrame, name: str = "") -> int:
    """Write what remains of a window or a snapshot as a new version, under the digest by which the former one is found.

    Args:
        lake: to write to.
        table: name.
        window: whose rows; None: they are a snapshot.
        rows: that remain, with their salts.
        name: digest of the former version; empty: none.

    Returns:
        The version that holds them.
    """
    if window is None:
        lake.replace_snapshot(table, rows, name)
    else:
        with lake.window_writer(table, window) as writer:
            writer.add(rows)
            writer.commit(name)
    version = lake.latest_version(table)
    assert version is not None
    return version


def delete_files(lake: Lake, table: str, kept: Iterable[Place]) -> int:
    """Delete every file of a table that neither its newest version nor a kept place has; returns how many.

    Raises:
        LakeError: there is no such table.
    """
    folder = lake.path(table)
    # Read first: what is committed afterwards is not among them.
    committed = _committed(folder)
    newest = lake.latest_version(table)
    assert newest is not None
    needed = set(_files(folder, Place(newest)))
    for place in set(kept):
        needed |= set(_files(folder, place))
    gone = 0
    for name in committed - needed:
        path = folder / name
        if path.is_file():
            path.unlink()
            gone += 1
    return gone


def _files(folder: Path, place: Place) -> list[str]:
    """Files of a version, or of one of its windows, relative to the table."""
    from deltalake import DeltaTable

    actions: Any = DeltaTable(str(folder), version=place.version).get_add_actions(flatten=True)
    rows = pl.DataFrame(actions)
    column = f"partition.{WINDOW}"
    if place.window is not None and column in rows.columns:
        rows = rows.filter(pl.col(column) == place.window)
    return [unquote(name) for name in rows["path"].to_list()] if rows.height else []


def _committed(folder: Path) -> set[str]:
    """Every file that a commit has added, relative to the table."""
    found = set()
    for log in (folder / "_delta_log").glob("*.json"):
        for line in log.read_text(encoding="utf-8").splitlines():
            added = json.loads(line).get("add")
            if added:
                found.add(unquote(added["path"]))
    return found
