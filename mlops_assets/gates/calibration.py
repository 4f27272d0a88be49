"""Calibration gate: predictions are right on average, and by grade."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed, show
from mlops_assets.strictness import HigherInt, LowerFloat, Stricter


class CalibrationRule(GateRule):
    """Predicted probabilities (or values) are right on average and by grade."""

    max_ece: LowerFloat = Field(default=0.1, ge=0, le=1)
    """Largest expected calibration error, net of what chance adds in grades of finite size (classification)."""
    max_bias: LowerFloat = Field(default=0.1, ge=0)
    """Largest absolute difference of mean prediction and mean outcome: in probability (classification) or in standard
    deviations of the target (regression)."""
    slope: Annotated[tuple[float, float] | None, Stricter("fixed")] = None
    """Interval within which the calibration slope must lie; nothing: reported only."""
    min_rows: HigherInt = Field(default=200, ge=1)
    """Fewer rows are not measured."""


@dataclass(frozen=True)
class ClassCalibration(Evidence):
    """Calibration of one class of several.

    Attributes:
        bias: mean prediction minus mean share of the class.
        ece_net: expected calibration error net of chance.
    """

    bias: float | None = None
    ece_net: float | None = None


@dataclass(frozen=True)
class CalibrationEvidence(Evidence):
    """Calibration on held-out rows (`evaluation.calibration.Calibration`).

    Attributes:
        task: of the model.
        n: rows.
        bias: mean prediction minus mean outcome.
        bias_standardised: the same in standard deviations of the outcome.
        ece_net: expected calibration error net of chance.
        slope: of the recalibration; 1 is right.
        classes: by class (multiclass).
        ece_low, ece_high: ends of the interval of `ece_net`.
    """

    task: Task
    n: int
    bias: float | None
    bias_standardised: float | None
    ece_net: float | None
    slope: float | None
    classes: dict[str, ClassCalibration]
    ece_low: float | None = None
    ece_high: float | None = None


def decide(evidence: CalibrationEvidence, rule: CalibrationRule) -> Finding:
    """Fail on a bias, an error or a slope beyond its limit.

    Classification limits the bias in probability, regression in standard deviations; of several classes the worst
    counts.
    """
    regression = evidence.task is Task.REGRESSION
    bias, ece = _worst(evidence)

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        value, threshold = (abs(bias) if bias is not None else None, rule.max_bias)
        if not regression:
            value, threshold = ece, rule.max_ece
        return Finding(outcome, _rule_text(rule, regression), reason, value=value, threshold=threshold)

    numbers = {"bias": bias}
    if not regression:
        numbers["expected calibration error"] = ece
    if rule.slope is not None:
        numbers["slope"] = evidence.slope
    unknown = [name for name, number in numbers.items() if number is None]
    if evidence.n < rule.min_rows or unknown:
        missing = f"no {listed(unknown)}" if unknown else f"fewer than {rule.min_rows}"
        return finding("not_measurable", f"calibration could not be measured on {evidence.n} rows: {missing}")
    faults: list[str] = []
    if bias is not None and abs(bias) > rule.max_bias:
        faults.append(f"predictions are off by {bias:+.3f} on average")
    if not regression and ece is not None and ece > rule.max_ece:
        faults.append(f"the expected calibration error net of chance is {ece:.3f}{_interval(evidence)}")
    if rule.slope is not None and evidence.slope is not None and not rule.slope[0] <= evidence.slope <= rule.slope[1]:
        faults.append(f"the slope is {evidence.slope:.2f}")
    if faults:
        return finding("failed", "; ".join(faults))
    error = "" if regression else f", expected calibration error net of chance {ece:.3f}{_interval(evidence)}"
    return finding("passed", f"bias {bias:+.3f}{error}")


def _worst(evidence: CalibrationEvidence) -> tuple[float | None, float | None]:
    """Bias and error that count: of the worst class where there are classes, else of all rows."""
    if evidence.task is Task.REGRESSION:
        return evidence.bias_standardised, evidence.ece_net
    if evidence.task is Task.MULTICLASS and evidence.classes:
        biases = [c.bias for c in evidence.classes.values() if c.bias is not None]
        errors = [c.ece_net for c in evidence.classes.values() if c.ece_net is not None]
        return max(biases, key=abs, default=None), max(errors, default=None)
    return evidence.bias, evidence.ece_net


def _interval(evidence: CalibrationEvidence) -> str:
    if evidence.classes or evidence.ece_low is None or evidence.ece_high is None:
        return ""
    return f" (95 % interval {evidence.ece_low:.3f} to {evidence.ece_high:.3f})"


def _rule_text(rule: CalibrationRule, regression: bool) -> str:
    text = f"bias at most {show(rule.max_bias)} ({'standard deviations' if regression else 'probability'})"
    if not regression:
        text += f", expected calibration error net of chance at most {show(rule.max_ece)}"
    if rule.slope is not None:
        text += f", slope between {show(rule.slope[0])} and {show(rule.slope[1])}"
    return text


GATE = Gate(
    "calibration",
    "Are predictions right on average and by grade?",
    CalibrationEvidence,
    CalibrationRule,
    decide,
    stage="evaluation",
)
