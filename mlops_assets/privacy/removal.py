"""Writing tables without some of their rows, and deleting the files that held them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlops_assets.ledger.state.removals import Removals
from mlops_assets.platform import Platform
from mlops_assets.privacy.parts import PartOfTable, parts_of
from mlops_assets.stores.lake_removal import Place, delete_files, write_again


@dataclass(frozen=True)
class Reduced:
    """A part of a table, and what remains of it.

    Attributes:
        part: of which table.
        remaining: rows with their salts; None: nothing is kept, not even its version.
    """

    part: PartOfTable
    remaining: pl.DataFrame | None


def take_out(platform: Platform, model: str, reduced: Sequence[Reduced], removals: Removals) -> int:
    """Write what remains of the model's tables, and delete every file that held the rest; returns how many files.

    Args:
        platform: with the lake.
        model: name.
        reduced: parts from which rows go.
        removals: as they were before the rows of these parts were listed as removed.
    """
    by_table: dict[str, list[Reduced]] = {}
    for one in reduced:
        by_table.setdefault(one.part.table, []).append(one)
    every = [part for part in parts_of(platform, model) if part.table in by_table]
    every += [one.part for one in reduced if one.part not in every]
    return sum(
        _of_table(platform, table, {one.part: one for one in found}, [p for p in every if p.table == table], removals)
        for table, found in by_table.items()
    )


def _of_table(
    platform: Platform,
    table: str,
    reduced: Mapping[PartOfTable, Reduced],
    parts: Sequence[PartOfTable],
    removals: Removals,
) -> int:
    lake = platform.lake
    ordered = sorted(parts, key=lambda part: (part.window or "", part.newest, part.version or 0))
    kept: list[Place] = []
    for window in dict.fromkeys(part.window for part in ordered):
        of_window = [part for part in ordered if part.window == window]
        last = of_window[-1]
        seen = None if last in reduced else last.rows(platform, removals).collect()
        written = False
        for part in of_window:
            if part not in reduced:
                if part.place is not None:
                    kept.append(part.place)
                continue
            remaining = reduced[part].remaining
            if remaining is None and part is not last:
                continue
            if remaining is None:
                remaining = part.rows(platform, removals).clear().collect()
            name = part.name if reduced[part].remaining is not None else ""
            kept.append(Place(write_again(lake, table, window, remaining, name), window))
            written = True
        if written and seen is not None:
            # Readers see the newest version: the rows that were it have to be it again.
            write_again(lake, table, window, seen)
    return delete_files(lake, table, kept)
