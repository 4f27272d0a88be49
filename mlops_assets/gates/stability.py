"""Stability gate: training gives about the same model whatever the seed and the resample."""

import math
from typing import Any

from mlops_assets.gates.ruling import need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.governance.gate_rules import StabilityRule


def decide(evidence: Any, rule: StabilityRule) -> GateResult:
    """Decide.

    Args:
        evidence: `metric` and `values`, its value for each seed or resample.
        rule: the policy's. The spread is the standard deviation with n - 1.
    """
    measured = need("stability", plain("stability", evidence), "metric", "values")
    values = [v for v in measured["values"] if v is not None]
    words = (
        f"standard deviation of {measured['metric']} over {rule.min_repeats} repeats or more "
        f"at most {show(rule.max_spread)}"
    )
    spread = None
    if len(values) >= max(rule.min_repeats, 2):
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "stability", outcome, rule=words, reason=reason, measured=measured, value=spread, threshold=rule.max_spread
        )

    if spread is None:
        return answer("not_measurable", f"{len(values)} repeats are fewer than {rule.min_repeats}")
    text = f"{measured['metric']} spreads by {show(spread)} over {len(values)} repeats"
    return answer("failed" if spread > rule.max_spread else "passed", text)
