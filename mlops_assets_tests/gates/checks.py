"""What every gate's tests check of a decision, so that a test file a gate holds its cases only."""

from typing import Any

import pytest

from mlops_assets.gates.gate import GateResult
from mlops_assets.gates.registry import GATES, decide, gate_rules
from mlops_assets.ledger.canonical import digest

P, F, N = "passed", "failed", "not_measurable"

Case = tuple[dict[str, Any], dict[str, Any], str, str]
"""Rule, evidence, outcome, why."""
Shown = tuple[dict[str, Any], dict[str, Any], float | None, float | None, list[str]]
"""Rule, evidence, value, threshold, words that the rule or the reason holds."""


def decided(gate: str, rule: dict[str, Any], evidence: dict[str, Any]) -> GateResult:
    return decide(gate, evidence, gate_rules({gate: rule}))


def check(gate: str, rule: dict[str, Any], evidence: dict[str, Any], outcome: str, why: str) -> None:
    """The outcome is right, explained, and kept with all it rests on: deciding again gives the same."""
    result = decided(gate, rule, evidence)
    assert result.outcome == outcome, f"{why}: {result.reason}"
    assert result.gate == gate
    assert result.reason
    assert result.rule
    assert "unknown" not in result.rule or "unknown" in str(rule), "a limit that is not set is called no limit"
    assert result.evidence["measured"] == digest(result.details["measured"])
    assert decided(gate, rule, result.details["measured"]) == result
    typed = GATES[gate].read(evidence)
    assert type(typed).from_dict(typed.to_dict()) == typed


def check_shown(
    gate: str,
    rule: dict[str, Any],
    evidence: dict[str, Any],
    value: float | None,
    threshold: float | None,
    words: list[str],
) -> None:
    """What a signer reads besides the outcome is right."""
    found = decided(gate, rule, evidence)
    assert found.value == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-9)), found.reason
    assert found.threshold == threshold
    for word in words:
        assert word in found.reason or word in found.rule, (found.rule, found.reason)
