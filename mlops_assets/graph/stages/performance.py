"""The stage `performance`: a window on its matured outcomes, or an estimate where too few have matured."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration import Task
from mlops_assets.governance.dossier import registered
from mlops_assets.graph.bench import Bench, Outcome
from mlops_assets.graph.stages.models import SCORE
from mlops_assets.graph.stages.production import OUTCOMES, PREDICTIONS, SCORED_ROWS, scored_record, window_of
from mlops_assets.graph.stages.window_reports import keep, report, severity_check
from mlops_assets.monitoring.estimate import estimate_performance
from mlops_assets.monitoring.performance import WindowPerformance, measure
from mlops_assets.monitoring.reference import ReferencePerformance
from mlops_assets.monitoring.rules import at_least
from mlops_assets.scoring.outcomes import join_outcomes


def performance(bench: Bench) -> Outcome:
    """Measure the window on matured outcomes; where too few have matured, estimate, and say that it is one."""
    platform, window, declaration = bench.platform, window_of(bench), bench.declaration
    scored = scored_record(bench)
    run_id = registered(platform.ledger, bench.model, scored.body["version"]).body["run_id"]
    yardstick = ReferencePerformance.from_dict(platform.registry.evidence(run_id, "reference_performance"))
    said = platform.lake.read(bench.table(PREDICTIONS), window=window.key)
    joined = join_outcomes(
        said.with_columns(pl.col(declaration.id).cast(pl.String).alias("id")),
        recorded_outcomes(bench, window.key),
        matures_after=declaration.target.matures_after,
        known_at=datetime.now(UTC),
    )
    matured = joined.rows
    share = matured.height / said.height if said.height else 0.0
    found = measure(
        yardstick,
        targets(matured["outcome"], bench),
        scores(matured, yardstick),
        frame=_with_columns(bench, matured, window.key),
        declaration=declaration,
        rules=bench.policy.monitoring,
        matured_share=share,
        seed=declaration.training.seed,
    )
    estimate = None
    if not found.measurable and said.height:
        moved = moved_inputs(bench)
        estimate = estimate_performance(yardstick, scores(said, yardstick), inputs_moved=moved)
    content = {
        "performance": found.to_dict(),
        "estimate": estimate.to_dict() if estimate else None,
        "outcomes": joined.summary.to_dict(),
        "version": scored.body["version"],
    }
    evidence = keep(bench, "performance", content)
    reason = "; ".join(found.reasons)
    return Outcome(
        metadata={
            "severity": found.severity,
            "verdict": reason,
            "outcomes known": found.n,
            "share of outcomes known": share,
            "version": scored.body["version"],
            "metrics": metric_table(found),
            "base rate": found.base_rate.window if found.base_rate else None,
            "estimate (no outcomes)": [
                {
                    "metric": name,
                    "estimated": e["value"],
                    "from": e["low"],
                    "to": e["high"],
                    "reference": e["reference"],
                }
                for name, e in content["estimate"]["metrics"].items()
            ]
            or content["estimate"]["reason"]
            if content["estimate"]
            else None,
            "slices": [
                {
                    "slice": s.slice,
                    "rows": s.n,
                    "reference": s.reference,
                    "window": s.window,
                    "p adjusted": s.p_adjusted,
                }
                for s in found.slices[:20]
            ]
            or None,
            "evidence digest": evidence,
        },
        data_version=evidence,
        decisions=[severity_check(found.severity, reason, evidence)],
    )


def recorded_outcomes(bench: Bench, window: str) -> pl.DataFrame:
    """Recordings of the window's outcomes; an empty table where there are none."""
    table = bench.table(OUTCOMES)
    if window in bench.platform.lake.windows(table):
        return bench.platform.lake.read(table, window=window)
    return pl.DataFrame(schema={"id": pl.String, "outcome": pl.String, "recorded_at": pl.Datetime("us", "UTC")})


def targets(outcome: pl.Series, bench: Bench) -> np.ndarray:
    """Outcomes as evaluation takes them."""
    declaration = bench.declaration
    if declaration.task is Task.REGRESSION:
        return outcome.cast(pl.Float64).to_numpy()
    if declaration.task is Task.MULTICLASS:
        return np.asarray(outcome.to_list(), dtype=object)
    return (outcome == str(declaration.target.positive)).cast(pl.Int64).to_numpy()


def scores(said: pl.DataFrame, yardstick: ReferencePerformance) -> np.ndarray:
    """Scores as evaluation takes them: one column, or one a class."""
    if not yardstick.classes:
        return said[SCORE].to_numpy()
    return said.select([f"score:{label}" for label in yardstick.classes]).to_numpy()


def moved_inputs(bench: Bench) -> str | None:
    """Why an estimate would not hold: the inputs are out of what the model was calibrated on."""
    path = report(bench, "drift")
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return found["reason"] if at_least(found["severity"], "act") else None


def metric_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Metrics of the window beside the reference's."""
    rows = [
        {
            "metric": name,
            "window": m.get("value"),
            "from": m.get("low"),
            "to": m.get("high"),
            "reference": m.get("reference"),
        }
        for name, m in found.metrics.items()
    ]
    return rows or None


def _with_columns(bench: Bench, matured: pl.DataFrame, window: str) -> pl.DataFrame:
    """The scored rows of the matured predictions, in their order, for slices and fairness."""
    rows = bench.platform.lake.read(bench.table(SCORED_ROWS), window=window)
    rows = rows.with_columns(pl.col(bench.declaration.id).cast(pl.String).alias("_id"))
    return matured.select(pl.col("id").alias("_id")).join(rows, on="_id", how="left", maintain_order="left")
