"""Leakage gate: no feature may know the answer, or something that came after it."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed, show
from mlops_assets.strictness import LowerFloat, Stricter


class LeakageRule(GateRule):
    """No single feature may predict too well, or be known only after the fact."""

    max_auc: LowerFloat = Field(default=0.9, gt=0.5, le=1)
    """Largest out-of-fold AUC of one feature alone (binary; macro one-against-rest for multiclass)."""
    max_r2: LowerFloat = Field(default=0.95, gt=0, le=1)
    """Largest out-of-fold share of variance explained by one feature alone (regression; raw values or ranks)."""
    max_share_after_event: LowerFloat = Field(default=0.0, ge=0, le=1)
    """Largest share of rows in which a date feature lies after the event time."""
    forbidden_columns: Annotated[tuple[str, ...], Stricter("more")] = ()
    """Columns, by name or pattern such as `recovered_*`, known only after the fact and never an input."""


@dataclass(frozen=True)
class ScreenedFeature(Evidence):
    """One feature alone; a number is None where it was not measured.

    Attributes:
        feature: name.
        auc: out-of-fold AUC for the target (classification).
        r2: out-of-fold share of variance explained (regression).
        after_event: share of rows in which it lies after the event time (dates).
    """

    feature: str
    auc: float | None = None
    r2: float | None = None
    after_event: float | None = None


@dataclass(frozen=True)
class LeakageEvidence(Evidence):
    """Every feature screened alone (`datasets.screening.Screening`).

    Attributes:
        task: of the model.
        features: each screened by itself.
    """

    task: Task
    features: tuple[ScreenedFeature, ...]


def decide(evidence: LeakageEvidence, rule: LeakageRule) -> Finding:
    """Fail on a feature that predicts too well alone, lies after the event, or is forbidden by name."""
    regression = evidence.task is Task.REGRESSION
    limit = rule.max_r2 if regression else rule.max_auc
    strength = {f.feature: f.r2 if regression else f.auc for f in evidence.features}
    known = {name: value for name, value in strength.items() if value is not None}
    strong = sorted((name for name, value in known.items() if value > limit), key=lambda name: -known[name])
    late = [f for f in evidence.features if (f.after_event or 0.0) > rule.max_share_after_event]
    forbidden = [name for name in strength if any(fnmatchcase(name, pattern) for pattern in rule.forbidden_columns)]
    offenders = list(dict.fromkeys([*strong, *(f.feature for f in late), *forbidden]))

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        measure = "R²" if regression else "AUC"
        text = f"{measure} of one feature alone at most {show(limit)}, and none known after the event"
        strongest = max(known.values(), default=None)
        return Finding(
            outcome, text, reason, value=strongest, threshold=limit, details={"offending_features": offenders}
        )

    reasons: list[str] = []
    if strong:
        texts = [f"{name} ({known[name]:.3f})" for name in strong]
        reasons.append(f"predicts too well alone: {listed(texts)}; expected at most {show(limit)}")
    if late:
        texts = [f"{f.feature} ({f.after_event:.1%} of rows)" for f in late]
        reasons.append(f"lies after the event: {listed(texts)}")
    if forbidden:
        reasons.append(f"forbidden by the policy as known only after the fact: {listed(forbidden)}")
    if reasons:
        return finding("failed", "; ".join(reasons))
    unmeasured = [name for name, value in strength.items() if value is None]
    if unmeasured:
        return finding("not_measurable", f"too few rows of two outcomes to measure {listed(unmeasured)}")
    if not known:
        return finding("not_measurable", "no feature was screened")
    best = max(known, key=lambda name: known[name])
    return finding("passed", f"the strongest single feature is {best} ({known[best]:.3f})")


GATE = Gate(
    "leakage",
    "Does a feature know the answer, or what came after?",
    LeakageEvidence,
    LeakageRule,
    decide,
    stage="training_data",
    stops=True,
)
