"""One prediction and its input row, with what leads from each to the root on record, so that they can be shown alone."""

import struct
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.row_tree import (
    BOOLEAN,
    HASH_BYTES,
    INTEGER,
    LARGE_INTEGER,
    NUMBER,
    TEXT,
    TIME,
    as_array,
    cells_of,
    columns_with_values,
    leaves_of,
    tree,
)
from mlops_assets.inspection.lookup import NotFound, ScoringRun, runs_with
from mlops_assets.inspection.recorded_tables import ChangedRows, difference, stored_rows
from mlops_assets.platform import Platform
from mlops_assets.scoring.prediction_id import parse
from mlops_assets.stores.lake import SALT

WORDS = {
    NUMBER: ("number", "<d"),
    BOOLEAN: ("boolean", "<q"),
    TIME: ("time", "<q"),
    INTEGER: ("integer", "<q"),
    LARGE_INTEGER: ("large_integer", "<Q"),
}


def shown_prediction(platform: Platform, text: str) -> dict[str, Any]:
    """A prediction as it goes into a packet: its row, the row that was scored, and the way of each to the root on record.

    Args:
        platform: with ledger and lake.
        text: id of the prediction.

    Raises:
        NotFound: there is no such prediction, or its window was recorded without roots.
        ChangedRows: the rows in the lake are not those that were recorded.
        RowsRemoved: they left the lake by a signed record.
        ValueError: the text is no prediction id.
    """
    name = parse(text)
    (run, found), *_ = runs_with(platform, name)
    keys = (("predictions", "prediction_id", str(name)), ("scored_rows", run.identifier or "", found["id"]))
    rows = [_shown_row(platform, run, table, column, value) for table, column, value in keys]
    return {"prediction_id": str(name), "record": run.record.seq, "rows": rows}


def _shown_row(platform: Platform, run: ScoringRun, table: str, column: str, value: Any) -> dict[str, Any]:
    recorded, removals = run.recorded(table), platform.ledger.state().model(run.record.model).removals
    if recorded is None or recorded.root is None:
        raise NotFound(f"record {run.record.seq} has no root of {table}: its rows cannot be shown one by one")
    rows = platform.lake.collect(recorded.table, stored_rows(platform.lake, recorded, removals))
    problem = difference(rows.lazy(), recorded, removals)
    if problem:
        raise ChangedRows(problem)
    removal = recorded.removal(removals)
    columns = list(removal.columns) if removal else columns_with_values(rows)
    leaves = leaves_of([rows], columns)
    gone = as_array([bytes.fromhex(leaf) for leaf in removal.leaves]) if removal and removal.leaves else leaves[:0]
    whole = tree(np.concatenate([leaves, gone.reshape(-1, HASH_BYTES)]))
    place = int(rows.select((pl.col(column) == value).fill_null(False).arg_true().first()).item())
    position = whole.position(leaves[place].tobytes())
    assert position is not None  # the leaf is one of those that the tree was made of
    return {
        "table": table,
        "columns": columns,
        "values": [_value(*cell) for cell in cells_of(rows[place], columns)],
        "salt": rows[SALT][place].hex(),
        "position": position,
        "size": len(whole.leaves),
        "path": [beside.hex() for beside in whole.path(position)],
    }


def _value(kind: int, content: bytes, text: str) -> dict[str, Any] | None:
    """One value with its kind; None where it is missing."""
    if kind == TEXT:
        return {"text": text}
    if kind not in WORDS:
        return None
    word, how = WORDS[kind]
    (value,) = struct.unpack(how, content)
    # JSON has no infinity.
    return {word: str(value) if value in (float("inf"), float("-inf")) else value}
