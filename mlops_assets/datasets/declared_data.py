"""A declaration against the data it names: every mistake that shows before anything is trained.

Belongs here: what can be seen in one reading of the source. Not here: whether the rows are good enough to train on, which
the gates decide.
"""

from pathlib import Path

from mlops_assets.datasets.contract import declared_columns
from mlops_assets.datasets.event_times import EventTimeError
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.sources import SourceError, deliver
from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task


def data_mistakes(declaration: Declaration, root: Path) -> list[str]:
    """What is wrong with a declaration in view of its data, a sentence each: a source that cannot be read, columns that are
    missing, an event time in another format, a target that has not the declared positive value."""
    try:
        found = deliver(declaration, root)
    except (SourceError, EventTimeError) as error:
        return [str(error)]
    mistakes = list(found.problems)
    try:
        deliver(declaration, root, declared_columns(declaration))
    except SourceError as error:
        mistakes.append(str(error))
    target = declaration.target.column
    if declaration.task is not Task.BINARY or target not in found.columns:
        return mistakes
    schema = found.rows.collect_schema()
    read = found.rows.select(read_expr(target, schema, declaration).alias("value"))
    values = sorted(read.unique().collect(engine="streaming")["value"].drop_nulls().to_list())
    positive = text_of(declaration.target.positive)
    if positive not in values:
        shown = ", ".join(map(repr, values[:6])) or "no value at all"
        mistakes.append(
            f"{target}: the positive value {positive!r} never occurs; found {shown}. Correct `target.positive`."
        )
    elif len(values) != 2:
        mistakes.append(
            f"{target}: a binary target has two values, found {len(values)}: {', '.join(map(repr, values[:6]))}"
        )
    return mistakes
