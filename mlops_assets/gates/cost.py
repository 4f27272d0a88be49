"""Cost gate: the model is affordable to run."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule
from mlops_assets.strictness import LowerLimit, TrueStricter

UNITS = {
    "seconds_per_million": "seconds for a million rows",
    "memory_megabytes": "MB in memory",
    "disk_megabytes": "MB on disk",
}


class CostRule(GateRule):
    """The model is affordable to run."""

    required: TrueStricter = False
    """Whether a version needs this gate to become champion; otherwise its decision is recorded and shown only."""
    max_seconds_per_million: LowerLimit = Field(default=600.0, gt=0)
    """Longest scoring time for a million rows, in seconds."""
    max_memory_megabytes: LowerLimit = Field(default=None, gt=0)
    """Largest size of the model in memory."""
    max_disk_megabytes: LowerLimit = Field(default=None, gt=0)
    """Largest size of the model's files."""


@dataclass(frozen=True)
class CostEvidence(Evidence):
    """What the model costs to run (`evaluation.cost.Cost`); None: not measured.

    Attributes:
        seconds_per_million: rows scored.
        memory_megabytes: of the model in memory.
        disk_megabytes: of its files.
        machine: on which it was measured; None: not known.
    """

    seconds_per_million: float | None
    memory_megabytes: float | None
    disk_megabytes: float | None
    machine: str | None = None


def decide(evidence: CostEvidence, rule: CostRule) -> Finding:
    """Fail on a cost above its limit. The value shown is the scoring time, or the first cost that has a limit."""
    costs: dict[str, float | None] = {name: getattr(evidence, name) for name in UNITS}
    limits = {name: limit for name in UNITS if (limit := getattr(rule, f"max_{name}")) is not None}
    first = next(iter(limits), "seconds_per_million")

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = ", ".join(f"at most {limit:g} {UNITS[name]}" for name, limit in limits.items()) or "no limit"
        return Finding(outcome, text, reason, value=costs[first], threshold=limits.get(first))

    machine = f" (measured on {evidence.machine}; other machines differ)" if evidence.machine else ""
    above = [
        f"{cost:.3g} {UNITS[name]} are more than {limit:g}"
        for name, limit in limits.items()
        if (cost := costs[name]) is not None and cost > limit
    ]
    if above:
        return finding("failed", f"{', '.join(above)}{machine}")
    unknown = [UNITS[name] for name in limits if costs[name] is None]
    if unknown:
        return finding("not_measurable", f"not measured: {', '.join(unknown)}")
    shown = ", ".join(f"{cost:.3g} {UNITS[name]}" for name, cost in costs.items() if cost is not None)
    return finding("passed", f"{shown or 'the policy sets no limit'}{machine}")


GATE = Gate("cost", "Is it affordable to run?", CostEvidence, CostRule, decide, stage="evaluation")
