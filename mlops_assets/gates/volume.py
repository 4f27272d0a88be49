"""Volume gate: enough rows, and enough of each outcome, to learn from."""

from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import need, plain, ruling
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import VolumeRule


def decide(evidence: Any, rule: VolumeRule) -> GateResult:
    """Decide.

    Args:
        evidence: `task`; `rows` that train; `class_rows` (rows by class, empty for regression); `missing_target` (rows
            delivered without a target); `delivered` (rows delivered). Without the last two, missing targets are not
            looked at.
        rule: the policy's.
    """
    found = {"missing_target": 0, "delivered": None, **plain("volume", evidence)}
    measured = need("volume", found, "task", "rows", "class_rows", "missing_target", "delivered")
    rows, classes = int(measured["rows"]), measured["class_rows"]
    words = (
        f"at least {rule.min_rows} rows, {rule.min_class_rows} of the rarest class, "
        f"at most {rule.max_missing_target_share:.0%} without a target"
    )

    def answer(outcome: Any, reason: str, value: float, threshold: float) -> GateResult:
        return ruling("volume", outcome, rule=words, reason=reason, measured=measured, value=value, threshold=threshold)

    if rows < rule.min_rows:
        return answer("failed", f"{rows} rows are fewer than {rule.min_rows}", rows, rule.min_rows)
    if measured["delivered"]:
        share = measured["missing_target"] / measured["delivered"]
        if share > rule.max_missing_target_share:
            reason = f"{share:.2%} of {measured['delivered']} rows have no target"
            return answer("failed", reason, share, rule.max_missing_target_share)
    if measured["task"] != Task.REGRESSION.value:
        if len(classes) < 2:
            seen = ", ".join(classes) or "none"
            return answer(
                "not_measurable", f"only one outcome occurs ({seen}): nothing can be learned", len(classes), 2
            )
        rarest = min(classes, key=lambda name: (classes[name], name))
        if classes[rarest] < rule.min_class_rows:
            reason = f"class {rarest!r} has {classes[rarest]} rows, fewer than {rule.min_class_rows}"
            return answer("failed", reason, classes[rarest], rule.min_class_rows)
    return answer("passed", f"{rows} rows" + (f" in {len(classes)} classes" if classes else ""), rows, rule.min_rows)
