"""Looking things up across the stores: a prediction, and which requirements have their evidence."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements import (
    Artefact,
    artefacts_of_card,
    artefacts_of_ledger,
    assess,
    load_profiles,
    not_applicable,
)
from mlops_assets.gates import completeness
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.versions import CardIssued
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.platform import Platform
from mlops_assets.project import ProjectError
from mlops_assets.scoring.prediction_id import PredictionId, parse
from mlops_assets.stores.lake import WINDOW


class NotFound(MlopsAssetsError, LookupError):
    """What was asked about is not in the stores."""


class ChangedPredictions(MlopsAssetsError, RuntimeError):
    """What the lake holds of a window is not what was scored."""


def predictions_digest(rows: pl.DataFrame) -> str:
    """Digest of a window's predictions as `window_scored` records it: of all but the reasons."""
    return rows_digest(rows.drop(WINDOW, "reasons", strict=False), by="prediction_id")


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
        raise NotFound(f"{name}: the window {name.window} of {name.model} has no such prediction")
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


def scored_row(platform: Platform, name: PredictionId) -> pl.DataFrame:
    """The input row of a prediction, as it was scored when it was decided.

    Raises:
        NotFound: it is not in the lake.
    """
    (run, predicted), *_ = _runs_with(platform, name)
    registration = registered(platform.ledger.state().model(name.model), name.version)
    column = registration.event.declaration["id"]
    found = run.read(platform, "scored_rows").filter(pl.col(column) == predicted["id"])
    if found.height:
        return found[0]
    raise NotFound(f"{name}: its input row is not in the window {name.window} of {name.model}/scored_rows")


def requirement_rows(
    platform: Platform, profile: str | None, model: str | None, at: datetime | None = None
) -> list[dict[str, Any]]:
    """Each clause that is required of each model, and whether its evidence is present, missing or stale.

    Args:
        platform: the project.
        profile: one profile; None: all.
        model: one model; None: all.
        at: time at which evidence must be fresh; default: now.

    Raises:
        ProjectError: no such profile or model.
    """
    profiles = load_profiles(platform.project.config / "requirements")
    if profile is not None and profile not in profiles:
        raise ProjectError(f"{profile}: no such requirement profile; there are: {', '.join(profiles)}")
    names = [model] if model is not None else list(platform.project.declarations)
    states = platform.ledger.state()
    rows = []
    for name in names:
        declaration = platform.project.declaration(name)
        state = states.model(name)
        version = state.subject_version.version if state.subject_version else ""
        artefacts = [*_card_artefacts(platform, name, version), *artefacts_of_ledger(state, version)]
        named = platform.policy(name).gates.of(completeness.GATE).blocking_profiles
        for chosen in [profiles[profile]] if profile else profiles.values():
            if why := not_applicable(chosen, declaration.task.value, named):
                # A profile that was asked for by name answers, one of all of them is left out.
                rows += [_not_applicable(name, chosen.profile, why)] if profile else []
                continue
            rows += [
                {
                    "model": name,
                    "profile": chosen.profile,
                    "clause": f.clause,
                    "evidence": f.asked,
                    "verdict": f.verdict,
                    "lacking": [*f.missing, *(f"{artefact}: {reason}" for artefact, reason in f.stale)],
                    "judged_by": "record" if f.by == "automatic" else "a person",
                    "found": [_pointer(artefact) for artefact in f.found],
                    "reason": f.why,
                }
                for f in assess(chosen, artefacts, at or datetime.now(UTC), version)
            ]
    return rows


def _card_artefacts(platform: Platform, model: str, version: str) -> list[Artefact]:
    """What the issued card holds, read back from its own file."""
    card = platform.ledger.latest_of(CardIssued, model=model, subject=version) if version else None
    if card is None:
        return []
    path = platform.home.root / card.event.path / "card.json"
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    declaration = platform.project.declaration(model)
    inputs = CardInputs(declaration, version, card.happened_at, content["algorithm"], **content["evidence"])
    return artefacts_of_card(inputs, card.seq, card.event.digest, f"{card.event.path}/card.json")


def _not_applicable(model: str, profile: str, why: str) -> dict[str, Any]:
    return {
        "model": model, "profile": profile, "clause": "all", "evidence": "", "verdict": "not_applicable", "lacking": [],
        "judged_by": "", "found": [], "reason": why,
    }  # fmt: skip


def _pointer(artefact: Artefact) -> dict[str, Any]:
    """Where an artefact is: record, file and digest, as far as it has them."""
    return {"artefact": artefact.name, "record": artefact.record, "file": artefact.file, "digest": artefact.digest}
