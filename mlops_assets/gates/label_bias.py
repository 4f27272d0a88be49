"""Label-bias gate: how different the labels of protected groups are, before any model learns from them.

Rates are compared between the groups with the lowest and the highest one; a breach counts only where chance does not
explain it (two-sided test of two proportions, or Welch's test of two means with the normal approximation).
"""

import math
from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import listed, need, plain, ruling, show, worst
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import LabelBiasRule


def decide(evidence: Any, rule: LabelBiasRule) -> GateResult:
    """Decide.

    Args:
        evidence: `task`, `protected` (attributes) and `labels`, a list of `attribute`, `group`, `rows` and `favourable`
            (binary), `classes` (multiclass) or `mean` and `variance` (regression), as `datasets.screening.Screening`
            gives them.
        rule: the policy's.
    """
    measured = need("label_bias", plain("label_bias", evidence), "task", "protected", "labels")
    task = Task(measured["task"])
    regression = task is Task.REGRESSION
    limit = rule.max_standardised_difference if regression else rule.min_ratio
    words = (
        f"difference of group means at most {show(limit)} standard deviations"
        if regression
        else f"ratio of favourable-label rates at least {show(rule.min_ratio)}"
        if task is Task.BINARY
        else "differences of class shares, which the policy does not limit"
        if rule.max_difference is None
        else f"difference of class shares at most {show(rule.max_difference)}"
    )
    if task is Task.BINARY and rule.max_difference is not None:
        words += f", difference at most {show(rule.max_difference)}"
    words += f", significant at {show(rule.alpha)}, groups of {rule.min_group_size} rows or more"
    if not measured["protected"]:
        reason = "the declaration names no protected attribute, so label bias is not measured"
        return ruling("label_bias", "not_measurable", rule=words, reason=reason, measured=measured, absent=True)

    compare = {Task.BINARY: _rates, Task.REGRESSION: _means, Task.MULTICLASS: _shares}[task]
    rows = []
    for attribute in measured["protected"]:
        groups = [g for g in measured["labels"] if g["attribute"] == attribute]
        large = [g for g in groups if g["rows"] >= rule.min_group_size]
        small = [g["group"] for g in groups if g["rows"] < rule.min_group_size]
        if len(large) < 2:
            reason = f"{attribute}: fewer than two groups of {rule.min_group_size} rows"
            rows.append({"attribute": attribute, "outcome": "not_measurable", "value": None, "reason": reason})
        else:
            rows.append({"attribute": attribute, **compare(large, rule), "too_small": small})
    outcome = worst([row["outcome"] for row in rows])
    values = [row["value"] for row in rows if row["value"] is not None]
    value = None if not values else min(values) if task is Task.BINARY else max(values)
    told = [row["reason"] for row in rows if row["outcome"] == outcome]
    return ruling(
        "label_bias",
        outcome,
        rule=words,
        reason=listed(told),
        measured=measured,
        value=value,
        threshold=limit if task is not Task.MULTICLASS else rule.max_difference,
        attributes=rows,
    )


def two_sided(z: float) -> float:
    """p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def two_proportions(ones: int, rows: int, other_ones: int, other_rows: int) -> float:
    """p-value that two shares are equal, with the pooled standard error."""
    pooled = (ones + other_ones) / (rows + other_rows)
    error = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / other_rows))
    return 1.0 if error == 0 else two_sided((ones / rows - other_ones / other_rows) / error)


def _rates(groups: list[dict[str, Any]], rule: LabelBiasRule) -> dict[str, Any]:
    ordered = sorted(groups, key=lambda g: (g["favourable"] / g["rows"], g["group"]))
    low, high = ordered[0], ordered[-1]
    rate, top = low["favourable"] / low["rows"], high["favourable"] / high["rows"]
    ratio = rate / top if top > 0 else 1.0
    p_value = two_proportions(low["favourable"], low["rows"], high["favourable"], high["rows"])
    breach = ratio < rule.min_ratio or (rule.max_difference is not None and top - rate > rule.max_difference)
    reason = (
        f"favourable labels: {low['group']} {rate:.1%}, {high['group']} {top:.1%}, ratio {ratio:.3f} (p {p_value:.2g})"
    )
    return {**_verdict(breach, p_value, rule, reason), "value": ratio, "difference": top - rate}


def _means(groups: list[dict[str, Any]], rule: LabelBiasRule) -> dict[str, Any]:
    ordered = sorted(groups, key=lambda g: (g["mean"], g["group"]))
    low, high = ordered[0], ordered[-1]
    total = sum(g["rows"] for g in groups)
    centre = sum(g["rows"] * g["mean"] for g in groups) / total
    variance = sum(g["rows"] * (g["variance"] + (g["mean"] - centre) ** 2) for g in groups) / total
    gap = high["mean"] - low["mean"]
    value = gap / math.sqrt(variance) if variance > 0 else 0.0
    error = math.sqrt(low["variance"] / low["rows"] + high["variance"] / high["rows"])
    p_value = two_sided(gap / error) if error > 0 else (0.0 if gap > 0 else 1.0)
    reason = (
        f"mean target: {low['group']} {low['mean']:.4g}, {high['group']} {high['mean']:.4g}, "
        f"{value:.2f} standard deviations apart (p {p_value:.2g})"
    )
    return {**_verdict(value > rule.max_standardised_difference, p_value, rule, reason), "value": value}


def _shares(groups: list[dict[str, Any]], rule: LabelBiasRule) -> dict[str, Any]:
    labels = sorted({label for g in groups for label in g["classes"]})
    gaps = []
    for label in labels:
        ordered = sorted(groups, key=lambda g, k=label: (g["classes"].get(k, 0) / g["rows"], g["group"]))
        low, high = ordered[0], ordered[-1]
        ones, other = high["classes"].get(label, 0), low["classes"].get(label, 0)
        gaps.append((ones / high["rows"] - other / low["rows"], label, low, high, ones, other))
    gap, label, low, high, ones, other = max(gaps, key=lambda found: found[0])
    p_value = two_proportions(ones, high["rows"], other, low["rows"])
    breach = rule.max_difference is not None and gap > rule.max_difference
    reason = f"class {label!r}: {low['group']} and {high['group']} differ by {gap:.3f} (p {p_value:.2g})"
    return {**_verdict(breach, p_value, rule, reason), "value": gap}


def _verdict(breach: bool, p_value: float, rule: LabelBiasRule, reason: str) -> dict[str, Any]:
    if not breach:
        return {"outcome": "passed", "p_value": p_value, "reason": reason}
    if p_value < rule.alpha:
        return {"outcome": "failed", "p_value": p_value, "reason": reason}
    return {"outcome": "not_measurable", "p_value": p_value, "reason": f"{reason}: too few rows to tell from chance"}
