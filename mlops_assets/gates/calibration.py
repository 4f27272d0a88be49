"""Calibration gate: predictions are right on average, and by grade."""

from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import CalibrationRule


def decide(evidence: Any, rule: CalibrationRule) -> GateResult:
    """Decide.

    Args:
        evidence: `task`, `n`, `bias` (mean prediction minus mean outcome), `bias_standardised`, `ece`, `slope`, and
            `classes` (multiclass: each with `bias` and `ece`), as `evaluation.calibration.Calibration` gives them.
        rule: the policy's. Classification holds the bias in probability, regression in standard deviations; of several
            classes the worst counts.
    """
    found = plain("calibration", evidence)
    measured = need("calibration", found, "task", "n", "bias", "bias_standardised", "ece", "slope", "classes")
    task = Task(measured["task"])
    regression = task is Task.REGRESSION
    classes = measured["classes"] or {}
    bias: Any = measured["bias_standardised"] if regression else measured["bias"]
    ece: Any = measured["ece"]
    if task is Task.MULTICLASS and classes:
        bias = max((c["bias"] for c in classes.values() if c.get("bias") is not None), key=abs, default=None)
        ece = max((c["ece"] for c in classes.values() if c.get("ece") is not None), default=None)
    unit = "standard deviations" if regression else "probability"
    words = f"bias at most {show(rule.max_bias)} ({unit})"
    if not regression:
        words += f", expected calibration error at most {show(rule.max_ece)}"
    if rule.slope is not None:
        words += f", slope between {show(rule.slope[0])} and {show(rule.slope[1])}"
    value, threshold = (abs(bias) if bias is not None else None, rule.max_bias) if regression else (ece, rule.max_ece)

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "calibration", outcome, rule=words, reason=reason, measured=measured, value=value, threshold=threshold
        )

    slope: Any = measured["slope"]
    needed = {"bias": bias} if regression else {"bias": bias, "expected calibration error": ece}
    if rule.slope is not None:
        needed["slope"] = slope
    unknown = [name for name, number in needed.items() if number is None]
    if measured["n"] < rule.min_rows or unknown:
        missing = f": no {listed(unknown)}" if unknown else f", fewer than {rule.min_rows}"
        return answer("not_measurable", f"calibration could not be measured on {measured['n']} rows{missing}")
    faults = []
    if _beyond(bias, -rule.max_bias, rule.max_bias):
        faults.append(f"predictions are off by {bias:+.3f} on average")
    if not regression and _beyond(ece, 0.0, rule.max_ece):
        faults.append(f"the expected calibration error is {ece:.3f}")
    if rule.slope is not None and _beyond(slope, *rule.slope):
        faults.append(f"the slope is {slope:.2f}")
    if faults:
        return answer("failed", "; ".join(faults))
    error = "" if regression else f", expected calibration error {ece:.3f}"
    return answer("passed", f"bias {bias:+.3f}{error}")


def _beyond(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high
