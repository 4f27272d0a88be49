"""Plots for metadata in the UI: Markdown images that carry their own bytes."""

from typing import Any

from mlops_assets.evidence.pages import plots


def evaluation_picture(measured: dict[str, Any], calibrated: dict[str, Any]) -> str | None:
    """ROC curve or residuals, and calibration; None where there are no points to draw."""
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
