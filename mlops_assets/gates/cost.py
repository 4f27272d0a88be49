"""Cost gate: the model is affordable to run."""

from typing import Any

from mlops_assets.gates.ruling import need, plain, ruling
from mlops_assets.governance.decisions import GateOutcome, GateResult
from mlops_assets.policy.gate_rules import CostRule

UNITS = {
    "seconds_per_million": "seconds for a million rows",
    "memory_megabytes": "MB in memory",
    "disk_megabytes": "MB on disk",
}


def decide(evidence: Any, rule: CostRule) -> GateResult:
    """Decide.

    Args:
        evidence: `seconds_per_million` rows scored, `memory_megabytes` of the model in memory, `disk_megabytes` of its
            files, as `evaluation.cost.Cost` gives them; None: not measured. `machine`, where known, is shown.
        rule: the policy's. The value shown is the scoring time, or the first that has a limit.
    """
    measured = need("cost", {"machine": None, **plain("cost", evidence)}, *UNITS, "machine")
    limits = {
        "seconds_per_million": rule.max_seconds_per_million,
        "memory_megabytes": rule.max_memory_megabytes,
        "disk_megabytes": rule.max_disk_megabytes,
    }
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    words = ", ".join(f"at most {limit:g} {UNITS[name]}" for name, limit in asked.items()) or "no limit"
    found = ", ".join(f"{measured[name]:.3g} {unit}" for name, unit in UNITS.items() if measured[name] is not None)
    machine = f" (measured on {measured['machine']}; another machine takes another time)" if measured["machine"] else ""
    above = [
        f"{measured[n]:.3g} {UNITS[n]} are more than {limit:g}"
        for n, limit in asked.items()
        if _above(measured[n], limit)
    ]
    unknown = [UNITS[name] for name in asked if measured[name] is None]
    outcome: GateOutcome = "failed" if above else "not_measurable" if unknown else "passed"
    reason = {
        "failed": f"{', '.join(above)}{machine}",
        "not_measurable": f"not measured: {', '.join(unknown)}",
        "passed": f"{found or 'nothing is limited'}{machine}",
    }[outcome]
    first = next(iter(asked), "seconds_per_million")
    return ruling(
        "cost", outcome, rule=words, reason=reason, measured=measured, value=measured[first], threshold=limits[first]
    )


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
