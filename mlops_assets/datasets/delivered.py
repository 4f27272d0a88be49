"""The rows of a model as it reads them: its source, joined with the source of its outcomes where that is another one.

Not here: opening one source (`sources.py`), and which report of an outcome counts (`outcome_source.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlops_assets.datasets import sources
from mlops_assets.datasets.internal_columns import ROW
from mlops_assets.datasets.outcome_source import Settled, join, reported_as, row_keys, settle
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.sources import Delivered, SourceError, digest_of
from mlops_assets.declaration.declaration import Declaration


class OutcomeSourceError(SourceError):
    """A source of outcomes of its own is missing, or cannot be read as declared."""


def deliver(declaration: Declaration, root: Path, required: Sequence[str] = ()) -> Delivered:
    """Open the declared source as the declaration reads it, with the outcomes of a source of their own where one is declared.

    Args:
        declaration: the model.
        root: the project's root; relative paths start here.
        required: columns that must be there.

    Raises:
        OutcomeSourceError: the source of the outcomes is missing, unreadable, lacks a column, or has the outcome as the other does.
        SourceError: the same of the source of the inputs, or it is empty.
    """
    if declaration.outcomes is None:
        return sources.deliver(declaration, root, required)
    target = declaration.target.column
    inputs = sources.deliver(declaration, root, [name for name in required if name != target])
    if target in inputs.columns:
        raise OutcomeSourceError(
            f"{declaration.source.described}: found the column {target!r}, which `outcomes` declares in "
            f"{declaration.outcomes.source.described} as well; expected it in one of them. Rename one, or leave out `outcomes`."
        )
    reports = _reports(declaration, root)
    settled = _settled(declaration, inputs, reports)
    return replace(
        inputs,
        rows=join(inputs.rows, declaration, settled.standing),
        columns=(*inputs.columns, target),
        notes=(*inputs.notes, *(f"outcomes: {note}" for note in (*reports.notes, *settled.remarks))),
        problems=(*inputs.problems, *(f"outcomes: {problem}" for problem in reports.problems)),
        reports=settled,
    )


def content_digest(declaration: Declaration, root: Path) -> str:
    """Digest of everything that a model is scored and judged on: its source, and that of its outcomes where it has one.

    Raises:
        SourceError: one of them is missing or cannot be read.
    """
    digest = digest_of(declaration.source, root)
    if declaration.outcomes is None:
        return digest
    return hashlib.sha256(f"{digest}\n{digest_of(declaration.outcomes.source, root)}".encode()).hexdigest()


def _reports(declaration: Declaration, root: Path) -> Delivered:
    read = reported_as(declaration)
    # No outcome may be known yet.
    try:
        return sources.deliver(read, root, read.columns, may_be_empty=True)
    except SourceError as error:
        # A time that cannot be read has its remedy under another name here.
        text = str(error).replace("`event_time", "`outcomes.recorded_at")
        raise OutcomeSourceError(f"outcomes: {text}") from error


def _settled(declaration: Declaration, inputs: Delivered, reports: Delivered) -> Settled:
    schema = inputs.rows.collect_schema()
    id_ = read_expr(declaration.id, schema, declaration).alias(ROW)
    keys = inputs.rows.select(*row_keys(schema, declaration), id_).collect(engine="streaming")
    return settle(reports.rows.collect(engine="streaming"), declaration, keys)
