"""Drift between any two tables, without a declaration: what `mlops drift REFERENCE CURRENT` runs.

Belongs here: reading two tables, guessing what their columns are, and putting the verdict together. The statistics are
those of the fleet (`drift.py`, `triage.py`); outcomes are in `table_outcomes.py`, the page in `table_page.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.datasets.sources import SourceError
from mlops_assets.evaluation.performance import plain
from mlops_assets.monitoring.inputs.batches import content_digest, find_batch_faults
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.severity import at_least, worst
from mlops_assets.monitoring.two_tables.columns import (
    by_nature_different,
    incomparable,
    nothing_left,
    outcome_by_name,
    score_by_name,
    times_in_text,
)
from mlops_assets.monitoring.two_tables.outcomes import TableOutcomes, compare_outcomes
from mlops_assets.monitoring.two_tables.reading import (
    SAID,
    counted_by,
    looks_ordered,
    open_table,
    profile_table,
    sample_rows,
)
from mlops_assets.monitoring.verdict.triage import Health, triage
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import WindowCounts, infer_roles
from mlops_assets.statistics.profile import ColumnProfile, Profile

ENGINES = ("polars", "duckdb", "pyspark")
MOST_ROWS_FOR_BATCHES = 1_000_000
"""Above this, whether whole rows were sent twice is not looked for: it needs all of them in memory."""
UNNAMED_SCORE = "score"
"""Column that holds a model's scores where nobody says which does."""
WITHOUT_OUTCOMES = (
    "without outcomes (--target) a changed relation, other outcomes for the same inputs, cannot be seen, nor for certain "
    "a changed base rate"
)


@dataclass(frozen=True)
class TableComparison:
    """Two tables compared.

    Attributes:
        reference, current: as they were named.
        drift: column by column.
        health: severity, kind and causes.
        left_out: columns that were not compared, and why.
        engine: that counted.
        outcomes: what outcomes say; None where no column holds them.
        target_column: the outcome's own column, which is no input; None where there is none.
        remarks: what is to be known about the comparison.
    """

    reference: str
    current: str
    drift: DriftVerdict
    health: Health
    left_out: dict[str, str] = field(default_factory=dict)
    engine: str = "polars"
    outcomes: TableOutcomes | None = None
    target_column: ColumnDrift | None = None
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found = f"{self.health.severity}, {self.health.kind}".replace("_", " ")
        return f"TableComparison({found}: {' '.join(self.health.reasons)})"

    @property
    def columns(self) -> tuple[ColumnDrift, ...]:
        """Every column's name, statistic, value, p_value, effect, severity, reason and fault; worst first."""
        if self.target_column is None or self.target_column in self.drift.columns:
            return self.drift.columns
        return (*self.drift.columns, self.target_column)

    @property
    def verdict(self) -> dict[str, Any]:
        """What it comes to: severity, kind, columns, reasons, causes, unknown, rows of both sides."""
        return {
            "severity": self.health.severity,
            "kind": self.health.kind,
            "columns": list(self.health.columns),
            "reasons": list(self.health.reasons),
            "causes": [asdict(cause) for cause in self.health.causes],
            "unknown": list(self.health.unknown),
            "remarks": list(self.remarks),
            "joint": asdict(self.drift.joint) if self.drift.joint else None,
            "reference_rows": self.drift.reference_rows,
            "rows": self.drift.rows,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        content = {
            "reference": self.reference,
            "current": self.current,
            "engine": self.engine,
            "verdict": self.verdict,
            "columns": [asdict(column) for column in self.columns],
            "outcomes": self.outcomes.to_dict() if self.outcomes else None,
            "extra_columns": list(self.drift.extra),
            "left_out": dict(self.left_out),
        }
        return plain(content)


def compare_tables(
    reference: str | Path,
    current: str | Path,
    engine: str = "polars",
    thresholds: MonitoringThresholds | None = None,
    *,
    ignore: Sequence[str] = (),
    identifier: str | None = None,
    target: str | None = None,
    score: str | None = None,
    time: str | None = None,
    in_order: bool | None = None,
) -> TableComparison:
    """Compare two tables.

    Args:
        reference, current: Parquet, CSV or Delta; a file, a folder, a glob or an fsspec URL.
        engine: that counts the current table: polars, duckdb, or pyspark (Parquet only).
        thresholds: thresholds; the defaults when None. A single window cannot persist: its severity is what it shows.
        ignore: columns not to compare.
        identifier: column whose values must not repeat in the current table.
        target: column of the outcome, on which base rate and relation are judged; None: a column that is named as
            outcomes usually are; empty: none.
        score: column of a deployed model's probability or prediction; None: a column that is named as nothing else is, where
            there is an outcome; empty: none.
        time: column that orders the rows; not compared. With it, what the reference's own periods differ by is no
            change; without it rows are taken to be independent.
        in_order: whether rows are in the order of time though no column says so; None: where the reference's stretches
            differ as a stream's do (`table_order.py`).

    Raises:
        SourceError: a table cannot be read; the message names it.
        ValueError: an unknown engine, a column that the reference does not have, or no column that both tables have.
    """
    if engine not in ENGINES:
        raise ValueError(f"found engine {engine!r}, expected {', '.join(ENGINES)}")
    limits = one_window(thresholds or MonitoringThresholds())
    before, now, as_times = open_table(reference), open_table(current), ()
    if engine != "pyspark":  # Spark reads the rows itself, text as text.
        before, now, as_times = times_in_text(before, now)
    roles = infer_roles(before.collect_schema())
    _require(
        roles, reference, {"to ignore": ignore, "for target, score, id or time": (target, score, identifier, time)}
    )
    remarks: list[str] = []
    declared_score = score
    if target is None:
        target = outcome_by_name({n: r for n, r in roles.items() if n not in ignore}, before, now, remarks)
    if score is None and target:
        score = score_by_name({n: r for n, r in roles.items() if n not in (target, *ignore)}, now, remarks)
    named = _Named(tuple(ignore), identifier or "", target or "", score or "", time or "", in_order)
    scored = named.score or (UNNAMED_SCORE if declared_score is None else "")
    chosen = _choose(before, now, roles, named, (str(reference), str(current)))
    every, shared = chosen.every, chosen.shared
    try:
        counts = counted_by(engine, now, current, every, as_read=bool(as_times))
        sample = sample_rows(now, shared, time)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{current} cannot be read to its end: {error}. Is the file whole?") from error
    known = sample_rows(before, list(chosen.compared), time)
    unknown = tuple(n for n in counts.extra if n not in chosen.left_out and n != identifier)
    inputs = WindowCounts(counts.rows, {n: c for n, c in counts.columns.items() if n in chosen.compared}, unknown)
    profile = Profile(chosen.rows, chosen.compared)
    drift = compare(profile, inputs, limits, sample=sample, reference_sample=known, score=scored)
    outcomes, target_column = None, None
    if chosen.outcome is not None and counts.rows:
        drift, target_column = _with_outcome(drift, chosen.outcome, counts, limits)
        outcomes = _outcomes(before, now, chosen, named, drift, limits)
    remarks += outcomes.remarks if outcomes else [WITHOUT_OUTCOMES]
    if chosen.assumed and not at_least(drift.severity, "watch"):
        remarks += _if_in_any_order(chosen.compared, inputs, limits, sample, known, scored)
    batch = _batch_faults(before, now, chosen, counts.rows, identifier, remarks)
    measured, segment = (outcomes.performance, outcomes.segment) if outcomes else (None, None)
    health = triage(drift, measured, (), limits, {}, batch=batch, segment=segment, score=scored)
    return TableComparison(
        str(reference), str(current), drift, health, chosen.left_out, engine, outcomes, target_column, tuple(remarks)
    )


@dataclass(frozen=True)
class _Named:
    """Columns by the part they play; empty where none does."""

    ignore: tuple[str, ...]
    identifier: str
    target: str
    score: str
    time: str
    in_order: bool | None


@dataclass(frozen=True)
class _Chosen:
    """What is compared of two tables.

    Attributes:
        rows: of the reference.
        compared: inputs of the reference by name.
        shared: those that the current table has as well.
        outcome: the outcome's own column, or None.
        left_out: columns that are not compared, with the reason.
        in_order: whether rows count as ordered in time.
        assumed: whether that was decided from the reference's own variation.
    """

    rows: int
    compared: dict[str, ColumnProfile]
    shared: list[str]
    outcome: ColumnProfile | None
    left_out: dict[str, str]
    in_order: bool
    assumed: bool = False

    @property
    def every(self) -> Profile:
        """The compared columns and the outcome."""
        return Profile(self.rows, {**self.compared, **({self.outcome.name: self.outcome} if self.outcome else {})})


def _choose(
    before: pl.LazyFrame,
    now: pl.LazyFrame,
    roles: Mapping[str, str],
    named: _Named,
    tables: tuple[str, str],
) -> _Chosen:
    """Decide which columns are compared, and whether the rows' order counts.

    Raises:
        ValueError: no column is left to compare.
    """
    left_out = dict.fromkeys(named.ignore, "ignored")
    left_out |= {named.time: "the time of the rows"} if named.time else {}
    left_out |= dict.fromkeys(incomparable(before, now), "of a type that is not compared")
    kept = {name: role for name, role in roles.items() if name not in left_out and name != named.identifier}
    profile = profile_table(before, kept, tables[0], named.time or None, named.in_order is not False)
    different = by_nature_different(profile, kept, before, now)
    left_out |= {n: why for n, why in different.items() if n not in (named.target, named.score)}
    outcome = profile.columns.get(named.target)
    compared = {n: c for n, c in profile.columns.items() if n not in left_out and n != named.target}
    there = now.collect_schema().names()
    shared = [name for name in compared if name in there]
    if not shared:
        raise ValueError(nothing_left(*tables, list(compared), there, left_out, outcome.name if outcome else ""))
    chosen = _Chosen(profile.rows, compared, shared, outcome, left_out, bool(named.in_order))
    if named.time or named.in_order is not None:
        return chosen
    if looks_ordered(chosen.every, before):
        return replace(chosen, in_order=True, assumed=True)
    flat = _without_order(chosen.every).columns
    return replace(chosen, compared={n: flat[n] for n in compared}, outcome=flat[outcome.name] if outcome else None)


def _outcomes(
    before: pl.LazyFrame,
    now: pl.LazyFrame,
    chosen: _Chosen,
    named: _Named,
    drift: DriftVerdict,
    thresholds: MonitoringThresholds,
) -> TableOutcomes:
    """The outcomes of both tables; a broken input says nothing about them."""
    assert chosen.outcome is not None
    features = {
        n: c
        for n, c in chosen.compared.items()
        if n in chosen.shared and n != named.score and not drift.column(n).fault
    }
    return compare_outcomes(
        before,
        now,
        features,
        thresholds,
        target=chosen.outcome.name,
        score=named.score,
        time=named.time,
        in_order=chosen.in_order,
    )


def _without_order(profile: Profile) -> Profile:
    return Profile(profile.rows, {n: replace(c, periods=()) for n, c in profile.columns.items()})


def _if_in_any_order(
    compared: Mapping[str, ColumnProfile],
    inputs: WindowCounts,
    thresholds: MonitoringThresholds,
    sample: pl.DataFrame,
    known: pl.DataFrame,
    score: str,
) -> list[str]:
    """A remark where silence rests on the order that the rows were taken to have."""
    rows = next(iter(compared.values())).rows
    again = compare(
        _without_order(Profile(rows, dict(compared))),
        inputs,
        thresholds,
        sample=sample,
        reference_sample=known,
        score=score,
    )
    if not at_least(again.severity, "watch"):
        return []
    return [f"{SAID} (it would be {again.severity} then: {', '.join(again.shifted[:4]) or 'columns together'})"]


def _require(roles: Mapping[str, str], reference: str | Path, wanted: Mapping[str, Sequence[str | None]]) -> None:
    for what, names in wanted.items():
        absent = [name for name in names if name and name not in roles]
        if absent:
            raise ValueError(f"{reference}: no column {', '.join(map(repr, absent))} {what}; found {', '.join(roles)}")


def _with_outcome(
    drift: DriftVerdict, outcome: ColumnProfile, counts: WindowCounts, thresholds: MonitoringThresholds
) -> tuple[DriftVerdict, ColumnDrift]:
    """The outcome's own column: a broken one is a fault of the feed; a changed one is judged with what led to it."""
    name = outcome.name
    alone = WindowCounts(counts.rows, {name: counts.columns[name]})
    column = compare(Profile(outcome.rows, {name: outcome}), alone, thresholds).column(name)
    late = ("missing_column", "missing_values", "collapsed", "out_of_range")
    if not column.fault or column.fault in late:
        if column.fault == "missing_column":
            return drift, replace(
                column, fault="", fault_strength=0.0, severity="not_measurable",
                reason="the outcome; the current table does not have it",
            )  # fmt: skip
        told = (
            "the outcome; what its change means is said below" if column.severity != "not_measurable" else column.reason
        )
        return drift, replace(column, fault="", fault_strength=0.0, reason=told)
    columns = (column, *drift.columns)
    severity = worst([drift.severity, column.severity])
    return replace(drift, columns=columns, faults=(name, *drift.faults), severity=severity), column


def _batch_faults(
    before: pl.LazyFrame,
    now: pl.LazyFrame,
    chosen: _Chosen,
    rows: int,
    identifier: str | None,
    remarks: list[str],
) -> list[Fault]:
    shared = chosen.shared
    if rows > MOST_ROWS_FOR_BATCHES:
        remarks.append(f"whether rows were sent twice was not looked at: more than {MOST_ROWS_FOR_BATCHES:,} rows")
        return []
    wanted = [*shared, identifier] if identifier in now.collect_schema().names() else shared
    frame = now.select(wanted).collect()
    same = False
    if chosen.rows == rows and rows and set(shared) == set(chosen.compared):
        same = content_digest(before.select(shared).collect(), shared) == content_digest(frame, shared)
    if same:
        remarks.append(
            "all rows are those of the reference: a table compared with itself, or a batch that was sent again"
        )
        return []
    return find_batch_faults(frame, shared, identifier=identifier)


def one_window(thresholds: MonitoringThresholds) -> MonitoringThresholds:
    """The thresholds without persistence: there is only one window in which to see a change."""
    return thresholds.model_copy(update={"persistence_k": 1, "persistence_n": 1})
