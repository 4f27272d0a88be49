"""Looking up a prediction across the stores: the run that made it, its row, and what was said of it."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.recorded_tables import ChangedRows, Recorded, recorded_rows
from mlops_assets.inspection.tables_on_record import recorded_window
from mlops_assets.ledger.events.champion import SegmentPaused
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.platform import Platform
from mlops_assets.scoring.prediction_id import PredictionId, parse
from mlops_assets.stores.lake import WINDOW


class NotFound(MlopsAssetsError, LookupError):
    """What was asked about is not in the stores."""


class ChangedPredictions(MlopsAssetsError, RuntimeError):
    """What the lake holds of a window is not what was scored."""


@dataclass(frozen=True)
class ScoringRun:
    """One run over a window's rows; a window that was scored again has several, and all of them stay on record.

    Attributes:
        record: of the run.
        newest: whether it is the last one, whose rows readers of the tables see.
        identifier: column of the scored rows that names each; None where the version is not on record.
    """

    record: Record[WindowScored]
    newest: bool
    identifier: str | None

    def recorded(self, table: str) -> Recorded | None:
        """What is on record of the run's rows in `predictions` or `scored_rows`."""
        made = f"{self.record.model}/{table}"
        known = (found for found in recorded_window(self.record, self.identifier) if found.table == made)
        # Readers of the tables see the newest version of a window.
        return next((replace(found, version=None) if self.newest else found for found in known), None)

    def read(self, platform: Platform, table: str) -> pl.DataFrame:
        """The rows that the run wrote to `predictions` or `scored_rows`.

        Raises:
            NotFound: they are not in the lake.
            ChangedPredictions: they are not those that were recorded.
            RowsRemoved: they left the lake by a signed record.
        """
        address, window, event = f"{self.record.model}/{table}", self.record.subject, self.record.event
        recorded, removals = self.recorded(table), platform.ledger.state().model(self.record.model).removals
        removal = recorded.removal(removals) if recorded is not None else None
        if window not in platform.lake.windows(address) and removal is None:
            raise NotFound(f"the lake has no window {window} of {address}")
        if recorded is None:
            version = event.predictions_version if table == "predictions" else event.rows_version
            return platform.lake.read(address, window=window, version=None if self.newest else version).drop(WINDOW)
        try:
            return recorded_rows(platform.lake, recorded, removals)
        except ChangedRows as error:
            what = "predictions" if table == "predictions" else "scored rows"
            raise ChangedPredictions(
                f"the {what} of the window {window} of {self.record.model} in the lake are not those that record "
                f"{self.record.seq} says were made; version {event.predictions_version if table == 'predictions' else event.rows_version} "
                "of the table held those: `mlops verify`"
            ) from error

    def erased(self, platform: Platform, table: str = "predictions") -> str:
        """What was removed of the run's rows, as a clause; empty where nothing was."""
        recorded = self.recorded(table)
        removal = recorded.removal(platform.ledger.state().model(self.record.model).removals) if recorded else None
        return removal.words if removal else ""


def scoring_runs(platform: Platform, model: str, window: str) -> list[ScoringRun]:
    """Every run over a window, the first one first."""
    records = platform.ledger.of(WindowScored, model=model, subject=window)
    state = platform.ledger.state().model(model)
    identifiers = {
        version: known.registration.event.declaration["id"] if known.registration else None
        for version in {record.event.version for record in records}
        for known in [state.version(version)]
    }
    return [ScoringRun(r, newest=r is records[-1], identifier=identifiers[r.event.version]) for r in records]


def runs_with(platform: Platform, name: PredictionId) -> list[tuple[ScoringRun, dict[str, Any]]]:
    """The runs in which a prediction of that id was made, each with its row; the first one is what was decided.

    Raises:
        NotFound: there is none.
        ChangedPredictions: a run's rows are not those that were recorded.
    """
    runs = scoring_runs(platform, name.model, name.window or "")
    if not runs:
        raise NotFound(f"{name}: the ledger has no record that the window {name.window} of {name.model} was scored")
    found = []
    for run in runs:
        row = run.read(platform, "predictions").filter(pl.col("prediction_id") == str(name))
        found += [(run, row.to_dicts()[0])] if row.height else []
    erased = next((words for run in runs if (words := run.erased(platform))), "")
    if not found and erased:
        raise NotFound(
            f"{name}: the window {name.window} of {name.model} has no such prediction now; {erased}, and it may be among them"
        )
    if not found:
        raise NotFound(
            f"{name}: the window {name.window} of {name.model} has no such prediction; its last part is made from the identifier as text, and 0012 and 12 are two identifiers"
        )
    return found


def prediction_row(platform: Platform, text: str) -> dict[str, Any]:
    """The prediction of that id, as it was decided: by the version in the id, in the first run that made it.

    Returns:
        The row with the deciding version, its score, decision and reasons. `paused` says why nothing was decided about a row of a
        paused segment; what the champion made of it is in `beside_score` and `beside_prediction`. `role` is `canary` where that version was not the
        champion of the window, and `scored_again` lists later runs that made a prediction of the same id.

    Raises:
        NotFound: no such prediction.
        ChangedPredictions: the window's rows are not those that were recorded.
        ValueError: the text is no prediction id.
    """
    name = parse(text)
    (run, found), *later = runs_with(platform, name)
    reasons = json.loads(found.pop("reasons", None) or "[]")
    # Times in the lake are UTC without a zone.
    zoned = {k: v.replace(tzinfo=UTC) if isinstance(v, datetime) and v.tzinfo is None else v for k, v in found.items()}
    return {
        **zoned,
        **given_with(platform, name),
        "model": name.model,
        "version": name.version,
        "window": name.window,
        "scored_at": run.record.recorded_at,
        "record": run.record.seq,
        "role": "champion" if str(run.record.event.version) == name.version else "canary",
        "reasons": [f"{r['phrase']} ({r['feature']})" for r in reasons],
        "paused": paused_by(platform, zoned.get("paused")),
        "outcome": outcome_of(platform, name, found.get("id")),
        "scored_again": [
            {
                "record": again.record.seq,
                "at": again.record.recorded_at,
                "score": row["score"],
                "prediction": row["prediction"],
            }
            for again, row in later
        ],
    }


def paused_by(platform: Platform, seq: Any) -> dict[str, Any] | None:
    """Why nothing was decided about a row, from the number of the record that paused its segment; None where a version decided."""
    record = platform.ledger.get(int(seq)) if seq is not None else None
    if record is None or not isinstance(record.event, SegmentPaused):
        return None
    event = record.event
    return {"where": event.where, "person": event.person, "rationale": event.rationale, "record": record.seq}


def outcome_of(platform: Platform, name: PredictionId, row: object) -> dict[str, Any] | None:
    """What turned out to be true of a row, as it is recorded last: `value` and `recorded_at`; None where nothing is known.

    Args:
        platform: the project.
        name: of the prediction.
        row: its identifier in the source.
    """
    table = f"{name.model}/outcomes"
    if row is None or not platform.lake.exists(table) or name.window not in platform.lake.windows(table):
        return None
    known = platform.lake.read(table, window=name.window).filter(pl.col("id") == str(row))
    if known.is_empty():
        return None
    last = known.sort("recorded_at", maintain_order=True).row(-1, named=True)
    return {"value": last["outcome"], "recorded_at": last["recorded_at"]}


def given_with(platform: Platform, name: PredictionId) -> dict[str, Any]:
    """Of a model that others run, what came with the prediction: the supplier's version, identifier and decision. Of one that
    others trained, whose it is and which file."""
    registration = registered(platform.ledger.state().model(name.model), name.version)
    imported = registration.event.declaration.get("imported")
    if imported:
        return {
            "supplier": imported["supplier"],
            "imported": {k: imported[k] for k in ("artifact", "version", "sha256")},
        }
    external = registration.event.declaration.get("external")
    if not external:
        return {}
    row = scored_row(platform, name).to_dicts()[0]
    columns = {"version": "version_column", "prediction_id": "prediction_id", "decision": "decision"}
    given = {what: row.get(external[field]) for what, field in columns.items() if external.get(field)}
    return {"supplier": external["supplier"], "given": given}


def scored_row(platform: Platform, name: PredictionId) -> pl.DataFrame:
    """The input row of a prediction, as it was scored when it was decided.

    Raises:
        NotFound: it is not in the lake.
    """
    (run, predicted), *_ = runs_with(platform, name)
    registration = registered(platform.ledger.state().model(name.model), name.version)
    column = registration.event.declaration["id"]
    found = run.read(platform, "scored_rows").filter(pl.col(column) == predicted["id"])
    if found.height:
        return found[0]
    erased = run.erased(platform, "scored_rows")
    if erased:
        raise NotFound(f"{name}: its input row is not in the lake now; {erased}")
    raise NotFound(f"{name}: its input row is not in the window {name.window} of {name.model}/scored_rows")
