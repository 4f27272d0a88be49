"""Leakage gate: no feature may know the answer, or something that came after it."""

from fnmatch import fnmatchcase
from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import LeakageRule


def decide(evidence: Any, rule: LeakageRule) -> GateResult:
    """Decide.

    Args:
        evidence: `task` and `features`, a list of `feature`, `auc`, `r2`, `after_event`, as
            `datasets.screening.Screening` gives them; numbers of one feature alone, None where not measured.
        rule: the policy's.
    """
    found = need("leakage", plain("leakage", evidence), "task", "features")
    regression = found["task"] == Task.REGRESSION.value
    name, limit = ("r2", rule.max_r2) if regression else ("auc", rule.max_auc)
    features = [{k: f.get(k) for k in ("feature", "auc", "r2", "after_event")} for f in found["features"]]
    measured = {"task": found["task"], "features": features}
    words = (
        f"{'R²' if regression else 'AUC'} of one feature alone at most {show(limit)}, and none known after the event"
    )

    known = [f for f in features if f[name] is not None]
    strongest = max((f[name] for f in known), default=None)
    forbidden = [f["feature"] for f in features if any(fnmatchcase(f["feature"], p) for p in rule.forbidden_columns)]
    late = [f for f in features if (f["after_event"] or 0.0) > rule.max_share_after_event]
    strong = sorted((f for f in known if f[name] > limit), key=lambda f: -f[name])
    reasons = []
    if strong:
        texts = [f"{f['feature']} ({f[name]:.3f})" for f in strong]
        reasons.append(f"predicts too well alone: {listed(texts)}; expected at most {show(limit)}")
    if late:
        texts = [f"{f['feature']} ({f['after_event']:.1%} of rows)" for f in late]
        reasons.append(f"lies after the event: {listed(texts)}")
    if forbidden:
        reasons.append(f"known only after the fact, as policy says: {listed(forbidden)}")
    offenders = list(dict.fromkeys([f["feature"] for f in [*strong, *late]] + forbidden))
    unmeasured = [f["feature"] for f in features if f[name] is None]

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "leakage",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=strongest,
            threshold=limit,
            features=offenders,
        )

    if reasons:
        return answer("failed", "; ".join(reasons))
    if unmeasured or not features:
        text = (
            f"too few rows of two outcomes to judge {listed(unmeasured)}" if unmeasured else "no feature was screened"
        )
        return answer("not_measurable", text)
    best = max(known, key=lambda f: f[name])
    return answer("passed", f"the strongest single feature is {best['feature']} ({best[name]:.3f})")
