"""Performance gate: above the floor, and against the champion on the same rows.

Floors are held against the lower end of the confidence interval. They are on scales that mean the same on any data: the
area under the ROC curve, and skill, the share of the trivial prediction's loss that the model removes.
"""

from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import need, plain, ruling, show, worst
from mlops_assets.governance.decisions import GateOutcome, GateResult
from mlops_assets.policy.gate_rules import PerformanceRule

FLOORS = {
    Task.BINARY: (("roc_auc", "min_auc"),),
    Task.MULTICLASS: (("macro_auc", "min_auc"), ("log_loss_skill", "min_skill")),
    Task.REGRESSION: (("r2", "min_skill"),),
}
"""Which metric a task holds against which field of the rule."""


def decide(evidence: Any, rule: PerformanceRule, comparison: Any = None) -> GateResult:
    """Decide.

    Args:
        evidence: `task`, `n` and `metrics` (name to `value`, `low`, `high`, `note`), as
            `evaluation.performance.Performance` gives them; may hold `comparison` itself.
        rule: the policy's.
        comparison: `metric`, `difference`, `low`, `high` of the paired difference, positive in the challenger's favour,
            and `reason`, as `evaluation.comparison.Comparison` gives them; None for a first champion.
    """
    found = need("performance", given := plain("performance", evidence), "task", "n", "metrics")
    task = Task(found["task"])
    used = [name for name, _ in FLOORS[task]]
    kept = {
        name: {k: metric.get(k) for k in ("value", "low", "high", "note")}
        for name, metric in found["metrics"].items()
        if name in used
    }
    need("performance", kept, *used)
    compared = comparison if comparison is not None else given.get("comparison")
    pair = None
    if compared:
        pair = need("performance", plain("performance", compared), "metric", "difference", "low", "high")
    measured = {"task": task.value, "n": found["n"], "metrics": kept, "comparison": pair}

    floors = [(name, getattr(rule, field)) for name, field in FLOORS[task] if getattr(rule, field) is not None]
    words = ", ".join(f"{name}, lower bound, at least {show(floor)}" for name, floor in floors) or "no floor"
    if rule.against_champion != "ignore":
        words += (
            f"; against the champion {rule.against_champion.replace('_', ' ')} (margin {show(rule.champion_margin)})"
        )
    main, floor = floors[0] if floors else (used[0], None)
    outcomes: list[GateOutcome] = []
    reasons: list[str] = []
    for name, least in floors:
        metric = kept[name]
        if metric["low"] is None:
            outcomes.append("not_measurable")
            reasons.append(f"{name} could not be measured on {found['n']} rows ({metric['note'] or 'no interval'})")
        elif metric["low"] < least:
            outcomes.append("failed")
            reasons.append(f"{name} {show(metric['value'])}, lower bound {show(metric['low'])}, is below {show(least)}")
        else:
            outcomes.append("passed")
            reasons.append(f"{name} {show(metric['value'])}, lower bound {show(metric['low'])}")
    standing = "no champion to compare with"
    if pair is not None and rule.against_champion != "ignore":
        outcome, standing = _against(pair, rule)
        outcomes.append(outcome)
    elif pair is not None:
        standing = "the policy does not compare with the champion"
    return ruling(
        "performance",
        worst(outcomes) if outcomes else "passed",
        rule=words,
        reason="; ".join([*reasons, standing]),
        measured=measured,
        value=kept[main]["low"],
        threshold=floor,
        verdict=verdict(pair, rule.champion_margin) if pair is not None else "no champion",
    )


def verdict(pair: dict[str, Any], margin: float) -> str:
    """`better`, `no_worse`, `worse` or `undecidable`, from the interval of the difference and the margin.

    Better: the whole interval is above 0. No worse: it does not reach below `-margin`. Worse: it lies below 0 and
    reaches below `-margin`. Undecidable: it reaches below `-margin`, and 0 or more is credible as well.
    """
    low, high = pair["low"], pair["high"]
    if low is None or high is None:
        return "undecidable"
    if low > 0:
        return "better"
    if low >= -margin:
        return "no_worse"
    return "worse" if high < 0 else "undecidable"


def _against(pair: dict[str, Any], rule: PerformanceRule) -> tuple[GateOutcome, str]:
    said = verdict(pair, rule.champion_margin)
    numbers = f"{pair['metric']} {show(pair['difference'])} ({show(pair['low'])} to {show(pair['high'])})"
    text = f"against the champion {said.replace('_', ' ')}: {numbers}"
    if said == "worse":
        return "failed", text
    if said == "undecidable":
        return "not_measurable", f"{text}; the rows are too few to tell"
    if rule.against_champion == "better" and said != "better":
        return "failed", f"{text}; policy asks for better"
    return "passed", text
