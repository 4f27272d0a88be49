"""Tables of the lake, held against the digests on record before anything is computed from them.

Whoever can write to the lake can make Delta's own log fit what they changed. What a verdict, a reason or a replay rests on is
therefore compared with the digest that the ledger or a recorded result holds, each time it is read, and not only by
`mlops verify`. Belongs here: keeping and comparing those digests. What the tables hold is for the stages that write them.
"""

import polars as pl

from mlops_assets.datasets.pieces import ROWS_AT_ONCE
from mlops_assets.datasets.snapshot import digest_by_column, rows_digest
from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import WINDOW, Lake
from mlops_assets.stores.results import OF

REFERENCE_SAMPLE = "reference_sample"
"""Training rows that are kept with a version: windows and decisions are compared with them."""
POSITION = RESERVED_PREFIX + "position"


class ChangedRows(MlopsAssetsError):
    """A table of the lake does not hold the rows that were recorded; nothing is computed from it."""


def require_recorded(lake: Lake, table: str, window: str, digest: str | None, by: str, remedy: str) -> None:
    """Refuse the rows of a window that are not those on record.

    Args:
        lake: that holds them.
        table: name.
        window: whose rows.
        digest: on record, over all columns; None where none was recorded, and then nothing is compared.
        by: column that orders the rows.
        remedy: what to materialize again.

    Raises:
        ChangedRows: other rows are there.
    """
    if digest is None:
        return
    stored = lake.scan(table, window=window).drop(WINDOW)
    names = stored.collect_schema().names()
    height = stored.select(pl.len()).collect().item()
    if height <= ROWS_AT_ONCE:
        frame = stored.collect()
        found = digest_by_column(names, height, frame.get_column, by)
    else:
        found = digest_by_column(names, height, lambda name: stored.select(name).collect().to_series(), by)
    if found != digest:
        raise _changed(table, window, found, digest, remedy)


def recorded_rows(lake: Lake, table: str, version: int, digest: str, by: str, remedy: str) -> pl.DataFrame:
    """Rows of one version of a table, as they were recorded.

    Args:
        lake: that holds them.
        table: name.
        version: of the Delta table.
        digest: on record, over all columns.
        by: column that orders the rows.
        remedy: what to materialize again.

    Raises:
        ChangedRows: other rows are there.
        LakeError: there are none.
    """
    rows = lake.read(table, version=version)
    found = rows_digest(rows, by=by)
    if found != digest:
        raise _changed(table, f"version {version}", found, digest, remedy)
    return rows


def keep_with_version(platform: Platform, model: str, table: str, version: int, rows: pl.DataFrame) -> None:
    """Write rows that belong to a version, and record their digest, which is also over their order."""
    platform.evidence_book.keep(model, f"{model}{OF}v{version}", table, _ordered_digest(rows))
    platform.lake.write_window(f"{model}/{table}", f"v{version}", rows)


def kept_with_version(platform: Platform, model: str, table: str, version: int | str) -> pl.DataFrame:
    """The rows that `keep_with_version` wrote.

    Raises:
        ChangedRows: they are not those that were recorded.
        LakeError: there are none.
    """
    rows = platform.lake.read(f"{model}/{table}", window=f"v{version}").drop(WINDOW)
    digest = platform.evidence_book.digest(f"{model}{OF}v{version}", table)
    found = _ordered_digest(rows)
    if digest is not None and found != digest:
        raise _changed(f"{model}/{table}", f"v{version}", found, digest, f"{model}/reference_profile")
    return rows


def _ordered_digest(rows: pl.DataFrame) -> str:
    return rows_digest(rows.with_row_index(POSITION), by=POSITION)


def _changed(table: str, window: str, found: str, digest: str, remedy: str) -> ChangedRows:
    return ChangedRows(
        f"{table}, {window}: the rows in the lake were changed: they have digest {found[:12]}, expected {digest[:12]} as "
        f"recorded. Find out who wrote them (`mlops verify`), restore them from a backup, or materialize {remedy} again"
    )
