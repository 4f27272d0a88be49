"""How a gate puts its finding into words: the helpers shared by all gates. No threshold is known here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_assets.governance.decisions import GateOutcome, GateResult
from mlops_assets.ledger.canonical import digest


class EvidenceError(ValueError):
    """Evidence that a gate cannot read: something it needs is not in it."""


def plain(gate: str, evidence: Any) -> dict[str, Any]:
    """Evidence as a dict: a mapping as it is, a result of another room by its `to_dict()`.

    Raises:
        EvidenceError: neither.
    """
    if isinstance(evidence, Mapping):
        return dict(evidence)
    if hasattr(evidence, "to_dict"):
        return dict(evidence.to_dict())
    raise EvidenceError(f"gate {gate}: found evidence of type {type(evidence).__name__}, expected a mapping")


def need(gate: str, evidence: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named parts of the evidence.

    Raises:
        EvidenceError: one is not there.
    """
    missing = [name for name in names if name not in evidence]
    if missing:
        raise EvidenceError(
            f"gate {gate}: found no {', '.join(missing)} in the evidence ({', '.join(map(str, evidence)) or 'empty'})"
        )
    return {name: evidence[name] for name in names}


def ruling(
    gate: str,
    outcome: GateOutcome,
    *,
    rule: str,
    reason: str,
    measured: Mapping[str, Any],
    value: float | None = None,
    threshold: float | None = None,
    absent: bool = False,
    **details: Any,
) -> GateResult:
    """A gate's result, with the digest of what it measured as evidence."""
    kept = dict(measured)
    found: dict[str, Any] = {"measured": kept, **details, **({"absent": True} if absent else {})}
    return GateResult(gate, outcome, value, threshold, rule, reason, found, {"measured": digest(kept)})


def listed(names: Iterable[Any], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    texts = [str(name) for name in names]
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")


def show(value: float | None) -> str:
    """A number for a sentence."""
    return "unknown" if value is None else f"{value:.4g}"


def worst(outcomes: Sequence[GateOutcome]) -> GateOutcome:
    """`failed` before `not_measurable` before `passed`; nothing at all is not measurable."""
    for outcome in ("failed", "not_measurable"):
        if outcome in outcomes:
            return outcome
    return "passed" if outcomes else "not_measurable"
