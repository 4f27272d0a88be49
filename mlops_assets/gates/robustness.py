"""Robustness gate: small damage to the inputs does small damage to the predictions, and none breaks the model."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed, show
from mlops_assets.strictness import LowerFloat, LowerLimit


class RobustnessRule(GateRule):
    """Small damage to the inputs does small damage to the predictions."""

    max_drop: LowerFloat = Field(default=0.05, ge=0)
    """Largest loss of AUC (macro one-against-rest for multiclass, concordance for regression) under any one probe."""
    max_flips: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest share of decisions that change under any one probe."""


@dataclass(frozen=True)
class ProbeResult(Evidence):
    """What one kind of damage did.

    Attributes:
        probe: what was done.
        drop: loss of the metric; None where it could not be measured.
        flips: share of decisions that changed; None without decisions.
        error: what the model raised; empty when it answered.
    """

    probe: str
    drop: float | None
    flips: float | None
    error: str


@dataclass(frozen=True)
class RobustnessEvidence(Evidence):
    """All probes of one model (`evaluation.robustness.Robustness`).

    Attributes:
        metric: that is compared before and after each probe.
        probes: what each did.
    """

    metric: str
    probes: tuple[ProbeResult, ...]


def decide(evidence: RobustnessEvidence, rule: RobustnessRule) -> Finding:
    """Fail when the model raises, or loses or flips too much under a probe."""
    probes = evidence.probes
    drops = {p.probe: p.drop for p in probes if p.drop is not None}
    strongest = max(drops, key=lambda probe: (drops[probe], probe), default=None)

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = f"{evidence.metric} falls by at most {show(rule.max_drop)} under any probe, and the model always answers"
        if rule.max_flips is not None:
            text += f"; at most {rule.max_flips:.0%} of decisions change"
        value = None if strongest is None else drops[strongest]
        return Finding(outcome, text, reason, value=value, threshold=rule.max_drop)

    faults = [f"{p.probe}: the model raised {p.error}" for p in probes if p.error]
    faults += [f"{probe}: loses {drop:.3f}" for probe, drop in drops.items() if drop > rule.max_drop]
    if rule.max_flips is not None:
        faults += [
            f"{p.probe}: changes {p.flips:.1%} of decisions"
            for p in probes
            if p.flips is not None and p.flips > rule.max_flips
        ]
    if faults:
        return finding("failed", listed(faults))
    unknown = [p.probe for p in probes if p.drop is None]
    if unknown or strongest is None:
        return finding("not_measurable", f"not measured: {listed(unknown)}" if unknown else "no probe was made")
    return finding("passed", f"the strongest of {len(probes)} probes is {strongest} ({drops[strongest]:.3f})")


GATE = Gate(
    "robustness",
    "Does small damage to the inputs stay small?",
    RobustnessEvidence,
    RobustnessRule,
    decide,
    stage="evaluation",
)
