"""What a model's windows left in the lake, as drills and calibration take it. Nothing here writes."""

import polars as pl

from mlops_assets.governance.dossier import registered
from mlops_assets.graph.bench import StageError
from mlops_assets.graph.stages.models import SCORE
from mlops_assets.graph.stages.production import SCORED_ROWS
from mlops_assets.platform import Platform
from mlops_assets.release.champion import reign
from mlops_assets.statistics.profile import Profile


def profile_of_champion(platform: Platform, model: str) -> tuple[Profile, dict[str, float]]:
    """The reference of the version that decides, without the target, and the importance of its features."""
    now = reign(platform.ledger, model)
    if now.champion is None:
        raise StageError(f"{model} has no champion yet, so there is no reference to compare with")
    run_id = registered(platform.ledger, model, now.champion).body["run_id"]
    profile = Profile.from_dict(platform.registry.evidence(run_id, "reference_profile"))
    target = platform.project.declaration(model).target.column
    found = platform.registry.evidence(run_id, "explanations")["importance"]["features"]
    kept = {name: column for name, column in profile.columns.items() if name not in (target, SCORE)}
    return Profile(profile.rows, kept), {f["feature"]: f["share"] for f in found}


def scored_windows(platform: Platform, model: str, most: int) -> list[pl.DataFrame]:
    """Inputs of the latest scored windows."""
    table = f"{model}/{SCORED_ROWS}"
    features = list(platform.project.declaration(model).features)
    return [platform.lake.read(table, window=w).select(features) for w in platform.lake.windows(table)[-most:]]
