"""Tables and pictures that a reviewer sees on the assets.

Belongs here: results as lists of equal rows and as plots. Not here: what they show, or how Dagster takes them
(`orchestration/metadata.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_assets.datasets.screening import Screening
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.reliability import Checked
from mlops_assets.monitoring.wording import column_name
from mlops_assets.statistics.between_periods import as_long_as
from mlops_assets.statistics.profile import Profile
from mlops_assets.statistics.psi import between_psi

Table = list[dict[str, Any]]


def drift_table(verdict: DriftVerdict) -> Table:
    """Columns of the verdict, worst first."""

    def row(c: ColumnDrift) -> dict[str, Any]:
        return {
            "column": column_name(c.name),
            "severity": c.severity,
            "PSI": c.value,
            "net of noise": c.effect,
            "between periods": c.variation,
            "p adjusted": c.p_value,
            "missing": c.null_share,
            "importance": c.importance,
            "why": c.reason,
        }

    return [row(c) for c in verdict.columns]


def driver_table(features: Sequence[Mapping[str, Any]]) -> Table:
    """Features with their share of what drives the scores, in the reference and in the window; largest change first."""
    return [
        {
            "feature": f["feature"],
            "share in reference": f["reference_share"],
            "share in window": f["window_share"],
            "rank in reference": f["reference_rank"],
            "rank in window": f["window_rank"],
            "p adjusted": f["p_adjusted"],
        }
        for f in features[:20]
    ]


def metric_table(found: WindowPerformance) -> Table | None:
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


def estimate_table(estimate: PerformanceEstimate) -> Table | str:
    """What was estimated, or why nothing was."""
    if estimate.abstained:
        return estimate.reason
    return [
        {"metric": name, "estimated": e.value, "from": e.low, "to": e.high, "reference": e.reference}
        for name, e in estimate.metrics.items()
    ]


def change_table(found: WindowPerformance) -> Table | None:
    """Each test with its change, its evidence, and the smallest change it could have detected."""
    adjusted, rows = found.p_adjusted, []
    if found.ranking is not None:
        drop = found.ranking.drop
        rows.append(("ranking", None if drop is None else -drop, adjusted.get("ranking"), found.ranking))
    if found.calibration is not None:
        rows.append(("outcome against score", found.calibration.change, adjusted.get("calibration"), found.calibration))
    if found.relation is not None:
        rows.append(("outcome by grade", found.relation.unexplained, adjusted.get("relation"), found.relation))
    if found.base_rate is not None:
        base = found.base_rate
        known = base.window is not None and base.reference is not None
        rows.append(
            ("base rate", (base.window or 0.0) - (base.reference or 0.0) if known else None, base.p_value, base)
        )
    return [
        {"test": name, "change": change, "p": p, "smallest change detectable": test.smallest_detectable}
        for name, change, p, test in rows
    ] or None


def slice_table(found: WindowPerformance) -> Table | None:
    """Declared slices beside the reference's."""
    return [
        {
            "slice": s.slice,
            "rows": s.n,
            "reference": s.reference,
            "window": s.window,
            "p adjusted": s.p_adjusted,
            "smallest change detectable": s.smallest_detectable,
            "note": s.reason,
        }
        for s in found.slices[:20]
    ] or None


def fairness_table(found: WindowPerformance) -> Table | None:
    """Groups of protected attributes: size, rate with interval, and their distance from the others in the reference and in the window."""
    gaps = {(g.attribute, g.group): g for g in reversed(found.group_changes)}
    rows = []
    for attribute in (found.fairness or {"attributes": []})["attributes"]:
        for group in attribute["groups"]:
            gap = gaps.get((attribute["attribute"], group["group"]))
            rows.append(
                {
                    "attribute": attribute["attribute"],
                    "group": group["group"],
                    "rows": group["n"],
                    "selection rate": group["selection_rate"],
                    "from": group["low"],
                    "to": group["high"],
                    "mean error": group["mean_error"],
                    "compared": gap.measure if gap else None,
                    "gap in reference": gap.reference_gap if gap else None,
                    "gap in window": gap.window_gap if gap else None,
                    "p adjusted": gap.p_adjusted if gap else None,
                    "smallest change detectable": gap.smallest_detectable if gap else None,
                    "note": group["reason"],
                }
            )
    return rows or None


def check_table(checks: Sequence[Checked]) -> Table | None:
    """Estimates beside what was measured later."""
    return [
        {
            "metric": c.metric,
            "estimated": c.estimated,
            "from": c.low,
            "to": c.high,
            "measured": c.measured,
            "error": c.error,
            "interval held": c.covered,
        }
        for c in checks
    ] or None


def profile_table(profile: Profile) -> Table:
    """Columns of a reference profile and how finely each is compared."""
    return [
        {
            "column": c.name,
            "compared": "in bins" if c.kind == "numeric" else "by value",
            "cells": len(c.counts) or len(c.categories),
            "missing": c.nulls / c.rows,
            "KS resolution": c.resolution if c.kind == "numeric" else None,
            "PSI between periods": between_psi(as_long_as(c.periods, c.rows, c.rows)) if c.periods else None,
        }
        for c in profile.columns.values()
    ]


def screening_table(screening: Screening) -> Table | None:
    """The features that predict best alone, strongest first."""
    found = screening.to_dict().get("features") or []
    return found[:8] or None


def slice_order(found: Mapping[str, Any]) -> float:
    """Sort key of slices: the surest differences first, those too small to measure last."""
    return 2.0 if found["value"] is None else 1.0 if found["p_adjusted"] is None else found["p_adjusted"]


def worst_slices(slices: Iterable[Mapping[str, Any]]) -> Table | None:
    """The ten slices whose difference is surest."""
    shown = ("slice", "n", "value", "difference", "p_adjusted")
    return [{name: one[name] for name in shown} for one in sorted(slices, key=slice_order)[:10]] or None


def group_table(fairness: Mapping[str, Any]) -> Table | None:
    """Groups of each protected attribute with their rates."""
    shown = ("group", "n", "selection_rate", "low", "high", "tpr", "fpr")
    return [
        {"attribute": a["attribute"], **{name: g[name] for name in shown}}
        for a in fairness["attributes"]
        if not a["intersection"]
        for g in a["groups"]
    ] or None


def disparity_table(fairness: Mapping[str, Any]) -> Table | None:
    """Disparities of each protected attribute with their intervals."""
    shown = ("value", "low", "high", "p_value")
    return [
        {"attribute": a["attribute"], "disparity": name, **{key: d[key] for key in shown}}
        for a in fairness["attributes"]
        if not a["intersection"]
        for name, d in a["disparities"].items()
    ] or None


def evaluation_picture(measured: Mapping[str, Any], calibrated: Mapping[str, Any]) -> str | None:
    """ROC curve or residuals, and calibration, as Markdown images that carry their own bytes; None where there is nothing to
    draw."""
    from mlops_assets.evidence import plots

    curves = measured.get("curves") or {}
    pictures = []
    roc = curves.get("roc") or {}
    if roc.get("false_positive_rate"):
        metric = measured["metrics"]["roc_auc"]
        auc = plots.Interval("AUC", metric["value"], metric["low"], metric["high"])
        pictures.append(plots.roc(roc["false_positive_rate"], roc["true_positive_rate"], auc))
    residuals = curves.get("residuals") or {}
    if residuals.get("predicted"):
        pictures.append(plots.residuals(residuals["predicted"], residuals["residual"]))
    grades = [(g["mean_score"], g["observed"], g["low"], g["high"], g["n"]) for g in calibrated.get("grades") or []]
    if len(grades) > 1:
        pictures.append(plots.calibration(grades))
    return "\n".join(f"![{p.title}]({p.data_uri()})" for p in pictures) or None
