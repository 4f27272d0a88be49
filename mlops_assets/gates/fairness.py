"""Fairness gate: decisions over the groups of protected attributes.

A limit is breached where the number is beyond it and chance does not explain the difference; beyond it without
significance, the groups are too small to tell, and that is no pass.
"""

from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import listed, need, plain, ruling, show, worst
from mlops_assets.governance.decisions import GateOutcome, GateResult
from mlops_assets.policy.gate_rules import FairnessRule

LIMITS = {
    Task.BINARY: (
        ("demographic_parity_ratio", "min_ratio"),
        ("demographic_parity_difference", "max_difference"),
        ("equalized_odds_difference", "max_equalized_odds"),
        ("equal_opportunity_difference", "max_equal_opportunity"),
    ),
    Task.MULTICLASS: (("accuracy_difference", "max_accuracy_difference"),),
    Task.REGRESSION: (("mean_error_difference", "max_error_difference"),),
}
"""Which disparity a task holds against which field of the rule; the first is the one the gate is named by."""

KEPT = ("value", "low", "high", "p_value", "lowest", "highest", "reason")


def decide(evidence: Any, rule: FairnessRule) -> GateResult:
    """Decide.

    Args:
        evidence: `task` and `attributes`, a list of `attribute`, `intersection`, `measurable`, `reason`, `groups`
            (each with `group`, `n`, `selection_rate`, `measurable`) and `disparities` (name to `value`, `low`,
            `high`, `p_value`, `lowest`, `highest`, `reason`), as `evaluation.fairness.Fairness` gives them; measured
            with the rule's `min_group_size` and `min_group_positives`. Intersections are gated only where the policy
            says so.
        rule: the policy's.
    """
    given = need("fairness", plain("fairness", evidence), "task", "attributes")
    task = Task(given["task"])
    names = [name for name, _ in LIMITS[task]]
    measured = {"task": task.value, "attributes": [_kept(a, names) for a in given["attributes"]]}
    limits = [(name, field, getattr(rule, field)) for name, field in LIMITS[task] if getattr(rule, field) is not None]
    words = ", ".join(f"{_text(name)} at {_side(field)} {show(limit)}" for name, field, limit in limits) or "no limit"
    words += f", significant at {show(rule.alpha)}, groups of {rule.min_group_size} rows or more"
    plain_attributes = [a for a in measured["attributes"] if not a["intersection"]]
    if not plain_attributes:
        reason = "the declaration names no protected attribute, so fairness is not measured"
        return ruling("fairness", "not_measurable", rule=words, reason=reason, measured=measured, absent=True)

    looked_at = measured["attributes"] if rule.include_intersections else plain_attributes
    findings = [_judge(a, name, field, limit, rule) for a in looked_at for name, field, limit in limits]
    outcome = worst([f["outcome"] for f in findings]) if limits else "passed"
    main = limits[0] if limits else None
    values = [f["value"] for f in findings if main and f["metric"] == main[0] and f["value"] is not None]
    value = None if not values or main is None else min(values) if main[1].startswith("min_") else max(values)
    told = [f["reason"] for f in findings if f["outcome"] == outcome]
    return ruling(
        "fairness",
        outcome,
        rule=words,
        reason=listed(told, 4) if told else "the policy sets no limit",
        measured=measured,
        value=value,
        threshold=main[2] if main else None,
        findings=findings,
    )


def _kept(attribute: dict[str, Any], names: list[str]) -> dict[str, Any]:
    disparities = attribute.get("disparities") or {}
    return {
        "attribute": attribute["attribute"],
        "intersection": bool(attribute.get("intersection")),
        "measurable": attribute["measurable"],
        "reason": attribute["reason"],
        "groups": [
            {k: g.get(k) for k in ("group", "n", "selection_rate", "mean_error", "accuracy", "measurable")}
            for g in attribute["groups"]
        ],
        "disparities": {n: {k: disparities[n].get(k) for k in KEPT} for n in names if n in disparities},
    }


def _judge(attribute: dict[str, Any], name: str, field: str, limit: float, rule: FairnessRule) -> dict[str, Any]:
    found = attribute["disparities"].get(name)
    value = found["value"] if found else None

    def answer(outcome: GateOutcome, reason: str) -> dict[str, Any]:
        return {
            "attribute": attribute["attribute"],
            "metric": name,
            "value": value,
            "p_value": found["p_value"] if found else None,
            "outcome": outcome,
            "reason": f"{attribute['attribute']}: {reason}",
        }

    # Groups that the policy takes for too small must not carry a pass, whatever the evidence was measured with.
    large = [g for g in attribute["groups"] if g["n"] >= rule.min_group_size and g["measurable"]]
    if len(large) < 2:
        return answer("not_measurable", f"fewer than two groups of {rule.min_group_size} rows")
    if found is None or value is None:
        return answer("not_measurable", (found["reason"] if found else attribute["reason"]) or f"no {_text(name)}")
    between = f"{_text(name)} {value:.3f} ({found['lowest']} against {found['highest']}"
    p_value = found["p_value"]
    between += f", p {p_value:.2g})" if p_value is not None else ")"
    beyond = value < limit if field.startswith("min_") else value > limit
    if not beyond:
        return answer("passed", between)
    if p_value is None or p_value >= rule.alpha:
        return answer("not_measurable", f"{between}: beyond {show(limit)}, but the groups are too small to tell")
    return answer("failed", f"{between}, expected at {_side(field)} {show(limit)}")


def _text(name: str) -> str:
    return name.replace("_", " ")


def _side(field: str) -> str:
    return "least" if field.startswith("min_") else "most"
