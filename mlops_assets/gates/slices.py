"""Slices gate: no segment may be served much worse than the whole.

A slice breaches when it is worse by more than the gap and chance does not explain that it is worse at all, with the
p-values adjusted for the number of slices tested together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import SlicesRule

KEPT = ("slice", "n", "value", "difference", "p_adjusted", "measurable", "reason")


def decide(evidence: Any, rule: SlicesRule) -> GateResult:
    """Decide.

    Args:
        evidence: `metric`, `overall`, `declared` and `found`, two lists of `slice`, `n`, `value`, `difference` (slice
            minus whole; negative is worse), `p_adjusted`, `measurable` and `reason`, as
            `evaluation.slices.SliceReport` gives them. The found ones count only where the policy says so, and are
            always shown.
        rule: the policy's.
    """
    given = need("slices", plain("slices", evidence), "metric", "overall", "declared", "found")
    kept = {name: [{k: s.get(k) for k in KEPT} for s in given[name]] for name in ("declared", "found")}
    measured = {"metric": given["metric"], "overall": given["overall"], **kept}
    words = (
        f"{given['metric']} of a slice of {rule.min_rows} rows or more at most {show(rule.max_gap)} below the whole, "
        f"significant at {show(rule.alpha)}"
    )
    looked_at = [*kept["declared"], *(kept["found"] if rule.include_found else [])]
    large = [s for s in looked_at if s["n"] >= rule.min_rows and s["measurable"] and s["difference"] is not None]
    breaches = sorted(
        (s for s in large if -s["difference"] > rule.max_gap and (s["p_adjusted"] or 0.0) < rule.alpha),
        key=lambda s: (s["difference"], s["slice"]),
    )
    lowest = min(large, key=lambda s: (s["difference"], s["slice"]), default=None)

    def answer(outcome: Any, reason: str, absent: bool = False) -> GateResult:
        return ruling(
            "slices",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=None if lowest is None else -lowest["difference"],
            threshold=rule.max_gap,
            absent=absent,
            breaches=[s["slice"] for s in breaches],
        )

    if not looked_at:
        return answer("not_measurable", "the declaration names no slice", absent=True)
    left_out = _left_out([s for s in looked_at if s not in large], rule.min_rows)
    if lowest is None:
        return answer("not_measurable", f"none of {len(looked_at)} slices could be measured: {left_out}")
    rest = f"; not measured: {left_out}" if left_out else ""
    if breaches:
        texts = [f"{s['slice']} ({show(s['value'])} on {s['n']} rows, {s['difference']:+.3f})" for s in breaches]
        return answer("failed", f"served worse than the whole ({show(given['overall'])}): {listed(texts)}{rest}")
    return answer(
        "passed", f"the worst of {len(large)} slices is {lowest['slice']} ({lowest['difference']:+.3f}){rest}"
    )


def _left_out(slices: Sequence[Mapping[str, Any]], least: int) -> str:
    """Every slice that could not be measured, the largest first, with its size, or with why where it is large enough."""
    ordered = sorted(slices, key=lambda s: (-s["n"], s["slice"]))
    texts = [
        f"{s['slice']} ({s['n']} rows)"
        if s["n"] < least
        else f"{s['slice']} ({s['n']} rows, {s['reason'] or 'no value'})"
        for s in ordered
    ]
    return listed(texts, len(texts))
