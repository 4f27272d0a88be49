"""Reason-codes gate: each adverse decision comes with few, scored and faithful reasons."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, RuleOnDeclared, listed, show
from mlops_assets.strictness import HigherFloat, LowerInt


class ReasonCodesRule(RuleOnDeclared):
    """Each adverse decision comes with reasons that are true."""

    min_coverage: HigherFloat = Field(default=1.0, ge=0, le=1)
    """Share of adverse decisions with at least one reason."""
    max_codes: LowerInt = Field(default=4, ge=1)
    """Most reasons given for one decision."""
    min_faithful: HigherFloat = Field(default=0.8, ge=0, le=1)
    """Share of given reasons that hold when the factor takes the values of similar people instead."""
    min_contribution: HigherFloat = Field(default=0.005, ge=0)
    """Contribution to the score below which no further reason is given after the first."""


@dataclass(frozen=True)
class ReasonCodesEvidence(Evidence):
    """Reasons given for a sample of adverse decisions (`evaluation.explanations.ReasonCodeReport`).

    Attributes:
        applies: false for tasks without adverse decisions.
        adverse: adverse decisions looked at.
        explained: of these, those with at least one reason.
        most_codes: most reasons of one decision.
        codes: reasons given in all.
        faithful: reasons that hold when the factor takes the values of similar people instead.
        unscored: factors named as reasons that are no inputs of the model.
        least_contribution: smallest contribution of a reason after the first; None where none was given.
    """

    applies: bool
    adverse: int
    explained: int
    most_codes: int
    codes: int
    faithful: int
    unscored: tuple[str, ...]
    least_contribution: float | None = None


def decide(evidence: ReasonCodesEvidence, rule: ReasonCodesRule) -> Finding:
    """Fail on decisions without a reason, too many reasons, reasons that are no inputs, or too few faithful ones."""
    adverse, codes = evidence.adverse, evidence.codes
    faithful = evidence.faithful / codes if codes else None

    def finding(outcome: GateOutcome, reason: str, absent: bool = False) -> Finding:
        text = (
            f"{rule.min_coverage:.0%} of adverse decisions explained, by at most {rule.max_codes} scored factors, "
            f"{rule.min_faithful:.0%} of them faithful, each after the first contributing {show(rule.min_contribution)} or more"
        )
        return Finding(outcome, text, reason, value=faithful, threshold=rule.min_faithful, absent=absent)

    if not evidence.applies:
        return finding("not_measurable", "the task has no adverse decisions", absent=True)
    if not adverse:
        return finding("not_measurable", "no adverse decision occurs among the rows looked at")
    faults: list[str] = []
    if evidence.unscored:
        faults.append(f"named although the model does not use them: {listed(evidence.unscored)}")
    coverage = evidence.explained / adverse
    if coverage < rule.min_coverage:
        faults.append(f"{coverage:.1%} of {adverse} adverse decisions are explained")
    if evidence.most_codes > rule.max_codes:
        faults.append(f"one decision has {evidence.most_codes} reasons, more than {rule.max_codes}")
    smallest = evidence.least_contribution
    if smallest is not None and smallest < rule.min_contribution:
        faults.append(f"a further reason contributes {show(smallest)}, less than {show(rule.min_contribution)}")
    if faithful is not None and faithful < rule.min_faithful:
        faults.append(f"{show(faithful)} of {codes} reasons are faithful")
    if faults:
        return finding("failed", "; ".join(faults))
    if faithful is None:
        return finding("not_measurable", "no reason was given, so none can be tested")
    return finding(
        "passed", f"{coverage:.0%} of {adverse} adverse decisions are explained; {faithful:.1%} of reasons are faithful"
    )


GATE = Gate(
    "reason_codes",
    "Does each adverse decision have true reasons?",
    ReasonCodesEvidence,
    ReasonCodesRule,
    decide,
    stage="explanations",
)
