"""The gates, in the order in which a version meets them. A new gate is one file, one field of `GateRules`, and one entry of
`GATES`."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

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
from mlops_assets.gates.artifact import ArtifactRule
from mlops_assets.gates.calibration import CalibrationRule
from mlops_assets.gates.completeness import CompletenessRule
from mlops_assets.gates.contract import ContractRule
from mlops_assets.gates.cost import CostRule
from mlops_assets.gates.fairness import FairnessRule
from mlops_assets.gates.gate import Gate, GateResult, GateRule
from mlops_assets.gates.label_bias import LabelBiasRule
from mlops_assets.gates.leakage import LeakageRule
from mlops_assets.gates.parity import ParityRule
from mlops_assets.gates.performance import PerformanceRule
from mlops_assets.gates.proxy import ProxyRule
from mlops_assets.gates.reason_codes import ReasonCodesRule
from mlops_assets.gates.robustness import RobustnessRule
from mlops_assets.gates.slices import SlicesRule
from mlops_assets.gates.stability import StabilityRule
from mlops_assets.gates.volume import VolumeRule
from mlops_assets.strictness import Part

GATES: dict[str, Gate[Any, Any]] = {
    gate.name: gate
    for gate in (
        contract.GATE,
        volume.GATE,
        leakage.GATE,
        label_bias.GATE,
        proxy.GATE,
        parity.GATE,
        artifact.GATE,
        performance.GATE,
        slices.GATE,
        calibration.GATE,
        robustness.GATE,
        fairness.GATE,
        reason_codes.GATE,
        completeness.GATE,
        stability.GATE,
        cost.GATE,
    )
}


class GateRules(Part):
    """What a policy says about each gate."""

    contract: ContractRule = Field(default_factory=ContractRule)
    volume: VolumeRule = Field(default_factory=VolumeRule)
    leakage: LeakageRule = Field(default_factory=LeakageRule)
    label_bias: LabelBiasRule = Field(default_factory=LabelBiasRule)
    proxy: ProxyRule = Field(default_factory=ProxyRule)
    parity: ParityRule = Field(default_factory=ParityRule)
    artifact: ArtifactRule = Field(default_factory=ArtifactRule)
    performance: PerformanceRule = Field(default_factory=PerformanceRule)
    slices: SlicesRule = Field(default_factory=SlicesRule)
    calibration: CalibrationRule = Field(default_factory=CalibrationRule)
    robustness: RobustnessRule = Field(default_factory=RobustnessRule)
    fairness: FairnessRule = Field(default_factory=FairnessRule)
    reason_codes: ReasonCodesRule = Field(default_factory=ReasonCodesRule)
    completeness: CompletenessRule = Field(default_factory=CompletenessRule)
    stability: StabilityRule = Field(default_factory=lambda: StabilityRule(required=False))
    cost: CostRule = Field(default_factory=lambda: CostRule(required=False))

    def rule(self, gate: str) -> GateRule:
        """Rule of the gate with this name.

        Raises:
            KeyError: no gate has this name; the message lists those that do.
        """
        if gate not in type(self).model_fields:
            raise KeyError(f"found gate {gate!r}, expected one of {', '.join(type(self).model_fields)}")
        return getattr(self, gate)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the required gates, in the order in which a version meets them."""
        return tuple(name for name in type(self).model_fields if self.rule(name).required)


def decide(gate: str, measured: Mapping[str, Any], rules: GateRules) -> GateResult:
    """Let the gate with this name decide on a measurement's plain form.

    Raises:
        KeyError: no gate has this name; the message lists those that do.
        EvidenceError: the measurement has no value that the gate needs, or one of another kind.
    """
    rule = rules.rule(gate)
    return GATES[gate].result(measured, rule)
