"""The contract that rows must meet, built from the declaration and judged by pandera.

Belongs here: the rules, and parting a frame into accepted and quarantined rows with every reason. Does not belong here:
how many bad rows are too many (a gate decides that), and reading values (`quarantine.py`).
"""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.quarantine import REASONS, canonical_text, coerce, plain, text_of
from mlops_assets.datasets.survey import Survey
from mlops_assets.datasets.windows import event_time_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

UNREADABLE_PREFIX = "_unreadable:"


class ContractError(ValueError):
    """A table cannot be checked at all: a declared column is not there."""


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


@dataclass(frozen=True)
class Checked:
    """A frame parted by the contract: `accepted.height + quarantined.height` is the height of the input.

    Attributes:
        accepted: rows that meet every rule, the declared columns in their declared types.
        quarantined: the other rows with the declared columns as delivered, and `_reasons`, joined by "; ".
        summary: rows by reason, most frequent first; a row with two reasons counts in both.
        problems: faults of the table as a whole, that no single row is guilty of.
        extra_columns: delivered columns that the declaration does not read; they are not carried on.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    summary: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the input."""
        return self.accepted.height + self.quarantined.height

    @property
    def quarantined_share(self) -> float:
        """Share of the input that is quarantined; 0 for no rows."""
        return self.quarantined.height / self.rows if self.rows else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The result without its rows, for an evidence file."""
        tally = Tally(self.problems, self.extra_columns)
        tally.add(self)
        return tally.to_dict()


@dataclass
class Tally:
    """What was found in all pieces of a table.

    Attributes:
        problems, extra_columns: as in `Checked`, of the table as a whole.
        accepted, quarantined: rows so far.
        reasons: rows by reason so far.
    """

    problems: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()
    accepted: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, piece: Checked) -> None:
        """Count a piece."""
        self.accepted += piece.accepted.height
        self.quarantined += piece.quarantined.height
        self.reasons.update(piece.summary)

    @property
    def summary(self) -> dict[str, int]:
        """Rows by reason, most frequent first."""
        return dict(sorted(self.reasons.items(), key=lambda item: (-item[1], item[0])))

    def to_dict(self) -> dict[str, Any]:
        """For an evidence file."""
        rows = self.accepted + self.quarantined
        return {
            "rows": rows,
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "quarantined_share": self.quarantined / rows if rows else 0.0,
            "reasons": self.summary,
            "problems": list(self.problems),
            "extra_columns": list(self.extra_columns),
        }


def check(
    frame: pl.DataFrame | pl.LazyFrame,
    declaration: Declaration,
    *,
    now: datetime | None = None,
    with_target: bool = True,
    columns: tuple[str, ...] | None = None,
    whole: Survey | None = None,
    first: int = 0,
) -> Checked:
    """Part rows into those that meet the declaration's contract and those that do not.

    Args:
        frame: rows as delivered.
        declaration: the model.
        now: events later than this are in the future; default: the present.
        with_target: whether the target must be there and known; off for rows that are yet to be scored.
        columns: columns to read; default: all that the declaration names (without the target where `with_target` is
            off).
        whole: of the table that the frame is a piece of; without it, the frame is the table.
        first: position in that table of the frame's first row.

    Raises:
        ContractError: when a column is missing; names it and the nearest names found.
    """
    delivered = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    wanted = list(columns or declared_columns(declaration, with_target=with_target))
    require(delivered.columns, wanted, declaration)
    raw = delivered.select([plain(delivered[name]) for name in wanted])
    coerced = coerce(raw, declaration, wanted, whole.whole_numbers if whole else None)
    judged = coerced.frame.with_columns(
        [mask.alias(UNREADABLE_PREFIX + name) for name, mask in coerced.unreadable.items()]
    )
    repeats = _repeats(judged, declaration.id) if whole is None else _inside(whole, first, raw.height)
    rules = _rules(declaration, judged, repeats, with_target=with_target, now=now or datetime.now(UTC))
    failed = _broken(judged, rules)
    reasons = _join_reasons(raw.height, failed)
    bad = reasons.is_not_null()
    accepted = coerced.frame.filter(~bad) if failed else coerced.frame
    quarantined = raw.with_columns(reasons).filter(bad)
    summary = dict(sorted(((r.reason, int(mask.sum())) for r, mask in failed), key=lambda item: (-item[1], item[0])))
    return Checked(
        accepted=accepted,
        quarantined=quarantined,
        summary=summary,
        problems=_table_problems(accepted, declaration) if with_target else (),
        extra_columns=tuple(name for name in delivered.columns if name not in wanted),
    )


def declared_columns(declaration: Declaration, *, with_target: bool = True) -> tuple[str, ...]:
    """The columns a table must have, with or without the target."""
    return tuple(name for name in declaration.columns if with_target or name != declaration.target.column)


def require(found: list[str], wanted: Sequence[str], declaration: Declaration) -> None:
    """Refuse a table that lacks a column.

    Raises:
        ContractError: names it and the nearest names found.
    """
    missing = [name for name in wanted if name not in found]
    if not missing:
        return
    parts = []
    for name in missing:
        near = difflib.get_close_matches(name, found, n=3, cutoff=0.6)
        parts.append(f"{name!r}" + (f" (near: {', '.join(map(repr, near))})" if near else ""))
    raise ContractError(
        f"{declaration.name or 'table'}: missing column{'s' if len(missing) > 1 else ''} {', '.join(parts)}; found "
        f"{len(found)} columns. Correct the declaration, or deliver the column."
    )


def _rules(
    declaration: Declaration, frame: pl.DataFrame, repeats: "_Repeats", *, with_target: bool, now: datetime
) -> list[Rule]:
    schema = frame.schema
    rules = [
        Rule(name.removeprefix(UNREADABLE_PREFIX), _unreadable_reason(name, declaration), ~pl.col(name))
        for name in schema.names()
        if name.startswith(UNREADABLE_PREFIX)
    ]
    rules += _id_rules(declaration, frame, repeats)
    for name, feature in declaration.features.items():
        if name not in schema:
            continue
        column, dtype = pl.col(name), schema[name]
        if not feature.nullable:
            # A value that could not be read has its own reason; it is not missing as well.
            unread = pl.col(UNREADABLE_PREFIX + name) if UNREADABLE_PREFIX + name in schema else pl.lit(False)
            rules.append(Rule(name, f"{name}: missing", column.is_not_null() | unread))
        if dtype.is_float():
            rules.append(Rule(name, f"{name}: infinite", column.is_finite()))
        if dtype.is_numeric() and feature.minimum is not None:
            rules.append(Rule(name, f"{name}: below minimum {text_of(feature.minimum)}", column >= feature.minimum))
        if dtype.is_numeric() and feature.maximum is not None:
            rules.append(Rule(name, f"{name}: above maximum {text_of(feature.maximum)}", column <= feature.maximum))
        if feature.allowed is not None:
            allowed = [text_of(value) for value in feature.allowed]
            rules.append(Rule(name, f"{name}: not an allowed value", canonical_text(dtype, column).is_in(allowed)))
    if declaration.event_time is not None and declaration.event_time.column in schema:
        name = declaration.event_time.column
        unread = pl.col(UNREADABLE_PREFIX + name) if UNREADABLE_PREFIX + name in schema else pl.lit(False)
        rules.append(Rule(name, f"{name}: missing", pl.col(name).is_not_null() | unread))
        moment = now.astimezone(UTC).replace(tzinfo=None)
        rules.append(Rule(name, f"{name}: in the future", event_time_expr(declaration.event_time) <= moment))
    if with_target:
        name = declaration.target.column
        unread = pl.col(UNREADABLE_PREFIX + name) if UNREADABLE_PREFIX + name in schema else pl.lit(False)
        rules.append(Rule(name, f"{name}: missing", pl.col(name).is_not_null() | unread))
        if schema[name].is_float():
            rules.append(Rule(name, f"{name}: infinite", pl.col(name).is_finite()))
    return rules


_Repeats = tuple[pl.Series, pl.Series]
"""Positions of rows that repeat an identical row, and of those that contradict another one of the same id."""


def _id_rules(declaration: Declaration, frame: pl.DataFrame, repeats: _Repeats) -> list[Rule]:
    name = declaration.id
    if name not in frame.columns:
        return []
    rules = [Rule(name, f"{name}: missing", pl.col(name).is_not_null())]
    for positions, reason in zip(repeats, ("repeats an identical row", "not unique"), strict=True):
        if len(positions):
            rules.append(Rule(name, f"{name}: {reason}", ~pl.int_range(pl.len()).is_in(positions.implode())))
    return rules


def _repeats(frame: pl.DataFrame, name: str) -> _Repeats:
    nothing = pl.Series([], dtype=pl.Int64)
    if name not in frame.columns or not _any_repeated(frame[name]):
        return nothing, nothing
    repeated = frame[name].is_duplicated() & frame[name].is_not_null()
    # Of exact copies one is kept; rows that contradict each other under one id are all quarantined, since
    # nothing here says which of them is true.
    columns = [c for c in frame.columns if not c.startswith(UNREADABLE_PREFIX)]
    rows = frame.select(columns).with_row_index("_row").filter(repeated)
    rows = rows.with_columns(
        first=pl.struct(columns).is_first_distinct(), versions=pl.struct(columns).n_unique().over(name)
    )
    copies = rows.filter((pl.col("versions") == 1) & ~pl.col("first"))["_row"]
    return copies.cast(pl.Int64), rows.filter(pl.col("versions") > 1)["_row"].cast(pl.Int64)


def _inside(whole: Survey, first: int, rows: int) -> _Repeats:
    def part(positions: np.ndarray) -> pl.Series:
        return pl.Series(positions[(positions >= first) & (positions < first + rows)] - first, dtype=pl.Int64)

    return part(whole.copies), part(whole.conflicts)


def _any_repeated(ids: pl.Series) -> bool:
    """Whether a known value is there twice: the usual answer is no, and sorting numbers gives it soonest."""
    known = ids.drop_nulls()
    if not known.dtype.is_integer():
        return known.n_unique() < len(known)
    rising = known.sort()
    return bool((rising[1:] == rising[:-1]).any())


def _unreadable_reason(column: str, declaration: Declaration) -> str:
    name = column.removeprefix(UNREADABLE_PREFIX)
    feature = declaration.features.get(name)
    if feature is None:
        is_target = name == declaration.target.column
        return f"{name}: not a number" if is_target else f"{name}: not a time that can be read"
    kinds = {Role.BOOLEAN: "not true or false", Role.DATE: "not a date that can be read"}
    return f"{name}: {kinds.get(feature.role, 'not a number')}"


def _pandera_check(expression: pl.Expr) -> Callable[[Any], pl.LazyFrame]:
    return lambda data: data.lazyframe.select(expression.fill_null(True).alias("holds"))


def _broken(frame: pl.DataFrame, rules: list[Rule]) -> list[tuple[Rule, pl.Series]]:
    """The rules that some row breaks, each with the mask of those rows."""
    import pandera.polars as pa
    from pandera.errors import SchemaErrors

    by_reason = {rule.reason: rule for rule in rules}
    # The mask is read from each check's own output. The list of failure cases is kept to one a rule: it is built row
    # by row and takes gigabytes where a whole column is bad.
    schema = pa.DataFrameSchema(
        checks=[
            pa.Check(_pandera_check(rule.holds), name=rule.reason, n_failure_cases=1, ignore_na=False) for rule in rules
        ],
        columns={name: pa.Column(nullable=True) for name in frame.columns},
    )
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        found = []
        for error in errors.schema_errors:
            rule = by_reason.get(getattr(error.check, "name", None) or "")
            output = error.check_output
            if rule is None or output is None:
                raise ContractError(f"the contract could not be applied: {error}") from error
            passed = (output.collect() if isinstance(output, pl.LazyFrame) else output).to_series()
            found.append((rule, ~passed))
        order = {rule.reason: position for position, rule in enumerate(rules)}
        return sorted(found, key=lambda item: order[item[0].reason])
    return []


def _join_reasons(height: int, failed: list[tuple[Rule, pl.Series]]) -> pl.Series:
    """One text a row with all its reasons, null for a good row."""
    if not failed:
        return pl.Series(REASONS, [None], dtype=pl.String).new_from_index(0, height)
    masks = pl.DataFrame([mask.alias(str(i)) for i, (_, mask) in enumerate(failed)])
    texts = [pl.when(pl.col(str(i))).then(pl.lit(rule.reason)) for i, (rule, _) in enumerate(failed)]
    joined = pl.concat_str(texts, separator="; ", ignore_nulls=True)
    any_failed = pl.any_horizontal(pl.all())
    return masks.select(pl.when(any_failed).then(joined).alias(REASONS)).to_series()


def _table_problems(accepted: pl.DataFrame, declaration: Declaration) -> tuple[str, ...]:
    name = declaration.target.column
    if accepted.height == 0:
        return ("no row meets the contract",)
    if declaration.task is Task.REGRESSION:
        constant = accepted[name].n_unique() < 2
        return (f"{name}: the target has one value only, there is nothing to learn",) if constant else ()
    texts = accepted.select(canonical_text(accepted.schema[name], pl.col(name))).to_series()
    values = sorted(str(v) for v in texts.unique().to_list())
    shown = ", ".join(values[:6]) + (", ..." if len(values) > 6 else "")
    if declaration.task is Task.BINARY:
        problems = []
        positive = text_of(declaration.target.positive)
        if positive not in values:
            problems.append(f"{name}: the positive value {positive!r} never occurs; found {shown}")
        if len(values) != 2:
            problems.append(f"{name}: a binary target has exactly two values, found {len(values)}: {shown}")
        return tuple(problems)
    return (f"{name}: a multiclass target needs at least two classes, found {shown}",) if len(values) < 2 else ()
