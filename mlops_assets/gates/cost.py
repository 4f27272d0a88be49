"""Cost gate: the model is affordable to run."""

from typing import Any

from mlops_assets.gates.ruling import need, plain, ruling
from mlops_assets.governance.decisions import GateResult, Outcome
from mlops_assets.governance.gate_rules import CostRule


def decide(evidence: Any, rule: CostRule) -> GateResult:
    """Decide.

    Args:
        evidence: `seconds_per_million` rows scored and `memory_megabytes` of the model in memory; None: not measured.
        rule: the policy's.
    """
    measured = need("cost", plain("cost", evidence), "seconds_per_million", "memory_megabytes")
    limits = {"seconds_per_million": rule.max_seconds_per_million, "memory_megabytes": rule.max_memory_megabytes}
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    words = " and ".join(f"{name.replace('_', ' ')} at most {limit:g}" for name, limit in asked.items()) or "no limit"
    above = [f"{measured[n]:g} {n.replace('_', ' ')}" for n, limit in asked.items() if _above(measured[n], limit)]
    unknown = [name.replace("_", " ") for name in asked if measured[name] is None]
    outcome: Outcome = "failed" if above else "not_measurable" if unknown else "passed"
    reason = {
        "failed": f"above the limit: {', '.join(above)}",
        "not_measurable": f"not measured: {', '.join(unknown)}",
        "passed": "within the limits",
    }[outcome]
    first = next(iter(asked), "seconds_per_million")
    return ruling(
        "cost", outcome, rule=words, reason=reason, measured=measured, value=measured[first], threshold=limits[first]
    )


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
