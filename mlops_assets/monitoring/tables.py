"""Drift between any two tables, without a declaration: what `mlops drift REFERENCE CURRENT` runs.

Belongs here: reading two tables, guessing what their columns are, and putting the verdict into a form for terminal,
JSON and HTML. The statistics are those of the fleet (`drift.py`, `triage.py`).
"""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.datasets.sources import SourceError, scan
from mlops_assets.declaration import Source
from mlops_assets.monitoring.batches import content_digest, find_batch_faults
from mlops_assets.monitoring.drift import ColumnDrift, DriftVerdict, compare
from mlops_assets.monitoring.rules import MonitoringRules, Rules
from mlops_assets.monitoring.triage import Health, triage
from mlops_assets.statistics.counting import count_window, infer_roles
from mlops_assets.statistics.profile import Profile, build_profile

ENGINES = ("polars", "duckdb", "pyspark")
SAMPLE_ROWS = 5000
MOST_ROWS_FOR_BATCHES = 1_000_000
"""Above this, whether whole rows were sent twice is not looked for: it needs all of them in memory."""
LEAST_ROWS_OF_AN_ID = 100


@dataclass(frozen=True)
class TableComparison:
    """Two tables compared.

    Attributes:
        reference, current: as they were named.
        drift: column by column.
        health: severity, kind and causes.
        left_out: columns that were not compared, and why.
        engine: that counted.
    """

    reference: str
    current: str
    drift: DriftVerdict
    health: Health
    left_out: dict[str, str] = field(default_factory=dict)
    engine: str = "polars"

    @property
    def columns(self) -> tuple[ColumnDrift, ...]:
        """Every column's name, statistic, value, p_value, effect, severity, reason and fault; worst first."""
        return self.drift.columns

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
            "reference_rows": self.drift.reference_rows,
            "rows": self.drift.rows,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "reference": self.reference,
            "current": self.current,
            "engine": self.engine,
            "verdict": self.verdict,
            "columns": [asdict(column) for column in self.columns],
            "extra_columns": list(self.drift.extra),
            "left_out": dict(self.left_out),
        }

    def html(self, path: Path) -> Path:
        """Write a page that needs nothing but itself."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_page(self), encoding="utf-8")
        return path


def compare_tables(
    reference: str | Path,
    current: str | Path,
    engine: str = "polars",
    rules: Rules | None = None,
    *,
    ignore: Sequence[str] = (),
    identifier: str | None = None,
) -> TableComparison:
    """Compare two tables.

    Args:
        reference, current: Parquet, CSV or Delta; a file, a folder, a glob or an fsspec URL.
        engine: that counts the current table: polars, duckdb, or pyspark (Parquet only).
        rules: thresholds; the defaults when None. A single window cannot persist: its severity is what it shows.
        ignore: columns not to compare.
        identifier: column whose values must not repeat in the current table.

    Raises:
        SourceError: a table cannot be read; the message names it.
        ValueError: an unknown engine, or no column that both tables have.
    """
    if engine not in ENGINES:
        raise ValueError(f"found engine {engine!r}, expected {', '.join(ENGINES)}")
    limits = rules or MonitoringRules()
    before, now = _open(reference), _open(current)
    roles = infer_roles(before.collect_schema())
    absent = [name for name in ignore if name not in roles]
    if absent:
        raise ValueError(f"{reference}: no column {', '.join(map(repr, absent))} to ignore; found {', '.join(roles)}")
    left_out = dict.fromkeys(ignore, "ignored")
    kept = {name: role for name, role in roles.items() if name not in left_out and name != identifier}
    profile = _profile(before, kept, str(reference))
    left_out |= _by_nature_different(profile, kept, now)
    profile = Profile(profile.rows, {n: c for n, c in profile.columns.items() if n not in left_out})
    shared = [name for name in profile.columns if name in now.collect_schema().names()]
    if not shared:
        raise ValueError(
            f"{current} has none of the columns of {reference}: {', '.join(profile.columns) or 'none left'}"
        )
    try:
        counts = count_window(_for_engine(now, current, engine), profile)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{current} cannot be read to its end: {error}. Is the file whole?") from error
    step = max(1, counts.rows // SAMPLE_ROWS)
    sample = now.select(shared).gather_every(step).head(SAMPLE_ROWS).collect(engine="streaming")
    step = max(1, profile.rows // SAMPLE_ROWS)
    known = before.select(list(profile.columns)).gather_every(step).head(SAMPLE_ROWS).collect(engine="streaming")
    drift = compare(profile, counts, limits, sample=sample, reference_sample=known)
    batch = []
    if counts.rows <= MOST_ROWS_FOR_BATCHES:
        wanted = [*shared, identifier] if identifier in now.collect_schema().names() else shared
        earlier = {}
        if profile.rows == counts.rows and set(shared) == set(profile.columns):
            earlier = {"the reference": content_digest(before.select(shared).collect(), shared)}
        rows = now.select(wanted).collect()
        batch = find_batch_faults(rows, shared, identifier=identifier, earlier=earlier)
    health = triage(drift, None, (), _one_window(limits), {}, batch=batch)
    found = tuple(n for n in drift.extra if n not in left_out and n != identifier)
    drift = DriftVerdict(**{**vars(drift), "extra": found})
    return TableComparison(str(reference), str(current), drift, health, left_out, engine)


def _one_window(rules: Rules) -> Rules:
    """Rules without persistence: there is but one window to see a change in."""
    same = {name: getattr(rules, name) for name in MonitoringRules.__dataclass_fields__}
    return MonitoringRules(**{**same, "persistence_k": 1, "persistence_n": 1})


def _open(table: str | Path) -> pl.LazyFrame:
    frame = scan(Source(path=str(table)), Path.cwd())
    # Text is read once: every column of it costs the whole file.
    return frame.collect().lazy() if str(table).lower().endswith((".csv", ".tsv", ".gz")) else frame


def _profile(frame: pl.LazyFrame, roles: dict[str, str], name: str) -> Profile:
    try:
        return build_profile(frame, roles)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{name} cannot be read to its end: {error}. Is the file whole?") from error


def _by_nature_different(profile: Profile, roles: dict[str, str], current: pl.LazyFrame) -> dict[str, str]:
    """Columns in which two windows differ whatever happens: identifiers, and the time that separates them."""
    found = {}
    schema = current.collect_schema()
    for name, column in profile.columns.items():
        if column.kind == "categorical":
            if column.present >= LEAST_ROWS_OF_AN_ID and column.distinct == column.present:
                found[name] = "an identifier: every value is there once"
        elif roles[name] == "date" and name in schema and schema[name].is_temporal():
            first = current.select(pl.col(name).min()).collect()
            start = build_profile(first, {name: "date"}).columns[name].minimum
            if start is not None and column.maximum is not None and start > column.maximum:
                found[name] = "the time that separates the tables"
        elif _counts_up(column):
            found[name] = "an identifier: whole numbers, each once"
    return found


def _counts_up(column: Any) -> bool:
    """Whether a numeric column runs through whole numbers, one each row: as evenly as no measurement does."""
    if column.present < LEAST_ROWS_OF_AN_ID or column.nulls or column.infinite or column.minimum is None:
        return False
    whole = all(float(edge).is_integer() for edge in (*column.edges, column.minimum, column.maximum))
    return whole and len(column.edges) > 1 and column.distinct == column.present


def _for_engine(frame: pl.LazyFrame, table: str | Path, engine: str) -> Any:
    path = str(table)
    if engine == "polars":
        return frame
    if engine == "duckdb":
        import duckdb

        if path.endswith(".parquet"):
            return duckdb.connect().read_parquet(path)
        return duckdb.connect().from_arrow(frame.collect(engine="streaming").to_arrow())
    if not path.endswith(".parquet"):
        raise SourceError(f"{path}: with pyspark a Parquet file or a glob of them is expected; use polars or duckdb")
    from pyspark.sql import SparkSession

    session = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()  # type: ignore[attr-defined]
    return session.read.parquet(path)


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2733 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem }
td.n { text-align: right; font-variant-numeric: tabular-nums } tr { border-bottom: 1px solid #dde3e8 }
.act, .critical { color: #b3261e; font-weight: 600 } .watch { color: #8a5a00; font-weight: 600 }
.none, .not_measurable { color: #51606e }
"""


def _page(found: TableComparison) -> str:
    say = html.escape
    rows = "".join(
        f"<tr><td>{say(c.name)}</td><td class='{c.severity}'>{c.severity.replace('_', ' ')}</td>"
        f"<td class='n'>{_number(c.value)}</td><td class='n'>{_number(c.effect)}</td>"
        f"<td class='n'>{_number(c.p_value)}</td><td class='n'>{c.null_share:.1%}</td>"
        f"<td>{say(c.fault.replace('_', ' '))}</td><td>{say(c.reason)}</td></tr>"
        for c in found.columns
    )
    notes = [f"{name}: {why}" for name, why in found.left_out.items()]
    notes += [f"{name}: the reference does not have it" for name in found.drift.extra]
    listed = "".join(f"<li>{say(note)}</li>" for note in notes)
    health = found.health
    reasons = "".join(f"<p>{say(reason)}</p>" for reason in (*health.reasons, *health.unknown))
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Drift</title><style>{STYLE}</style></head>"
        f"<body><h1 class='{health.severity}'>{health.severity.replace('_', ' ')}: {health.kind.replace('_', ' ')}</h1>"
        f"<p>{say(found.current)} ({found.drift.rows:,} rows) against {say(found.reference)} "
        f"({found.drift.reference_rows:,} rows)</p>{reasons}"
        "<table><thead><tr><th>column</th><th>severity</th><th>PSI</th><th>net of noise</th><th>p adjusted</th>"
        f"<th>missing</th><th>fault</th><th>why</th></tr></thead><tbody>{rows}</tbody></table>"
        + (f"<h2>Not compared</h2><ul>{listed}</ul>" if listed else "")
        + "</body></html>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}" if abs(value) < 0.001 and value else f"{value:.3f}"
