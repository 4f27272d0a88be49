"""Looking things up across the stores: a prediction, and which requirements have their evidence."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements import (
    Artefact,
    artefacts_of_card,
    artefacts_of_ledger,
    assess,
    load_profiles,
)
from mlops_assets.ledger.events.versions import CardIssued
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.platform import Platform
from mlops_assets.project import ProjectError
from mlops_assets.scoring.prediction_id import PredictionId, parse


class NotFound(LookupError):
    """What was asked about is not in the stores."""


class ChangedPredictions(RuntimeError):
    """What the lake holds of a window is not what was scored."""


def predictions_digest(rows: pl.DataFrame) -> str:
    """Digest of a window's predictions as `window_scored` records it: of all but the reasons."""
    return rows_digest(rows.drop("window", "reasons", strict=False), by="prediction_id")


def prediction_row(platform: Platform, text: str) -> dict[str, Any]:
    """The prediction of that id: one window of one table is read, nothing is searched.

    Raises:
        NotFound: no such prediction.
        ChangedPredictions: the window's rows are not those that were recorded.
        ValueError: the text is no prediction id.
    """
    name = parse(text)
    scored = platform.ledger.latest_of(WindowScored, model=name.model, subject=name.window)
    if scored is None:
        raise NotFound(f"{text}: the ledger has no record that the window {name.window} of {name.model} was scored")
    rows = _rows(platform, name, "predictions")
    if predictions_digest(rows) != scored.event.predictions_digest:
        raise ChangedPredictions(
            f"{text}: the predictions of the window {name.window} of {name.model} in the lake are not those that record "
            f"{scored.seq} says were made; version {scored.event.predictions_version} of the table held those: `mlops verify`"
        )
    row = rows.filter(pl.col("prediction_id") == text)
    if row.height == 0:
        raise NotFound(f"{text}: the window {name.window} of {name.model} has no such prediction")
    found = row.to_dicts()[0]
    reasons = json.loads(found.pop("reasons", None) or "[]")
    # Times in the lake are UTC without a zone.
    zoned = {k: v.replace(tzinfo=UTC) if isinstance(v, datetime) and v.tzinfo is None else v for k, v in found.items()}
    return {
        **zoned,
        "model": name.model,
        "version": name.version,
        "window": name.window,
        "scored_at": scored.recorded_at,
        "reasons": [f"{r['phrase']} ({r['feature']})" for r in reasons],
    }


def scored_row(platform: Platform, name: PredictionId) -> pl.DataFrame:
    """The input row of a prediction, as it was scored.

    Raises:
        NotFound: it is not in the lake.
    """
    column = platform.project.declaration(name.model).id
    predicted = _rows(platform, name, "predictions").filter(pl.col("prediction_id") == str(name))
    found = _rows(platform, name, "scored_rows").filter(pl.col(column).is_in(predicted[column].implode()))
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
        for chosen in [profiles[profile]] if profile else profiles.values():
            if declaration.task.value not in chosen.applies_to.tasks:
                continue
            rows += [
                {
                    "model": name,
                    "profile": chosen.profile,
                    "clause": f.clause,
                    "evidence": f.asked,
                    "verdict": f.verdict,
                    "lacking": [*f.missing, *(f"{artefact}: {why}" for artefact, why in f.stale)],
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
    return artefacts_of_card(
        CardInputs(declaration, version, card.happened_at, content["algorithm"], **content["evidence"])
    )


def _rows(platform: Platform, name: PredictionId, table: str) -> pl.DataFrame:
    address = f"{name.model}/{table}"
    if name.window not in platform.lake.windows(address):
        raise NotFound(f"{name}: the lake has no window {name.window} of {address}")
    return platform.lake.read(address, window=name.window).drop("window")
