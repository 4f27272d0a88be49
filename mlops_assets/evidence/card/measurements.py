"""The sections of a card that show measurements: numbers with intervals, and pictures.

Not here: the measurements themselves (`evaluation`), and how pictures are drawn (`pages.plots`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.evidence.blocks import Block, Missing, Paragraph, Table, Tone
from mlops_assets.evidence.card import figures
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.reasons import reason_code_blocks
from mlops_assets.evidence.reading import (
    estimate,
    first,
    is_number,
    label,
    leftovers,
    merged,
    number,
    records_of,
    sentences,
    table,
)

_VALUE_KEYS = ("value", "metric_value", "performance", "roc_auc", "auc", "selection_rate", "rate")
_NOT_OF_THE_FIT = ("n_jobs", "verbose", "warm_start")
_STRONGEST = 3
_GROUP_HIDDEN = ("measurable", "mean_absolute_error")
_GROUP_COLUMNS = (
    ("group", "Group"),
    ("n", "Rows"),
    ("share", "Share of the rows"),
    ("selection_rate", "Favourable decisions, share"),
    ("base_rate", "Favourable outcomes, share"),
    ("tpr", "Favourable decisions where the outcome was"),
    ("fpr", "Favourable decisions where it was not"),
    ("ppv", "Favourable outcomes where the decision was"),
    ("accuracy", "Accuracy"),
    ("mean_score", "Mean score"),
    ("mean_outcome", "Mean outcome"),
    ("mean_error", "Mean error"),
    ("selected", "Favourable decisions"),
    ("favourable", "Favourable outcomes"),
    ("selected_favourable", "Both favourable"),
    ("correct", "Correct decisions"),
)
_GROUP_DRAWN = ("selection_rate", "favourable_rate", "mean_error", *_VALUE_KEYS)
_SLICE_TITLES = {
    "declared": "Declared segments",
    "found": "Weakest segments found by a search",
    "worst": "Weakest segments",
}
_SLICE_COLUMNS = (
    ("slice", "Segment"),
    ("n", "Rows"),
    ("value", "Value"),
    ("difference", "Difference from the whole"),
    ("p_adjusted", "p-value, adjusted"),
    ("reason", "Remark"),
)
_SLICE_LISTS = ("slices", "declared", "found", "worst", "segments")


def screening(inputs: CardInputs) -> list[Block]:
    """Checks for leakage, label bias and proxies before the training."""
    if inputs.screening is None:
        return [Missing("screening for leakage, label bias and proxies")]
    proxies = [_proxy(p) for p in records_of(inputs.screening.get("proxies") or [], "attribute")]
    shown = [table(proxies, title="Proxies")] if proxies else []
    return [*leftovers(inputs.screening, ("proxies",)), *shown] or [Missing("screening: the evidence is empty")]


def _proxy(proxy: Mapping[str, Any]) -> dict[str, Any]:
    """A protected attribute with the features that tell most of it; columns keep their own names."""
    features = proxy.get("features")
    if not isinstance(features, Mapping):
        return dict(proxy)
    known = sorted(((n, v) for n, v in features.items() if is_number(v)), key=lambda item: -item[1])
    named = ", ".join(f"{name} {number(value)}" for name, value in known[:_STRONGEST])
    return {**proxy, "features": named + (f" and {len(known) - _STRONGEST} more" if len(known) > _STRONGEST else "")}


def candidates(inputs: CardInputs) -> list[Block]:
    """The algorithms that were tried."""
    if not inputs.candidates:
        return [Missing("alternatives considered")]
    metric = next((str(c["metric"]) for c in inputs.candidates if c.get("metric")), "")
    rows = [_candidate(c, metric, inputs.algorithm) for c in inputs.candidates]
    shown = table(rows, note=f"Compared by {label(metric)} in cross-validation on the fitting rows." if metric else "")
    tones: list[Tone] = ["good" if r.get("selected") else "plain" for r in rows[: len(shown.rows)]]
    return [Table(shown.columns, shown.rows, note=shown.note, numeric=shown.numeric, tones=tuple(tones))]


def _candidate(candidate: Mapping[str, Any], metric: str, chosen: str) -> dict[str, Any]:
    """One row: first the ranking metric and its spread over the folds; fit times are left out."""
    hidden = ("metric", "label", "folds", "cv_mean", "cv_std", "fit_seconds", "environment")
    row: dict[str, Any] = {"algorithm": label(str(first(candidate, "label", "algorithm", "name")))}
    for key, title in (("cv_mean", label(metric)), ("cv_std", "Standard deviation over folds")):
        found = candidate.get(key)
        if isinstance(found, Mapping):
            row[title] = found.get(metric)
    row |= {k: v for k, v in candidate.items() if k not in hidden and k != "algorithm" and v != {}}
    if isinstance(row.get("parameters"), Mapping):
        row["parameters"] = parameters_text(row["parameters"])
    row.setdefault("selected", chosen in (candidate.get("label"), candidate.get("algorithm")))
    return row


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Parameters under the names and with the values of the library; without those that were left open or change no fit."""
    chosen = {k: v for k, v in parameters.items() if k not in _NOT_OF_THE_FIT and v is not None and v != "deprecated"}
    return ", ".join(f"{name} = {value}" for name, value in chosen.items())


def performance(inputs: CardInputs) -> list[Block]:
    """Metrics on rows the model was not fitted on."""
    p = inputs.performance
    if p is None:
        return [Missing("performance on held-out rows")]
    metrics = records_of(p.get("metrics") or {})
    blocks: list[Block] = []
    rows_behind = first(p, "n", "rows")
    if rows_behind is not None:
        text = f"Measured on {number(rows_behind)} held-out rows"
        if p.get("positives") is not None:
            text += f", {number(p['positives'])} of them with the event"
        if is_number(p.get("confidence")):
            text += f"; intervals at {100 * p['confidence']:.0f}% confidence"
        blocks.append(Paragraph(text + "."))
    if metrics:
        blocks.append(_metrics_table(metrics))
    else:
        blocks.append(Missing("metrics"))
    champion = (inputs.comparison or {}).get("champion_performance")
    blocks += figures.performance_figures(p, champion if isinstance(champion, Mapping) else None)
    confusion = (p.get("curves") or {}).get("confusion")
    if isinstance(confusion, Mapping) and inputs.declaration.task is Task.MULTICLASS:
        names = [str(c) for c in confusion["classes"]]
        rows = tuple(
            (name, *(number(c) for c in counts)) for name, counts in zip(names, confusion["counts"], strict=True)
        )
        columns = ("True class", *(f"predicted {n}" for n in names))
        blocks.append(Table(columns, rows, title="Confusion", numeric=tuple(range(1, len(columns)))))
    known = ("task", "n", "rows", "positives", "confidence", "metrics", "curves", "main_metric", "seed")
    return [*blocks, *leftovers(p, known)]


def _metrics_table(metrics: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for m in metrics:
        found = estimate(m)
        rows.append(
            {
                "metric": label(str(first(m, "name", "metric"))),
                "value": found.text if found else "not measurable",
                "trivial": number(m.get("trivial")) if m.get("trivial") is not None else None,
                "note": m.get("note") or None,
            }
        )
    columns = (("metric", "Metric"), ("value", "Value (interval)"), ("trivial", "Trivial prediction"), ("note", "Note"))
    shown = table(rows, columns)
    return Table(shown.columns, shown.rows, numeric=(1, 2) if "Trivial prediction" in shown.columns else (1,))


def comparison(inputs: CardInputs) -> list[Block]:
    """Comparison with the champion on the same rows."""
    c = inputs.comparison
    if c is None:
        return [Missing("comparison with the champion")]
    if not c:
        return [Paragraph("There was no champion to compare with. Gates and approvals alone decide.")]
    blocks: list[Block] = [*sentences(c.get("reason")), *_attempt(c)]
    known = ("reason", "champion_performance", "curves", "holdout", "attempt", "alpha", "fitted_rows")
    return [*blocks, *leftovers(c, known)]


def _attempt(c: Mapping[str, Any]) -> list[Block]:
    """Which comparison on these held-out rows it was, its level, and which rows were left out."""
    if not c.get("holdout"):
        return []
    text = (
        f"This is comparison {c['attempt']} with a champion on these held-out rows ({c['holdout'][:12]}). Each end of its "
        f"interval has the one-sided level {number(c['alpha'])}, its part of the level of all comparisons on these rows."
    )
    left_out = c.get("fitted_rows")
    if left_out is None:
        text += " Which rows the champion was fitted on is not known, so that none could be left out."
    else:
        text += f" The champion was fitted on {number(left_out) if left_out else 'none'} of them{', which are left out' if left_out else ''}."
    return [Paragraph(text)]


def slices(inputs: CardInputs) -> list[Block] | str:
    """Performance by segment: declared segments, and those found by a search."""
    d = inputs.declaration
    if inputs.slices is None:
        return "No segment is declared." if not d.slices else [Missing("performance by segment")]
    evidence: Mapping[str, Any] = inputs.slices if isinstance(inputs.slices, Mapping) else {"slices": inputs.slices}
    blocks: list[Block] = sentences(evidence.get("reason"))
    metric = str(evidence.get("metric") or (inputs.performance or {}).get("main_metric") or "metric")
    overall = estimate(evidence.get("overall"))
    rows = [r for key in _SLICE_LISTS for r in records_of(evidence.get(key) or [], "slice")]
    drawn = figures.dots(
        figures.interval_rows(rows, ("slice", "column", "name", "value_label", "level", "group"), _VALUE_KEYS),
        "slices",
        f"{label(metric)} by segment",
        metric,
        overall.value if overall else None,
    )
    if drawn:
        blocks.append(drawn)
    for key in _SLICE_LISTS:
        found = records_of(evidence.get(key) or [], "slice")
        if found:
            known = any("slice" in r and "difference" in r for r in found)
            blocks.append(table(found, _SLICE_COLUMNS if known else None, title=_SLICE_TITLES.get(key, ""), limit=30))
    return [*blocks, *leftovers(evidence, ("reason", "metric", *_SLICE_LISTS))] or [Missing("performance by segment")]


def calibration(inputs: CardInputs) -> list[Block]:
    """Agreement of predictions with outcomes."""
    c = inputs.calibration
    if c is None:
        return [Missing("calibration")]
    drawn = figures.calibration_figure(c)
    blocks: list[Block] = sentences(c.get("reason"))
    return [*blocks, *([drawn] if drawn else []), *leftovers(c, ("reason",))]


def robustness(inputs: CardInputs) -> list[Block]:
    """Effect of small errors in the inputs."""
    if inputs.robustness is None:
        return [Missing("robustness")]
    if isinstance(inputs.robustness, Mapping):
        return [*sentences(inputs.robustness.get("reason")), *leftovers(inputs.robustness, ("reason",))]
    return [table(inputs.robustness)]


def fairness(inputs: CardInputs) -> list[Block] | str:
    """Decisions by group of each protected attribute."""
    if inputs.fairness is None:
        return "No protected attribute is declared." if not inputs.declaration.protected else [Missing("fairness")]
    evidence = inputs.fairness if isinstance(inputs.fairness, Mapping) else {"attributes": inputs.fairness}
    bases = {p.column: p.basis for p in inputs.declaration.protected}
    blocks: list[Block] = sentences(evidence.get("reason"))
    for attribute in records_of(evidence.get("attributes") or [], "attribute"):
        blocks += _attribute(attribute, bases)
    return [*blocks, *leftovers(evidence, ("reason", "attributes"))] or [Missing("fairness")]


def _attribute(attribute: Mapping[str, Any], bases: Mapping[str, str]) -> list[Block]:
    name = str(first(attribute, "attribute", "name", "column"))
    groups = records_of(attribute.get("groups") or [], "group")
    # One value is drawn for every group, and the title names that one.
    kind = next((k for k in _GROUP_DRAWN if any(is_number(g.get(k)) for g in groups)), "value")
    rows = figures.interval_rows(groups, ("group", "label", "name"), (kind,))
    basis = f" Basis: {bases[name]}" if bases.get(name) else ""
    blocks: list[Block] = [Paragraph(f"By {name}.{basis}"), *sentences(attribute.get("reason"))]
    axis = dict(_GROUP_COLUMNS).get(kind, label(kind))
    drawn = figures.dots(rows, "fairness_" + re.sub(r"\W+", "_", name), f"{axis} by {name}", axis)
    if drawn:
        blocks.append(drawn)
    if groups:
        shown = [{k: v for k, v in g.items() if k not in _GROUP_HIDDEN} for g in groups]
        blocks.append(table(shown, _group_columns(shown), title=f"Groups of {name}"))
    disparities = [
        {**one, "name": label(str(one["name"]))} if one.get("name") else one
        for one in records_of(attribute.get("disparities") or [])
    ]
    if disparities:
        blocks.append(table(disparities, title="Differences between groups"))
    known = ("attribute", "name", "column", "columns", "groups", "reason", "basis", "disparities", "intersection")
    return [*blocks, *leftovers(attribute, (*known, "measurable"))]


def _group_columns(groups: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Headings of a table of groups: shares of what is favourable to the person, whichever value is the event."""
    named = dict(_GROUP_COLUMNS)
    others = dict.fromkeys(k for group in groups for k in merged(group) if k not in named)
    return [*_GROUP_COLUMNS, *((k, label(k)) for k in others if k != "reason"), ("reason", "Remark")]


def explanations(inputs: CardInputs) -> list[Block]:
    """Importance of the features, and reason codes."""
    e = inputs.explanations
    if e is None:
        return [Missing("explanations")]
    found = first(e, "importance", "importances", "global_importance")
    about = found if isinstance(found, Mapping) and "features" in found else {}
    importance = records_of(about.get("features") or found or [], "feature")
    blocks: list[Block] = sentences(e.get("reason"))
    if not importance:
        blocks.append(Missing("importance of the features"))
    else:
        if about.get("metric"):
            text = f"Mean loss of {label(str(about['metric']))} when the feature is shuffled"
            blocks.append(Paragraph(f"{text}, on {number(about.get('rows'))} held-out rows."))
        drawn = figures.importance_figure(importance)
        blocks += [drawn] if drawn else []
        blocks.append(table(importance, title="Importance", limit=15))
    codes = e.get("reason_codes")
    if isinstance(codes, Mapping):
        blocks += reason_code_blocks(codes, inputs.decisions or ())
    elif inputs.declaration.task is Task.BINARY and not any("reason_code" in k or k == "reasons" for k in e):
        blocks.append(Missing("reason codes"))
    known = ("reason", "importance", "importances", "global_importance")
    return [*blocks, *leftovers(e, known if not isinstance(codes, Mapping) else (*known, "reason_codes"))]
