"""Proxy gate: whether the features stand in for a protected attribute."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, RuleOnDeclared, listed, show
from mlops_assets.strictness import LowerFloat, Stricter


class ProxyRule(RuleOnDeclared):
    """Features that stand in for a protected attribute."""

    max_auc: LowerFloat = Field(default=0.95, gt=0.5, le=1)
    """Largest AUC with which all features together predict a protected attribute."""
    max_single_auc: LowerFloat = Field(default=0.9, gt=0.5, le=1)
    """Largest AUC with which one feature alone predicts a protected attribute."""
    allow_protected_inputs: Annotated[bool, Stricter("false")] = False
    """Whether a protected attribute may itself be an input."""


@dataclass(frozen=True)
class ProxyMeasure(Evidence):
    """How well the features predict one protected attribute.

    Attributes:
        attribute: protected attribute.
        is_input: whether it is itself a feature; it is left out of the AUCs.
        auc: of all features together; None where it was not measured, and `note` says why.
        features: AUC of each feature alone.
        note: why something is missing.
    """

    attribute: str
    is_input: bool
    auc: float | None
    features: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class ProxyEvidence(Evidence):
    """Every protected attribute (`datasets.screening.Screening`).

    Attributes:
        protected: names of the protected attributes.
        proxies: how well features predict each of them.
    """

    protected: tuple[str, ...]
    proxies: tuple[ProxyMeasure, ...]


def decide(evidence: ProxyEvidence, rule: ProxyRule) -> Finding:
    """Fail on a protected input, or on features that predict a protected attribute too well, together or alone."""
    together = {p.attribute: p.auc for p in evidence.proxies if p.auc is not None}
    inputs = [p.attribute for p in evidence.proxies if p.is_input]

    def finding(outcome: GateOutcome, reason: str, absent: bool = False) -> Finding:
        text = (
            f"AUC for a protected attribute at most {show(rule.max_auc)} together and {show(rule.max_single_auc)} alone"
        )
        text += "" if rule.allow_protected_inputs else ", and no protected attribute an input"
        if inputs and rule.allow_protected_inputs:
            reason += f"; protected and an input: {listed(inputs)}"
        value = max(together.values(), default=None)
        return Finding(outcome, text, reason, value, rule.max_auc, absent=absent, details={"inputs": inputs})

    if not evidence.protected:
        reason = "the declaration names no protected attribute, so proxies are not measured"
        return finding("not_measurable", reason, absent=True)
    breaches = [] if rule.allow_protected_inputs else [f"{name} is itself an input" for name in inputs]
    for found in evidence.proxies:
        if found.auc is not None and found.auc > rule.max_auc:
            breaches.append(f"the features together predict {found.attribute} with AUC {found.auc:.3f}")
        breaches += [
            f"{name} alone predicts {found.attribute} with AUC {auc:.3f}"
            for name, auc in found.features.items()
            if auc > rule.max_single_auc
        ]
    if breaches:
        return finding("failed", "; ".join(breaches))
    screened = {p.attribute for p in evidence.proxies}
    unmeasured = [f"{p.attribute}: {p.note}" for p in evidence.proxies if p.auc is None]
    unmeasured += [f"{name}: not screened" for name in evidence.protected if name not in screened]
    if unmeasured:
        return finding("not_measurable", "; ".join(unmeasured))
    return finding("passed", listed([f"{name} is predicted with AUC {auc:.3f}" for name, auc in together.items()]))


GATE = Gate(
    "proxy",
    "Do the features stand in for a protected attribute?",
    ProxyEvidence,
    ProxyRule,
    decide,
    stage="training_data",
)
