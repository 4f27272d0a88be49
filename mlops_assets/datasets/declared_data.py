"""A declaration against the data it names: every mistake that shows before anything is trained.

Belongs here: what can be seen in one reading of the source. Not here: whether the rows are good enough to train on, which
the gates decide.
"""

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from mlops_assets.datasets.delivered import OutcomeSourceError, deliver
from mlops_assets.datasets.event_times import EventTimeError
from mlops_assets.datasets.internal_columns import EVENT_TIME
from mlops_assets.datasets.outcome_source import Settled
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.sources import Delivered, SourceError
from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.project import DeclaredModel, line_of

Place = tuple[str | int, ...]
"""Where in the declaration something is said."""
Found = tuple[Place, str]


@dataclass(frozen=True)
class DataCheck:
    """A declaration compared with its data.

    Attributes:
        mistakes: what is wrong, a line each with file and line.
        remarks: what is right as declared, and may not be what was meant.
    """

    mistakes: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def check_data(model: DeclaredModel, root: Path) -> DataCheck:
    """What is wrong with a declaration in view of its data, a line each with file and line: a source that cannot be read,
    columns that are missing, an event time in another format, a target that has not the declared positive value, a document of
    a supplier that is not the declared one.

    Args:
        model: one that could be read.
        root: of the project.
    """
    assert model.declaration is not None
    node = yaml.compose(model.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    remarks: list[str] = []
    mistakes = tuple(
        f"{model.path}:{line_of(node, ('attributes', *place))}: {'.'.join(map(str, place))}: {text}"
        for place, text in (*_of_documents(model.declaration, root), *_mistakes(model.declaration, root, remarks))
    )
    return DataCheck(mistakes, tuple(remarks))


def is_at_hand(declaration: Declaration) -> bool:
    """Whether the rows are files on this machine that are there before anything runs."""
    source = declaration.source
    return source.path is not None and source.asset is None and "://" not in source.path


def _mistakes(declaration: Declaration, root: Path, remarks: list[str]) -> Iterator[Found]:
    """What is wrong; adds to `remarks`."""
    try:
        found = deliver(declaration, root)
    except EventTimeError as error:
        yield ("event_time",), str(error)
        return
    except OutcomeSourceError as error:
        yield ("outcomes",), str(error).removeprefix("outcomes: ")
        return
    except SourceError as error:
        yield ("source",), str(error)
        return
    yield from ((("source",), problem) for problem in found.problems)
    missing = {name: place for name, place in _places(declaration) if name not in found.columns}
    for name, place in missing.items():
        close = difflib.get_close_matches(name, found.columns, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the table has {', '.join(map(repr, found.columns[:12]))}"
        yield place, f"the table has no column {name!r}; {hint}"
    if found.reports is not None and not missing:
        yield from _of_outcomes(found.reports)
        remarks += _about_outcomes(declaration, found, found.reports)
    if declaration.task is Task.BINARY and declaration.target.column not in missing:
        yield from _of_target(declaration, found)


def _places(declaration: Declaration) -> Iterator[tuple[str, Place]]:
    """Each declared column with where it is declared first."""
    named: list[tuple[str, Place]] = [(declaration.id, ("id",))]
    if declaration.event_time is not None:
        named.append((declaration.event_time.column, ("event_time",)))
    named.append((declaration.target.column, ("target",)))
    named += [(name, ("features", name)) for name in declaration.features]
    named += [(p.column, ("protected", i)) for i, p in enumerate(declaration.protected)]
    named += [(s.column, ("slices", i)) for i, s in enumerate(declaration.slices)]
    named += [(name, ("external",)) for name in (declaration.external.columns if declaration.external else ())]
    first: dict[str, Place] = {}
    for name, place in named:
        first.setdefault(name, place)
    yield from first.items()


def _of_documents(declaration: Declaration, root: Path) -> Iterator[Found]:
    """Whether the supplier's documents are there, and what was declared of them."""
    supplied, part = declaration.supplied, declaration.origin.value
    for number, document in enumerate(supplied.documents if supplied else ()):
        if not document.path:
            continue
        place, path = (part, "documents", number), root / document.path
        if not path.is_file():
            yield (
                place,
                f"there is no file {document.path}; correct the path, or leave it out where the file is kept elsewhere",
            )
            continue
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != document.sha256:
            yield (
                place,
                f"{document.path} has the SHA-256 {found}, declared is {document.sha256}: it was exchanged or changed",
            )


def _of_outcomes(settled: Settled) -> Iterator[Found]:
    """Whether the reports of a source of outcomes find their rows."""
    if settled.otherwise is not None:
        yield ("outcomes",), str(settled.otherwise)
    elif settled.reports.height and not settled.standing.height:
        why = "; ".join(f"{reason} ({count})" for reason, count in settled.reasons.items())
        yield (
            ("outcomes",),
            f"none of {settled.reports.height} reports gives a row its outcome: {why or settled.counts}",
        )


def _about_outcomes(declaration: Declaration, found: Delivered, settled: Settled) -> Iterator[str]:
    """What may not be meant about a source of outcomes: rows to train on without one, reports that cannot be used, and a value
    for withdrawals that no report has."""
    outcomes = declaration.outcomes
    assert outcomes is not None
    if declaration.training.until is not None and not outcomes.selective:
        known = read_expr(declaration.target.column, found.rows.collect_schema(), declaration).is_not_null()
        trained = found.rows.filter(pl.col(EVENT_TIME) < declaration.training.until)
        rows, without = trained.select(pl.len(), (~known).sum()).collect(engine="streaming").row(0)
        if without:
            yield (
                f"outcomes: {without:,} of {rows:,} rows before {declaration.training.until} have no outcome ({without / rows:.1%}) "
                "and count as quarantined; where they can never have one, say why under outcomes.selective"
            )
    # What is written in two ways is a mistake already.
    yield from (f"outcomes: {remark}" for remark in settled.remarks if remark != str(settled.otherwise))
    withdrawn = outcomes.withdrawn
    if withdrawn is None or withdrawn.column not in settled.delivered.columns:
        return
    values = settled.delivered[withdrawn.column].drop_nulls().unique(maintain_order=True).to_list()
    if values and not set(values) & set(withdrawn.values):
        shown = ", ".join(map(repr, values[:6]))
        yield f"outcomes.withdrawn: no report is withdrawn: {withdrawn.column!r} has {shown}, and never {' or '.join(map(repr, withdrawn.values))}"


def _of_target(declaration: Declaration, found: Delivered) -> Iterator[Found]:
    """Whether a binary target has its two values."""
    target = declaration.target.column
    read = found.rows.select(read_expr(target, found.rows.collect_schema(), declaration).alias("value"))
    values = sorted(read.unique().collect(engine="streaming")["value"].drop_nulls().to_list())
    positive = text_of(declaration.target.positive)
    if positive not in values:
        shown = ", ".join(map(repr, values[:6])) or "no value at all"
        yield (
            ("target", "positive"),
            f"the positive value {positive!r} never occurs in {target!r}; found {shown}",
        )
    elif len(values) != 2:
        shown = ", ".join(map(repr, values[:6]))
        yield ("target",), f"a binary target has two values, found {len(values)} in {target!r}: {shown}"
