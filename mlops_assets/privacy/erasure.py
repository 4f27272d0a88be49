"""Taking a person out of the lake: which rows are theirs, a signed list of what goes, and the removal.

The list is recorded first. A removal that was interrupted is then visible (`mlops verify` says that listed rows are still
there), and is finished by doing it again. Nothing on record names the person: what stays of a row is the hash of its
content with a salt that goes with it. Belongs here: erasure. What is removed because of its age is in `retention.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import polars as pl

from mlops_assets.datasets.row_tree import as_array, columns_with_values, leaves_of, tree
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.inspection.recorded_tables import Recorded, difference
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.privacy import ERASING, RemovedFrom, RemovedLeaf, RowsErased
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.removals import Removal
from mlops_assets.monitoring.window_results import DRAWING
from mlops_assets.platform import Platform
from mlops_assets.privacy.parts import PartOfTable, parts_of
from mlops_assets.privacy.removal import Reduced, take_out
from mlops_assets.stores.lake import WINDOW


class ErasureRefused(MlopsAssetsError):
    """A person's rows cannot be taken out as the lake is now."""


@dataclass(frozen=True)
class Theirs:
    """The rows of one person in one part of a table.

    Attributes:
        part: of the table.
        rows: all of them, with their salts.
        theirs: which are the person's; one boolean a row.
        removed: the same as the record lists it.
    """

    part: PartOfTable
    rows: pl.DataFrame
    theirs: pl.Series
    removed: RemovedFrom


@dataclass(frozen=True)
class Erased:
    """What was done for one model.

    Attributes:
        record: that lists it.
        files: how many files were deleted.
    """

    record: Record[RowsErased]
    files: int


def rows_of(platform: Platform, model: str, subject: str, column: str | None = None) -> list[Theirs]:
    """The rows of a person in every table of a model.

    Args:
        platform: with the lake.
        model: name.
        subject: identifier of the person, as text.
        column: in which it stands; default: the declared identifier. With another column, the identifiers of the rows that
            have the person in it are looked for in the tables that do not have the column.

    Raises:
        ErasureRefused: a table is not what was recorded: an erasure would hide what was changed.
    """
    removals = platform.ledger.state().model(model).removals
    parts = list(parts_of(platform, model))
    wanted = {subject.strip()}
    if column is not None:
        wanted = set()
        for part in parts:
            rows = part.rows(platform, removals)
            names = rows.collect_schema().names()
            keys = [name for name in _identifiers(platform, model, part) if name in names]
            if column in names and keys:
                found = rows.filter(_text(column) == subject.strip()).select(_text(keys[0])).collect()
                wanted |= set(found.to_series().drop_nulls())
    found = [
        _theirs(platform, part, _identifiers(platform, model, part), wanted, subject.strip(), column) for part in parts
    ]
    return [one for one in found if one is not None]


def erase(
    platform: Platform, model: str, found: Sequence[Theirs], key: SigningKey, reason: str, basis: str, erasure: str
) -> Erased:
    """Record what goes, with a signature, and take it out.

    Args:
        platform: with ledger and lake.
        model: name.
        found: rows of the person.
        key: of somebody whose role may have rows removed.
        reason: why, without the person's name.
        basis: legal basis, such as `GDPR Article 17(1)(a)`.
        erasure: id of the erasure.

    Raises:
        NotAllowed: the key is not enrolled, or its role may not.
        ValueError: no reason, or no legal basis.
    """
    if not reason.strip() or not basis.strip():
        raise ValueError("expected a reason and a legal basis; both are part of the signed record")
    state = platform.ledger.state().model(model)
    removals = state.removals
    tables = [one.removed.model_dump(mode="json") for one in found]
    said = {"id": erasure, "reason": reason.strip(), "basis": basis.strip(), "tables": tables}
    about = {"tables": digest(tables)}
    signed = sign_act(
        platform.ledger, key, RowsErased.PURPOSE, model, about, said, roles=ERASING, barred=state.authors_of(None)
    )
    record = platform.ledger.append(RowsErased.model_validate(signed), model=model, subject=erasure)
    reduced = [Reduced(one.part, one.rows.filter(~one.theirs)) for one in found]
    files = take_out(platform, model, reduced, removals)
    for window in {one.part.window for one in found if one.part.window}:
        # A drawing shows values of the window's rows; another one is drawn on demand.
        platform.window_results(model, window).path(*DRAWING).unlink(missing_ok=True)
    return Erased(record, files)


def new_id() -> str:
    """Id of an erasure: it names nobody."""
    return f"erasure-{uuid4().hex[:12]}"


def _theirs(
    platform: Platform, part: PartOfTable, keys: Sequence[str], wanted: set[str], subject: str, column: str | None
) -> Theirs | None:
    removals = platform.ledger.state().model(part.model).removals
    lazy = part.rows(platform, removals)
    names = lazy.collect_schema().names()
    mask = pl.lit(False)
    for key in keys:
        if key in names:
            mask = mask | _text(key).is_in(sorted(wanted))
    if column is not None and column in names:
        mask = mask | (_text(column) == subject)
    mask = mask.fill_null(False)
    if not lazy.select(mask.any()).collect().item():
        return None
    rows = platform.lake.collect(part.table, lazy)
    recorded = part.recorded
    problem = difference(rows.lazy(), recorded, removals) if recorded is not None else ""
    if recorded is not None and recorded.window is not None and part.newest and not problem:
        # Readers of the table see its newest version: it must not be healed in silence either.
        seen = platform.lake.scan(part.table, window=part.window, salted=True).drop(WINDOW)
        problem = difference(seen, recorded, removals)
    if problem:
        raise ErasureRefused(f"{problem}. Nothing was erased: an erasure would hide what was changed")
    theirs = rows.select(mask.alias("theirs")).to_series()
    removal = recorded.removal(removals) if recorded is not None else None
    return Theirs(part, rows, theirs, _listed(part, recorded, rows, theirs, removal))


def _listed(
    part: PartOfTable, recorded: Recorded | None, rows: pl.DataFrame, theirs: pl.Series, removal: Removal | None
) -> RemovedFrom:
    """The rows as the record lists them: by the hash and the place of each in the tree."""
    count = int(theirs.sum())
    if recorded is None or recorded.root is None:
        return RemovedFrom(table=part.table, window=part.window, rows=rows.height, removed=count)
    columns = list(removal.columns) if removal else columns_with_values(rows)
    leaves = leaves_of([rows], columns)
    earlier = as_array([bytes.fromhex(leaf) for leaf in removal.leaves]) if removal and removal.leaves else leaves[:0]
    whole = tree(np.concatenate([leaves, earlier]))
    listed = [leaf.tobytes() for leaf in leaves[theirs.to_numpy()]]
    places = sorted((whole.position(leaf) or 0, leaf.hex()) for leaf in listed)
    return RemovedFrom(
        table=part.table,
        window=part.window,
        digest=recorded.digest,
        root=recorded.root,
        rows=len(whole.leaves),
        removed=count,
        columns=tuple(columns),
        leaves=tuple(RemovedLeaf(position=place, leaf=leaf) for place, leaf in places),
    )


def _identifiers(platform: Platform, model: str, part: PartOfTable) -> list[str]:
    """Columns of a part that may name the row's person or thing; of refused rows, under every declaration there was."""
    if part.on_record is not None and part.on_record.column:
        return [part.on_record.column]
    versions = platform.ledger.state().model(model).versions.values()
    declared = [v.registration.event.declaration for v in versions if v.registration is not None]
    names = [name for one in declared for name in (one["id"], (one.get("outcomes") or {}).get("id")) if name]
    return sorted(set(names))


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()
