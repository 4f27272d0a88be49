"""What must hold for a row, from the declaration: each rule with the reason that a row which breaks it is given.

Not here: applying the rules to a frame (`contract.py`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from mlops_assets.datasets.event_times import AHEAD, event_time_expr
from mlops_assets.datasets.internal_columns import UNREADABLE
from mlops_assets.datasets.reading import Kind, kind_of
from mlops_assets.datasets.values import canonical_text, text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.external import External
from mlops_assets.declaration.terms import Task


@dataclass(frozen=True)
class Rule:
    """One thing that must hold for a row.

    Attributes:
        column: the column it is about.
        reason: what is wrong with a row that breaks it; also the name of the pandera check.
        holds: expression over the coerced frame, true where the row is good; null counts as good.
    """

    column: str
    reason: str
    holds: pl.Expr


def rules_of(
    declaration: Declaration, frame: pl.DataFrame, conflicts: pl.Series, *, with_target: bool, now: datetime
) -> list[Rule]:
    """The rules for a frame.

    Args:
        declaration: the model.
        frame: rows as `reading.read_as_declared` reads them, with a mask of unreadable values for each column.
        conflicts: positions of rows that contradict another one of the same identifier.
        with_target: whether the target must be there and known, and the row scored by the declared version.
        now: events later than this are in the future.
    """
    schema = frame.schema
    rules = [
        Rule(
            name.removeprefix(UNREADABLE), _unreadable_reason(name.removeprefix(UNREADABLE), declaration), ~pl.col(name)
        )
        for name in schema.names()
        if name.startswith(UNREADABLE)
    ]
    if declaration.id in schema:
        rules.append(_present(declaration.id, schema))
        if len(conflicts):
            unique = ~pl.int_range(pl.len()).is_in(conflicts.implode())
            rules.append(Rule(declaration.id, f"{declaration.id}: not unique", unique))
    for name in declaration.features:
        if name in schema:
            rules += _feature_rules(name, declaration, schema)
    if declaration.external is not None:
        rules += _prediction_rules(declaration, declaration.external, schema)
        if with_target:
            rules += _version_rules(declaration.external, schema)
    event_time = declaration.event_time
    if event_time is not None and event_time.column in schema:
        name, latest = event_time.column, now.astimezone(UTC).replace(tzinfo=None) + AHEAD
        rules.append(_present(name, schema))
        rules.append(Rule(name, f"{name}: in the future", event_time_expr(event_time) <= latest))
    if with_target:
        name = declaration.target.column
        rules.append(_present(name, schema, never_known(declaration)))
        if schema[name].is_float():
            rules.append(Rule(name, f"{name}: infinite", pl.col(name).is_finite()))
    return rules


def _feature_rules(name: str, declaration: Declaration, schema: pl.Schema) -> list[Rule]:
    feature, column, dtype = declaration.features[name], pl.col(name), schema[name]
    rules = [] if feature.nullable else [_present(name, schema)]
    if dtype.is_float():
        rules.append(Rule(name, f"{name}: infinite", column.is_finite()))
    if dtype.is_numeric() and feature.minimum is not None:
        rules.append(Rule(name, f"{name}: below minimum {text_of(feature.minimum)}", column >= feature.minimum))
    if dtype.is_numeric() and feature.maximum is not None:
        rules.append(Rule(name, f"{name}: above maximum {text_of(feature.maximum)}", column <= feature.maximum))
    if feature.allowed is not None:
        allowed = [text_of(value) for value in feature.allowed]
        rules.append(Rule(name, f"{name}: not an allowed value", canonical_text(dtype, column).is_in(allowed)))
    return rules


def _prediction_rules(declaration: Declaration, external: External, schema: pl.Schema) -> list[Rule]:
    """A prediction that others made is there, and a probability where one is expected."""
    name, column = external.score, pl.col(external.score)
    if name not in schema:
        return []
    rules = [_present(name, schema), Rule(name, f"{name}: infinite", column.is_finite())]
    if declaration.task is Task.BINARY:
        rules.append(Rule(name, f"{name}: not a probability (0 to 1)", column.is_between(0, 1) | ~column.is_finite()))
    if external.decision is not None and external.decision in schema:
        rules.append(_present(external.decision, schema))
    return rules


def _version_rules(external: External, schema: pl.Schema) -> list[Rule]:
    """A row of the reference was scored by the version that is declared; in production other versions are an incident."""
    name = external.version_column
    if name is None or name not in schema:
        return []
    return [
        Rule(name, f"{name}: not the declared version {external.version}", pl.col(name).eq_missing(external.version))
    ]


def never_known(declaration: Declaration) -> str:
    """The reason of rows that train on nothing because no outcome of theirs can be known, as declared; empty where every row
    must have an outcome."""
    if declaration.outcomes is None or not declaration.outcomes.selective.strip():
        return ""
    return f"{declaration.target.column}: no outcome, as declared (outcomes.selective)"


def _present(name: str, schema: pl.Schema, reason: str = "") -> Rule:
    """A value is there. One that cannot be read has a reason of its own; it is not missing as well."""
    unreadable = pl.col(UNREADABLE + name) if UNREADABLE + name in schema else pl.lit(False)
    return Rule(name, reason or f"{name}: missing", pl.col(name).is_not_null() | unreadable)


def _unreadable_reason(name: str, declaration: Declaration) -> str:
    reasons = {
        Kind.IDENTIFIER: "not an identifier with an exact form (a float beyond 2**53, an infinite number or a nested value)",
        Kind.EVENT_TIME: "not a time that can be read",
        Kind.TIME: "not a date that can be read",
        Kind.BOOLEAN: "not true or false",
    }
    return f"{name}: {reasons.get(kind_of(name, declaration), 'not a number')}"
