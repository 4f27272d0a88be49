"""Proxy gate: whether the features stand in for a protected attribute."""

from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import ProxyRule


def decide(evidence: Any, rule: ProxyRule) -> GateResult:
    """Decide.

    Args:
        evidence: `protected` (attributes) and `proxies`, a list of `attribute`, `is_input`, `auc` of all features
            together (None: not measured, `note` says why) and `features` (AUC of each alone), as
            `datasets.screening.Screening` gives them.
        rule: the policy's.
    """
    measured = need("proxy", plain("proxy", evidence), "protected", "proxies")
    limit = rule.max_auc
    words = f"AUC for a protected attribute at most {show(limit)} together and {show(rule.max_single_auc)} alone"
    if not rule.allow_protected_inputs:
        words += ", and no protected attribute an input"
    if not measured["protected"]:
        reason = "the declaration names no protected attribute, so proxies are not measured"
        return ruling("proxy", "not_measurable", rule=words, reason=reason, measured=measured, absent=True)

    breaches: list[str] = []
    unmeasured: list[str] = []
    inputs: list[str] = []
    for found in measured["proxies"]:
        attribute = found["attribute"]
        if found["is_input"]:
            inputs.append(attribute)
            if not rule.allow_protected_inputs:
                breaches.append(f"{attribute} is itself an input")
        if found["auc"] is None:
            unmeasured.append(f"{attribute}: {found['note']}")
        elif found["auc"] > limit:
            breaches.append(f"the features together tell {attribute} with AUC {found['auc']:.3f}")
        breaches += [
            f"{name} alone tells {attribute} with AUC {auc:.3f}"
            for name, auc in found["features"].items()
            if auc > rule.max_single_auc
        ]
    values = {f["attribute"]: f["auc"] for f in measured["proxies"] if f["auc"] is not None}
    unmeasured += [
        f"{a}: not screened" for a in measured["protected"] if a not in {f["attribute"] for f in measured["proxies"]}
    ]
    if breaches:
        outcome, reason = "failed", "; ".join(breaches)
    elif unmeasured:
        outcome, reason = "not_measurable", "; ".join(unmeasured)
    else:
        outcome, reason = "passed", listed([f"{name} is told with AUC {auc:.3f}" for name, auc in values.items()])
    if inputs and rule.allow_protected_inputs:
        reason += f"; protected and an input: {listed(inputs)}"
    return ruling(
        "proxy",
        outcome,
        rule=words,
        reason=reason,
        measured=measured,
        value=max(values.values(), default=None),
        threshold=limit,
        inputs=inputs,
    )
