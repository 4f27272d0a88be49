"""Reason-codes gate: each adverse decision comes with few, scored and true reasons."""

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
    min_share: HigherFloat = Field(default=0.05, ge=0, le=1)
    """Share of all that counted against the person below which no further reason is given after the first."""
    min_faithful: HigherFloat = Field(default=0.65, ge=0, le=1)
    """Share of reasons whose removal lowers the score, and by more than the removal of another factor drawn at random."""
    min_shapley: HigherFloat = Field(default=0.65, ge=0, le=1)
    """Share of reasons that count against the person by their Shapley value too."""
    min_stable: HigherFloat = Field(default=0.6, ge=0, le=1)
    """Share of decisions whose first reason stays the first when other reference rows are drawn."""
    min_supported: HigherFloat = Field(default=0.3, ge=0, le=1)
    """Share of reasons whose factor helps to tell the outcomes of held-out rows."""


@dataclass(frozen=True)
class ReasonCodesEvidence(Evidence):
    """Reasons given for a sample of adverse decisions (`evaluation.reasons.examination.ReasonCodeReport`).

    Attributes:
        applies: false for tasks without adverse decisions.
        adverse: adverse decisions looked at.
        explained: of these, those with at least one reason.
        most_codes: most reasons of one decision.
        codes: reasons given in all.
        faithful: reasons whose removal lowers the score by more than that of another factor.
        unscored: factors named as reasons that are no inputs of the model.
        least_share: smallest share of all that counted against a person of a reason after the first; None where none was given.
        shapley_agreement: share of reasons that count against the person by their Shapley value too; None: not compared.
        stable_first: share of first reasons that stay under resampled references; None: not tested.
        tested: reasons whose factor was tested on outcomes; None or 0: not tested.
        supported: of these, those whose factor helps to tell outcomes.
    """

    applies: bool
    adverse: int
    explained: int
    most_codes: int
    codes: int
    faithful: int
    unscored: tuple[str, ...]
    least_share: float | None = None
    shapley_agreement: float | None = None
    stable_first: float | None = None
    tested: int | None = None
    supported: int = 0


def decide(evidence: ReasonCodesEvidence, rule: ReasonCodesRule) -> Finding:
    """Fail on decisions without a reason, too many reasons, reasons that are no inputs, and reasons that a test contradicts."""
    adverse, codes = evidence.adverse, evidence.codes
    faithful = evidence.faithful / codes if codes else None

    def finding(outcome: GateOutcome, reason: str, absent: bool = False) -> Finding:
        text = (
            f"{rule.min_coverage:.0%} of adverse decisions explained, by at most {rule.max_codes} scored factors, each after "
            f"the first with {show(rule.min_share)} of the contributions or more; {rule.min_faithful:.0%} of reasons "
            f"faithful, {rule.min_shapley:.0%} with a Shapley value against the person, {rule.min_supported:.0%} supported "
            f"by outcomes; {rule.min_stable:.0%} of first reasons stable"
        )
        return Finding(outcome, text, reason, value=faithful, threshold=rule.min_faithful, absent=absent)

    if not evidence.applies:
        return finding("not_measurable", "the task has no adverse decisions", absent=True)
    if not adverse:
        return finding("not_measurable", "no adverse decision occurs among the rows looked at")
    coverage = evidence.explained / adverse
    tests = _tests(evidence, rule, faithful)
    faults = [
        *_faults_of_choice(evidence, rule, coverage),
        *(text for value, least, text in tests if below(value, least)),
    ]
    if faults:
        return finding("failed", "; ".join(faults))
    if faithful is None:
        return finding("not_measurable", "no reason was given, so none can be tested")
    untested = [text for value, least, text in tests if value is None and least > 0]
    if untested:
        return finding("not_measurable", "; ".join(untested))
    shown = "; ".join(text for value, _, text in tests if value is not None)
    return finding("passed", f"{coverage:.0%} of {adverse} adverse decisions are explained; {shown}")


def below(value: float | None, least: float) -> bool:
    """Whether something that was measured is below its limit."""
    return value is not None and value < least


def _faults_of_choice(evidence: ReasonCodesEvidence, rule: ReasonCodesRule, coverage: float) -> list[str]:
    """What is wrong with the reasons before any test of their truth."""
    faults: list[str] = []
    if evidence.unscored:
        faults.append(f"named although the model does not use them: {listed(evidence.unscored)}")
    if coverage < rule.min_coverage:
        faults.append(f"{coverage:.1%} of {evidence.adverse} adverse decisions are explained")
    if evidence.most_codes > rule.max_codes:
        faults.append(f"one decision has {evidence.most_codes} reasons, more than {rule.max_codes}")
    smallest = evidence.least_share
    if smallest is not None and smallest < rule.min_share:
        faults.append(f"a further reason is {smallest:.1%} of all that counted, less than {rule.min_share:.1%}")
    return faults


def _tests(
    evidence: ReasonCodesEvidence, rule: ReasonCodesRule, faithful: float | None
) -> list[tuple[float | None, float, str]]:
    """Result, limit and sentence of each test of the reasons' truth; None where it could not be made."""
    supported = evidence.supported / evidence.tested if evidence.tested else None

    def text(value: float | None, found: str, untested: str) -> str:
        return f"{value:.1%} of {found}" if value is not None else untested

    return [
        (faithful, rule.min_faithful, text(faithful, f"{evidence.codes} reasons are faithful", "")),
        (
            evidence.shapley_agreement,
            rule.min_shapley,
            text(
                evidence.shapley_agreement,
                "compared reasons have a Shapley value against the person",
                "reasons were not compared with Shapley values; run the stage explanations again",
            ),
        ),
        (
            evidence.stable_first,
            rule.min_stable,
            text(
                evidence.stable_first,
                "first reasons stay when the reference is resampled",
                "stability of the reasons was not tested; run the stage explanations again",
            ),
        ),
        (
            supported,
            rule.min_supported,
            text(
                supported,
                "reasons name a factor that helps to tell outcomes",
                "too few outcomes of one kind to test whether the factors help to tell them",
            ),
        ),
    ]


GATE = Gate(
    "reason_codes",
    "Does each adverse decision have true reasons?",
    ReasonCodesEvidence,
    ReasonCodesRule,
    decide,
    stage="explanations",
)
