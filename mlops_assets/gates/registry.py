"""The gates, in the order in which a version meets them. A new gate is one file and one line here, and one rule in
`policy/gate_rules.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlops_assets.gates import (
    artifact,
    calibration,
    completeness,
    contract,
    cost,
    fairness,
    label_bias,
    leakage,
    parity,
    performance,
    proxy,
    reason_codes,
    robustness,
    slices,
    stability,
    volume,
)
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import GateRule
from mlops_assets.policy.policy import Policy


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: as in the policy.
        asset: on which it is a check.
        question: that it answers.
        decide: evidence and rule in, decision out.
    """

    name: str
    asset: str
    question: str
    decide: Callable[[Any, Any], GateResult]


GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate("contract", "training_data", "Do the rows meet the declared contract?", contract.decide),
        Gate("volume", "training_data", "Are there enough rows, and enough of each outcome?", volume.decide),
        Gate("leakage", "training_data", "Does a feature know the answer, or what came after?", leakage.decide),
        Gate("label_bias", "training_data", "Do the labels of protected groups differ?", label_bias.decide),
        Gate("proxy", "training_data", "Do the features stand in for a protected attribute?", proxy.decide),
        Gate("parity", "features", "Do training and scoring see the same features?", parity.decide),
        Gate("artifact", "challenger", "Is the model what was signed, and safe to read?", artifact.decide),
        Gate("performance", "evaluation", "Is it good enough, and no worse than the champion?", performance.decide),
        Gate("slices", "evaluation", "Is a segment served much worse than the whole?", slices.decide),
        Gate("calibration", "evaluation", "Are predictions right on average and by grade?", calibration.decide),
        Gate("robustness", "evaluation", "Does small damage to the inputs stay small?", robustness.decide),
        Gate("fairness", "fairness", "Are protected groups treated alike?", fairness.decide),
        Gate("reason_codes", "explanations", "Does each adverse decision have true reasons?", reason_codes.decide),
        Gate("completeness", "model_card", "Does the card hold the evidence that is asked for?", completeness.decide),
        Gate("stability", "evaluation", "Is the model the same whatever the seed?", stability.decide),
        Gate("cost", "evaluation", "Is it affordable to run?", cost.decide),
    )
}


def decide(gate: str, evidence: Any, policy: Policy) -> GateResult:
    """Let one gate decide by name under a policy.

    Raises:
        KeyError: no such gate; the message lists those that exist.
        EvidenceError: the evidence lacks something that the gate needs.
    """
    if gate not in GATES:
        raise KeyError(f"found gate {gate!r}, expected one of {', '.join(GATES)}")
    rule: GateRule = policy.gates.rule(gate)
    return GATES[gate].decide(evidence, rule)
