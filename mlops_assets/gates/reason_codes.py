"""Reason-codes gate: each adverse decision comes with few, scored and faithful reasons."""

from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import ReasonCodesRule


def decide(evidence: Any, rule: ReasonCodesRule) -> GateResult:
    """Decide.

    Args:
        evidence: `applies` (false for tasks without adverse decisions), `adverse` decisions looked at, `explained`
            (with at least one reason), `most_codes` (most reasons of one decision), `codes` (reasons given in all),
            `faithful` (reasons whose removal moves the score in the favourable direction) and `unscored` (factors
            named as reasons that are no inputs of the model).
        rule: the policy's.
    """
    names = ("applies", "adverse", "explained", "most_codes", "codes", "faithful", "unscored")
    measured = need("reason_codes", plain("reason_codes", evidence), *names)
    words = (
        f"{rule.min_coverage:.0%} of adverse decisions explained, by at most {rule.max_codes} scored factors, "
        f"{rule.min_faithful:.0%} of them faithful"
    )
    adverse, codes = measured["adverse"], measured["codes"]
    value = measured["faithful"] / codes if codes else None

    def answer(outcome: Any, reason: str, absent: bool = False) -> GateResult:
        return ruling(
            "reason_codes",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=value,
            threshold=rule.min_faithful,
            absent=absent,
        )

    if not measured["applies"]:
        return answer("not_measurable", "the task has no adverse decisions", absent=True)
    if not adverse:
        return answer("not_measurable", "no adverse decision occurs among the rows looked at")
    faults = []
    if measured["unscored"]:
        faults.append(f"named although the model does not use them: {listed(measured['unscored'])}")
    coverage = measured["explained"] / adverse
    if coverage < rule.min_coverage:
        faults.append(f"{coverage:.1%} of {adverse} adverse decisions are explained")
    if measured["most_codes"] > rule.max_codes:
        faults.append(f"one decision has {measured['most_codes']} reasons, more than {rule.max_codes}")
    if value is not None and value < rule.min_faithful:
        faults.append(f"{show(value)} of {codes} reasons are faithful")
    if faults:
        return answer("failed", "; ".join(faults))
    if value is None:
        return answer("not_measurable", "no reason was given, so none can be judged")
    return answer(
        "passed", f"{coverage:.0%} of {adverse} adverse decisions are explained; {value:.1%} of reasons are faithful"
    )
