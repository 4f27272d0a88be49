"""The Python API: what `import mlops_assets` offers to notebooks and scripts.

Everything here reads. Predictions that decide something are made by the graph, which records them; `predict` is for
looking: its rows are scored by the same verified version, with the same checks and the same reason codes, and nothing is
written.
"""

import html
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlops_assets.errors import MlopsAssetsError

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
    import polars as pl

    from mlops_assets.declaration.declaration import Declaration
    from mlops_assets.evidence.trace import Trace
    from mlops_assets.ledger.events.versions import VersionRegistered
    from mlops_assets.ledger.records import Record
    from mlops_assets.monitoring.two_tables.comparison import TableComparison
    from mlops_assets.pipeline.stages.window_scorers import Scorer
    from mlops_assets.platform import Platform

    Frame = pl.DataFrame | pd.DataFrame


class NoChampion(MlopsAssetsError, LookupError):
    """The model has no version that may decide now."""


@dataclass(frozen=True)
class Table(Sequence[Mapping[str, Any]]):
    """Rows of plain values that a notebook shows as a table.

    Attributes:
        rows: one mapping a row.
        columns: names to show, in order; the mappings may hold more.
    """

    rows: tuple[Mapping[str, Any], ...]
    columns: tuple[str, ...]

    def __getitem__(self, index: Any) -> Any:
        return cast(Any, self.rows[index])

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Table({len(self.rows)} rows: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(row.get(name)))}</td>" for name in self.columns) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True)
class Champion:
    """The version of a model that decides now, with its artifact verified.

    Attributes:
        platform: the project with its stores.
        registration: ledger record of the version.
        declaration: under which the version was made.
    """

    platform: "Platform"
    registration: "Record[VersionRegistered]"
    declaration: "Declaration"

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.registration.model

    @property
    def version(self) -> int:
        """Number of the version."""
        return int(self.registration.subject)

    def predict(self, frame: "Frame", *, reasons: bool = True) -> "Frame":
        """Score rows as the graph would; nothing is recorded.

        Args:
            frame: rows with the declared identifier, event time (if the model has one) and features; polars or pandas.
            reasons: whether adverse decisions get reason codes (binary models).

        Returns:
            A frame of the same library, one row a row and in the same order: `id` (the row's identifier as text),
            `prediction_id`, `version`, `score`, `prediction`, of several classes a column `score:<class>` each, `reasons`
            (reason codes of an adverse decision as JSON text, or null), and `problem` (why the row may not be scored, or
            null). A row that breaks the input contract, lies outside the population that the version was approved for, or is in a
            paused segment has a problem and no score.

        Raises:
            mlops_assets.datasets.contract.ContractError: a column that scoring needs is missing.
        """
        import polars as pl

        from mlops_assets.datasets.internal_columns import REASONS
        from mlops_assets.datasets.reading import read_expr
        from mlops_assets.governance.restrictions import check as check_restrictions
        from mlops_assets.governance.validations import restrictions_of
        from mlops_assets.release.segments import paused_rows
        from mlops_assets.scoring.input_contract import check

        rows = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
        identifier = self.declaration.id
        checked = check(rows, self.declaration)
        problems = _named(checked.quarantined, self.declaration).with_columns(
            checked.quarantined[REASONS].alias("problem")
        )
        accepted = checked.accepted
        known = self.platform.ledger.state().model(self.model)
        limits = restrictions_of(known, self.version)
        if limits:
            found = check_restrictions(accepted, limits)
            outside = accepted.select(pl.col(identifier).alias("id"), found.reasons.alias("problem")).filter(
                found.refused
            )
            problems = pl.concat([problems, outside])
            accepted = accepted.filter(~found.refused)
        if known.pauses:
            by = {one.seq: f"paused: rows where {one.where} (record {one.seq})" for one in known.pauses.values()}
            paused = paused_rows(accepted, known.pauses.values())
            text = paused.replace_strict(by, default=None, return_dtype=pl.String)
            stopped = accepted.select(pl.col(identifier).alias("id"), text.alias("problem"))
            problems = pl.concat([problems, stopped.filter(paused.is_not_null())])
            accepted = accepted.filter(paused.is_null())
        scored = self._scored(accepted, reasons)
        answered = (
            rows.select(read_expr(identifier, rows.schema, self.declaration).alias("id"))
            .join(scored, on="id", how="left", maintain_order="left")
            .join(problems.unique("id", keep="first"), on="id", how="left", maintain_order="left")
        )
        return answered if isinstance(frame, pl.DataFrame) else answered.to_pandas()

    def _scored(self, rows: "pl.DataFrame", reasons: bool) -> "pl.DataFrame":
        import polars as pl

        from mlops_assets.datasets.event_times import event_time_expr
        from mlops_assets.datasets.internal_columns import ROW
        from mlops_assets.datasets.windows import window_of_key, window_start_expr
        from mlops_assets.declaration.terms import Task

        time = self.declaration.event_time
        if time is None:
            parts = {None: rows}
        else:
            start = window_start_expr(event_time_expr(time), self.declaration.monitoring.cadence)
            keyed = rows.with_columns(start.cast(pl.String).alias(ROW))
            parts = {key[0]: part.drop(ROW) for key, part in keyed.partition_by(ROW, as_dict=True).items()}
        scored: list[pl.DataFrame] = []
        for key, part in parts.items():
            window = window_of_key(str(key), self.declaration.monitoring.cadence) if key is not None else None
            scored.append(self._scorer.score(part, window))
        found = pl.concat(scored).drop("event_time") if scored else self._scorer.score(rows, None).drop("event_time")
        texts = self._scorer.reasons(rows) if reasons and self.declaration.task is Task.BINARY else {}
        column = [texts.get(identity) for identity in found["id"].to_list()]
        # As text, so that the column has one type whether or not any decision was adverse.
        return found.with_columns(pl.Series("reasons", column, dtype=pl.String))

    @cached_property
    def _scorer(self) -> "Scorer":
        from mlops_assets.pipeline.stages.window_scorers import Scorer

        return Scorer(self.platform, self.registration, self.declaration)

    def _repr_html_(self) -> str:
        facts = {
            "Model": self.model,
            "Version": self.version,
            "Purpose": self.declaration.purpose,
            "Algorithm": self.registration.event.algorithm,
            "Registered": self.registration.happened_at.date(),
            "Artifact": self.registration.event.artifact_digest,
        }
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in facts.items())
        return f"<table>{rows}</table>"


def _named(rows: "pl.DataFrame", declaration: "Declaration") -> "pl.DataFrame":
    """The identifiers of rows, as predictions have them."""
    from mlops_assets.datasets.reading import read_expr

    return rows.select(read_expr(declaration.id, rows.schema, declaration).alias("id"))


def load(model: str, *, project: str | Path = ".") -> Champion:
    """The version of `model` that decides now.

    Its ledger records are held against the chain and its signed head, and its artifact against the signed digest when it
    is first used.

    Args:
        model: name.
        project: a folder inside the project.

    Raises:
        NoChampion: the model has no champion, is suspended, or is retired.
        mlops_assets.project.ProjectError: no such model, or the folder is in no project.
        mlops_assets.ledger.records.LedgerTampered: the ledger that names the champion does not hold.
    """
    from mlops_assets.governance.approval_subject import registered
    from mlops_assets.pipeline.stages.versions import declared_with
    from mlops_assets.release.champion import verified_champion_state

    platform = _platform(project)
    declaration = platform.project.declaration(model)
    now = verified_champion_state(platform.ledger, model)
    if now.deciding is None:
        found = "has no champion yet" if now.status == "none" else f"is {now.status}"
        raise NoChampion(f"{model} {found}, so no version may score; see `mlops status {model}`")
    registration = registered(platform.ledger.state().model(model), now.deciding)
    return Champion(platform, registration, declared_with(registration, declaration))


def status(model: str | None = None, *, project: str | Path = ".") -> Table:
    """The state of every model, or of one, as `mlops status --json` prints it.

    Args:
        model: name; None: all.
        project: a folder inside the project.

    Raises:
        mlops_assets.project.ProjectError: no such model, or the folder is in no project.
    """
    from mlops_assets.evidence.inventory import status as status_rows
    from mlops_assets.fleet_files import fleet_rows

    platform = _platform(project)
    if model is not None:
        platform.project.declaration(model)
    rows = [row for row in status_rows(fleet_rows(platform)) if model in (None, row["model"])]
    shown = ("model", "lifecycle", "severity", "kind", "window", "champion", "tier", "owner")
    return Table(tuple(rows), tuple(name for name in shown if not rows or name in rows[0]))


def trace(prediction_id: str, *, project: str | Path = ".") -> "Trace":
    """From a recorded prediction to all it rests on, as `mlops trace` shows it.

    Args:
        prediction_id: as the asset `predictions` and `predict` show it.
        project: a folder inside the project.

    Raises:
        ValueError: the text is no prediction id.
        mlops_assets.inspection.lookup.NotFound: there is no such prediction.
    """
    from mlops_assets.evidence.trace import trace as follow
    from mlops_assets.inspection.lookup import prediction_row

    platform = _platform(project)
    return follow(platform.ledger, prediction_row(platform, prediction_id))


def drift(reference: "Frame | str | Path", current: "Frame | str | Path", **options: Any) -> "TableComparison":
    """Compare two tables, without a declaration, as `mlops drift` does.

    Args:
        reference, current: polars or pandas frames, or whatever `mlops drift` takes: files, folders, globs, URLs.
        options: of `mlops_assets.monitoring.two_tables.comparison.compare_tables`, such as `target`, `score`, `time`.
    """
    from mlops_assets.monitoring.two_tables.comparison import compare_tables

    with tempfile.TemporaryDirectory(prefix="mlops-drift-") as folder:
        before = _as_path(reference, Path(folder) / "reference.parquet")
        now = _as_path(current, Path(folder) / "current.parquet")
        return compare_tables(before, now, **options)


def _as_path(table: "Frame | str | Path", path: Path) -> str | Path:
    if isinstance(table, str | Path):
        return table
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_pandas(table)
    frame.write_parquet(path)
    return path


def _platform(project: str | Path) -> "Platform":
    from mlops_assets.platform import Platform
    from mlops_assets.project import Project

    return Platform.load(Project.find(Path(project)).defs)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return ", ".join(str(one) for one in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value)  # pyright: ignore[reportUnknownArgumentType]
