"""Parity gate: the same rows give the same features, and the same scores, in training and in scoring."""

from typing import Any

from mlops_assets.gates.ruling import need, plain, ruling
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import ParityRule


def decide(evidence: Any, rule: ParityRule) -> GateResult:
    """Decide.

    Args:
        evidence: `rows` compared, `available` (rows that could have been; None: not known), `training_features` and
            `scoring_features` (SHA-256 of the transformed rows), and, where scores were compared too, `training_scores`
            and `scoring_scores`.
        rule: the policy's.
    """
    found = {"available": None, "training_scores": None, "scoring_scores": None, **plain("parity", evidence)}
    names = ("rows", "available", "training_features", "scoring_features", "training_scores", "scoring_scores")
    measured = need("parity", found, *names)
    words = "digests of features and scores are equal in training and in scoring"
    rows, available = measured["rows"], measured["available"]
    asked = rule.min_rows if available is None else min(rule.min_rows, available)

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "parity", outcome, rule=words, reason=reason, measured=measured, value=rows, threshold=rule.min_rows
        )

    for what in ("features", "scores"):
        ours, theirs = measured[f"training_{what}"], measured[f"scoring_{what}"]
        if ours != theirs:
            short = [str(d)[:12] if d else "nothing" for d in (ours, theirs)]
            return answer("failed", f"{what} of the same {rows} rows differ: training {short[0]}, scoring {short[1]}")
    if not measured["training_features"] or not rows or rows < asked:
        return answer("not_measurable", f"{rows} rows were compared, fewer than {max(asked, 1)}")
    return answer("passed", f"{rows} rows give the same features in training and in scoring")
