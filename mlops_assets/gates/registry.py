"""The gates that are known, the rules that a policy sets for them, and deciding with them.

A new gate is one file, and one line where it is registered (`mlops_assets/built_in.py`). Not here: what a gate is
(`gate.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny

from mlops_assets.gates.applicability import not_applicable
from mlops_assets.gates.gate import E, Gate, GateInputs, GateResult, GateRule, R
from mlops_assets.registration import Known, generation
from mlops_assets.strictness import OpenPart, Part

GATES: Known[Gate[Any, Any]] = Known(Gate)
"""The gates by name, in the order in which a version meets them."""
CODE = "code"
"""Name, among the evidence of a decision, of the digest of the source of a gate that does not belong to this package."""


class GateRules(OpenPart):
    """What a policy says about each gate."""

    @classmethod
    def parts(cls) -> Mapping[str, tuple[type[Part], str]]:
        """The rule of each gate, with its question."""
        return {name: (gate.rule, gate.question) for name, gate in GATES.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the gates, in the order in which a version meets them."""
        return tuple(type(self).model_fields)

    def rule(self, gate: str) -> GateRule:
        """Rule of the gate with this name.

        Raises:
            KeyError: no gate has this name; the message lists those that do.
        """
        if gate not in self.names:
            raise KeyError(f"found gate {gate!r}, expected one of {', '.join(self.names)}")
        return getattr(self, gate)

    def of(self, gate: Gate[E, R]) -> R:
        """Rule of a gate."""
        rule = self.rule(gate.name)
        assert isinstance(rule, gate.rule)
        return rule

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the required gates, in the order in which a version meets them."""
        return tuple(name for name in self.names if self.rule(name).required)


RegisteredGateRules = Annotated[SerializeAsAny[GateRules], PlainValidator(GateRules.read)]
"""Type of a field that holds the rules of every registered gate."""


def gate_rules(stated: Mapping[str, Any] | None = None) -> GateRules:
    """Rules of every registered gate: what is stated, and defaults.

    Raises:
        pydantic.ValidationError: a gate, a field or a value that does not exist or does not fit.
    """
    return GateRules.read(dict(stated or {}))


def gates_of(stage: str) -> tuple[Gate[Any, Any], ...]:
    """The gates that decide on a stage."""
    return _by_stage(generation()).get(stage, ())


# Definitions ask for every stage of every model.
@lru_cache(maxsize=1)
def _by_stage(_generation: int) -> Mapping[str, tuple[Gate[Any, Any], ...]]:
    gates = tuple(GATES.values())
    return {stage: tuple(gate for gate in gates if gate.stage == stage) for stage in {gate.stage for gate in gates}}


def decide(gate: str, measured: Mapping[str, Any], rules: GateRules) -> GateResult:
    """Let the gate with this name decide on a measurement's plain form.

    Raises:
        KeyError: no gate has this name; the message lists those that do.
        EvidenceError: the measurement has no value that the gate needs, or one of another kind.
    """
    rule = rules.rule(gate)
    return _named(GATES[gate].result(measured, rule))


def decide_stage(stage: str, inputs: GateInputs, rules: GateRules) -> list[GateResult]:
    """Let every gate of a stage decide. One that cannot, whatever the error, is not measurable, and the reason is recorded; so is
    that of one that cannot apply to the model."""
    results: list[GateResult] = []
    without = not_applicable(inputs.declaration)
    for gate in gates_of(stage):
        try:
            if gate.name in without:
                result = gate.without(without[gate.name])
            else:
                result = gate.result(gate.measured(inputs), rules.of(gate))
        except Exception as error:  # a gate of somebody else's may raise whatever it likes
            result = gate.failed(error)
        results.append(_named(result))
    return results


def _named(result: GateResult) -> GateResult:
    """The result with the digest of the gate's code, where the gate does not belong to this package."""
    code = GATES.code(result.gate)
    return result if code is None else replace(result, evidence={**result.evidence, CODE: code})
