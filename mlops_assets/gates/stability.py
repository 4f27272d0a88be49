"""Stability gate: training gives about the same model whatever the seed and the resample."""

import math
from collections.abc import Sequence
from typing import Any

from mlops_assets.gates.ruling import need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import StabilityRule

KINDS = ("seeds", "resamples")
KEPT = ("values", "churn")


def decide(evidence: Any, rule: StabilityRule) -> GateResult:
    """Decide.

    Args:
        evidence: `metric`, `seeds` and `resamples`, each with `values` (the metric of each fit; None: it failed) and
            `churn` (share of decisions that differ between two fits; None without decisions), as
            `evaluation.stability.Stability` gives them.
        rule: the policy's. A spread is the standard deviation with n - 1. The value shown is the spread that comes
            closest to its limit, or is farthest beyond it.
    """
    given = need("stability", plain("stability", evidence), "metric", *KINDS)
    measured: dict[str, Any] = {"metric": given["metric"]}
    measured |= {kind: {k: given[kind].get(k) for k in KEPT} for kind in KINDS}
    limits = {"seeds": rule.max_seed_spread, "resamples": rule.max_resample_spread}
    words = (
        f"standard deviation of {measured['metric']} over {rule.min_repeats} fits or more at most "
        f"{show(limits['seeds'])} over seeds and {show(limits['resamples'])} over resamples"
    )
    if rule.max_churn is not None:
        words += f"; two fits decide at most {rule.max_churn:.0%} of rows differently"
    known = {kind: [v for v in measured[kind]["values"] if v is not None] for kind in KINDS}
    spreads = {kind: _spread(known[kind], rule.min_repeats) for kind in KINDS}
    churn = {kind: measured[kind]["churn"] for kind in KINDS}
    nearest = max(KINDS, key=lambda kind: _beyond(spreads[kind], limits[kind]))

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "stability",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=spreads[nearest],
            threshold=limits[nearest],
            spreads=spreads,
        )

    texts = [
        f"over {kind} {measured['metric']} spreads by {show(spreads[kind])} ({len(known[kind])} fits)"
        + ("" if churn[kind] is None else f" and {churn[kind]:.1%} of decisions change")
        for kind in KINDS
        if spreads[kind] is not None
    ]
    faults = [f"spread over {k} above {show(limits[k])}" for k in KINDS if _above(spreads[k], limits[k])]
    faults += [
        f"changed decisions over {k} above {rule.max_churn:.0%}" for k in KINDS if _above(churn[k], rule.max_churn)
    ]
    if faults:
        return answer("failed", f"{'; '.join(faults)}: {'; '.join(texts) or 'no spread was measured'}")
    unknown = [f"{len(known[k])} fits over {k} are fewer than {rule.min_repeats}" for k in KINDS if spreads[k] is None]
    if unknown:
        return answer("not_measurable", "; ".join([*unknown, *texts]))
    return answer("passed", "; ".join(texts))


def _spread(values: Sequence[float], least: int) -> float | None:
    if len(values) < max(least, 2):
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _beyond(spread: float | None, limit: float) -> float:
    return -math.inf if spread is None else spread - limit


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
