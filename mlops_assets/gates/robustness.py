"""Robustness gate: small damage to the inputs does small damage to the predictions, and none breaks the model."""

from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import RobustnessRule

KEPT = ("probe", "drop", "flips", "error")


def decide(evidence: Any, rule: RobustnessRule) -> GateResult:
    """Decide.

    Args:
        evidence: `metric` and `probes`, a list of `probe` (what was done), `drop` (loss of the metric; None where it
            could not be measured), `flips` (share of decisions that changed; None without decisions) and `error`
            (what the model raised, empty when it answered).
        rule: the policy's.
    """
    given = need("robustness", plain("robustness", evidence), "metric", "probes")
    probes = [{k: p.get(k) for k in KEPT} for p in given["probes"]]
    measured = {"metric": given["metric"], "probes": probes}
    words = f"{given['metric']} falls by at most {show(rule.max_drop)} under any probe, and the model always answers"
    if rule.max_flips is not None:
        words += f"; at most {rule.max_flips:.0%} of decisions change"
    known = [p for p in probes if p["drop"] is not None]
    strongest = max(known, key=lambda p: (p["drop"], p["probe"]), default=None)

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "robustness",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=None if strongest is None else strongest["drop"],
            threshold=rule.max_drop,
        )

    faults = [f"{p['probe']}: the model raised {p['error']}" for p in probes if p["error"]]
    faults += [f"{p['probe']}: loses {p['drop']:.3f}" for p in known if p["drop"] > rule.max_drop]
    if rule.max_flips is not None:
        flips = [p for p in probes if p["flips"] is not None]
        faults += [f"{p['probe']}: changes {p['flips']:.1%} of decisions" for p in flips if p["flips"] > rule.max_flips]
    if faults:
        return answer("failed", listed(faults))
    unknown = [p["probe"] for p in probes if p["drop"] is None]
    if unknown or strongest is None:
        return answer("not_measurable", f"not measured: {listed(unknown)}" if unknown else "no probe was made")
    return answer("passed", f"the strongest of {len(probes)} probes is {strongest['probe']} ({strongest['drop']:.3f})")
