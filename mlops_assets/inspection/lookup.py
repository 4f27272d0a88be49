"""Looking up a prediction across the stores: the run that made it, its row, and what was said of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.platform import Platform
from mlops_assets.scoring.prediction_id import PredictionId, parse
from mlops_assets.stores.lake import WINDOW


class NotFound(MlopsAssetsError, LookupError):
    """What was asked about is not in the stores."""


class ChangedPredictions(MlopsAssetsError, RuntimeError):
    """What the lake holds of a window is not what was scored."""


def predictions_digest(rows: pl.DataFrame) -> str:
    """Digest of a window's predictions as `window_scored` records it."""
    return rows_digest(rows.drop(WINDOW, strict=False), by="prediction_id")


@dataclass(frozen=True)
class ScoringRun:
    """One run over a window's rows; a window that was scored again has several, and all of them stay on record.

    Attributes:
        record: of the run.
        newest: whether it is the last one, whose rows readers of the tables see.
    """

    record: Record[WindowScored]
    newest: bool

    def read(self, platform: Platform, table: str) -> pl.DataFrame:
        """The rows that the run wrote to `predictions` or `scored_rows`."""
        event = self.record.event
        version = event.predictions_version if table == "predictions" else event.rows_version
        address, window = f"{self.record.model}/{table}", self.record.subject
        if window not in platform.lake.windows(address):
            raise NotFound(f"the lake has no window {window} of {address}")
        return platform.lake.read(address, window=window, version=None if self.newest else version).drop(WINDOW)

    def predictions(self, platform: Platform) -> pl.DataFrame:
        """The predictions of the run.

        Raises:
            ChangedPredictions: they are not those that were recorded.
        """
        rows, event = self.read(platform, "predictions"), self.record.event
        if predictions_digest(rows) != event.predictions_digest:
            raise ChangedPredictions(
                f"the predictions of the window {self.record.subject} of {self.record.model} in the lake are not those that "
                f"record {self.record.seq} says were made; version {event.predictions_version} of the table held those: "
                "`mlops verify`"
            )
        return rows


def scoring_runs(platform: Platform, model: str, window: str) -> list[ScoringRun]:
    """Every run over a window, the first one first."""
    records = platform.ledger.of(WindowScored, model=model, subject=window)
    return [ScoringRun(record, newest=record is records[-1]) for record in records]


def _runs_with(platform: Platform, name: PredictionId) -> list[tuple[ScoringRun, dict[str, Any]]]:
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
        row = run.predictions(platform).filter(pl.col("prediction_id") == str(name))
        found += [(run, row.to_dicts()[0])] if row.height else []
    if not found:
        raise NotFound(
            f"{name}: the window {name.window} of {name.model} has no such prediction; its last part is made from the identifier as text, and 0012 and 12 are two identifiers"
        )
    return found


def prediction_row(platform: Platform, text: str) -> dict[str, Any]:
    """The prediction of that id, as it was decided: by the version in the id, in the first run that made it.

    Returns:
        The row with the deciding version, its score, decision and reasons. `role` is `canary` where that version was not the
        champion of the window, and `scored_again` lists later runs that made a prediction of the same id.

    Raises:
        NotFound: no such prediction.
        ChangedPredictions: the window's rows are not those that were recorded.
        ValueError: the text is no prediction id.
    """
    name = parse(text)
    (run, found), *later = _runs_with(platform, name)
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
    (run, predicted), *_ = _runs_with(platform, name)
    registration = registered(platform.ledger.state().model(name.model), name.version)
    column = registration.event.declaration["id"]
    rows, recorded = run.read(platform, "scored_rows"), run.record.event.rows_digest
    if recorded is not None and rows_digest(rows, by=column) != recorded:
        raise ChangedPredictions(
            f"{name}: the scored rows of the window {name.window} in the lake are not those that record "
            f"{run.record.seq} says were scored: `mlops verify`"
        )
    found = rows.filter(pl.col(column) == predicted["id"])
    if found.height:
        return found[0]
    raise NotFound(f"{name}: its input row is not in the window {name.window} of {name.model}/scored_rows")
