"""The contract that rows must meet, judged by pandera.

Belongs here: parting a frame into accepted rows, rows without an outcome, collapsed copies, and quarantined rows with every
reason.
Not here: the rules (`contract_rules.py`), how many bad rows are too many (a gate decides that), and reading values (`reading.py`).
"""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.contract_rules import Rule, never_known, rules_of
from mlops_assets.datasets.internal_columns import EVENT_TIME, FAULT, REASONS, RECORDED_AT, UNREADABLE
from mlops_assets.datasets.reading import read_as_declared
from mlops_assets.datasets.survey import Survey
from mlops_assets.datasets.values import canonical_text, delivered_text, text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.errors import MlopsAssetsError


class ContractError(MlopsAssetsError, ValueError):
    """A table cannot be checked at all: a declared column is not there."""


@dataclass(frozen=True)
class Checked:
    """A frame parted by the contract: every row of the input is accepted, without an outcome, quarantined, or a copy.

    Attributes:
        accepted: rows that meet every rule, the declared columns in the types of `reading.py`.
        quarantined: rows that break a rule: the declared columns as text, as delivered, and `internal_columns.REASONS`.
        without_outcome: rows that meet every rule but have no outcome, where it is declared that some never have one
            (`outcomes.selective`); columns and types as in `accepted`.
        copies: rows that repeat an earlier row of the same identifier in every declared column; they are left out.
        summary: quarantined rows by reason, most frequent first; a row with two reasons counts in both.
        problems: faults of the table as a whole, that no single row is guilty of.
        extra_columns: delivered columns that the declaration does not read; they are not carried on.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    without_outcome: pl.DataFrame
    copies: int = 0
    summary: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the input."""
        return self.accepted.height + self.without_outcome.height + self.quarantined.height + self.copies

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
        accepted, without_outcome, quarantined, copies: rows so far.
        reasons: rows by reason so far.
    """

    problems: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()
    accepted: int = 0
    without_outcome: int = 0
    quarantined: int = 0
    copies: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, piece: Checked) -> None:
        """Count a piece."""
        self.accepted += piece.accepted.height
        self.without_outcome += piece.without_outcome.height
        self.quarantined += piece.quarantined.height
        self.copies += piece.copies
        self.reasons.update(piece.summary)

    @property
    def rows(self) -> int:
        """Rows of the table so far."""
        return self.accepted + self.without_outcome + self.quarantined + self.copies

    @property
    def summary(self) -> dict[str, int]:
        """Quarantined rows by reason, most frequent first."""
        return dict(sorted(self.reasons.items(), key=lambda item: (-item[1], item[0])))

    def to_dict(self) -> dict[str, Any]:
        """For an evidence file."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "without_outcome": self.without_outcome,
            "quarantined": self.quarantined,
            "copies": self.copies,
            "quarantined_share": self.quarantined / self.rows if self.rows else 0.0,
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
    read = read_as_declared(delivered, declaration, wanted)
    judged = read.frame.with_columns([mask.alias(UNREADABLE + name) for name, mask in read.unreadable.items()])
    repeats = _repeats(judged, declaration.id) if whole is None else _inside(whole, first, delivered.height)
    copy = pl.Series(np.isin(np.arange(delivered.height), repeats.copies.to_numpy()), dtype=pl.Boolean)
    rules = rules_of(declaration, judged, repeats.conflicts, with_target=with_target, now=now or clock.now())
    failed = [(rule, mask & ~copy) for rule, mask in _broken(judged, rules)]
    failed = [(rule, mask) for rule, mask in failed if mask.any()]
    without = _without_outcome_only(delivered, failed, never_known(declaration))
    failed = [(rule, mask & ~without) for rule, mask in failed]
    reasons = _join_reasons(delivered, failed)
    bad = reasons.is_not_null() & ~copy
    apart = bad | copy | without
    accepted = read.frame.filter(~apart) if apart.any() else read.frame
    as_text = [delivered_text(delivered.schema[name], pl.col(name)).alias(name) for name in wanted]
    quarantined = delivered.filter(bad).select(as_text).with_columns(reasons.filter(bad))
    if declaration.id in wanted:
        # In its canonical form a row is found again, whatever type its identifier came in.
        ids = pl.DataFrame([read.frame[declaration.id].filter(bad), quarantined[declaration.id].alias(REASONS)])
        quarantined = quarantined.with_columns(ids.select(pl.coalesce(declaration.id, REASONS)).to_series())
    counted = Counter({rule.reason: int(mask.sum()) for rule, mask in failed if mask.any()})
    if FAULT in delivered.columns:
        counted.update(delivered[FAULT].filter(bad).drop_nulls().to_list())
    summary = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    return Checked(
        accepted=accepted,
        quarantined=quarantined,
        without_outcome=read.frame.filter(without),
        copies=int(copy.sum()),
        summary=summary,
        problems=_table_problems(accepted, declaration) if with_target else (),
        extra_columns=extra_columns(delivered.columns, wanted),
    )


def extra_columns(found: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Delivered columns that the declaration does not read."""
    return tuple(name for name in found if name not in wanted and name not in (EVENT_TIME, FAULT, RECORDED_AT))


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


@dataclass(frozen=True)
class _Repeats:
    """Positions of rows that repeat an identical row, and of those that contradict another one of the same id."""

    copies: pl.Series
    conflicts: pl.Series


def _repeats(frame: pl.DataFrame, name: str) -> _Repeats:
    nothing = pl.Series([], dtype=pl.Int64)
    if name not in frame.columns or not _any_repeated(frame[name]):
        return _Repeats(nothing, nothing)
    repeated = frame[name].is_duplicated() & frame[name].is_not_null()
    # Of exact copies one is kept; rows that contradict each other under one id are all quarantined, since
    # nothing here says which of them is true.
    values = pl.struct(column for column in frame.columns if not column.startswith(UNREADABLE))
    marked = frame.filter(repeated).select(first=values.is_first_distinct(), versions=values.n_unique().over(name))
    positions = repeated.arg_true().cast(pl.Int64)
    agreed = marked["versions"] == 1
    return _Repeats(positions.filter(agreed & ~marked["first"]), positions.filter(~agreed))


def _inside(whole: Survey, first: int, rows: int) -> _Repeats:
    def part(positions: np.ndarray) -> pl.Series:
        return pl.Series(positions[(positions >= first) & (positions < first + rows)] - first, dtype=pl.Int64)

    return _Repeats(part(whole.copies), part(whole.conflicts))


def _any_repeated(ids: pl.Series) -> bool:
    """Whether a known value is there twice."""
    known = ids.drop_nulls()
    return known.n_unique() < len(known)


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


def _without_outcome_only(delivered: pl.DataFrame, failed: list[tuple[Rule, pl.Series]], reason: str) -> pl.Series:
    """Rows that break no rule but the one that an outcome must be known, whose reason this is."""
    found = pl.Series([False], dtype=pl.Boolean).new_from_index(0, delivered.height)
    for rule, mask in failed:
        if rule.reason == reason:
            found = mask
    for rule, mask in failed:
        if rule.reason != reason:
            found = found & ~mask
    return found & delivered[FAULT].is_null() if FAULT in delivered.columns else found


def _join_reasons(delivered: pl.DataFrame, failed: list[tuple[Rule, pl.Series]]) -> pl.Series:
    """One text a row with all its reasons, null for a good row."""
    faults = delivered[FAULT] if FAULT in delivered.columns else None
    if not failed and faults is None:
        return pl.Series(REASONS, [None], dtype=pl.String).new_from_index(0, delivered.height)
    texts = [
        pl.select(pl.when(mask).then(pl.lit(rule.reason))).to_series().alias(str(i))
        for i, (rule, mask) in enumerate(failed)
    ]
    frame = pl.DataFrame([*texts, *([faults] if faults is not None else [])])
    joined = pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)
    return frame.select(pl.when(pl.any_horizontal(pl.all().is_not_null())).then(joined).alias(REASONS)).to_series()


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
