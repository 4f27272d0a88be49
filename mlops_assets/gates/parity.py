"""Parity gate: the same rows give the same features, and the same scores, in training and in scoring."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule
from mlops_assets.strictness import HigherInt


class ParityRule(GateRule):
    """The same rows give the same features, and the same scores, in training and in scoring."""

    min_rows: HigherInt = Field(default=100, ge=1)
    """Fewest rows that must be compared, or all where there are fewer."""


@dataclass(frozen=True)
class ParityEvidence(Evidence):
    """Digests of the same rows, once as training saw them and once through the stored model.

    Attributes:
        rows: compared.
        training_features, scoring_features: SHA-256 of the transformed rows; None: not computed.
        available: rows that could have been compared; None: not known.
        training_scores, scoring_scores: SHA-256 of the scores; None on both sides where scores were not compared.
    """

    rows: int
    training_features: str | None
    scoring_features: str | None
    available: int | None = None
    training_scores: str | None = None
    scoring_scores: str | None = None


def decide(evidence: ParityEvidence, rule: ParityRule) -> Finding:
    """Fail when a digest differs between training and scoring."""
    rows, available = evidence.rows, evidence.available
    needed = max(1, rule.min_rows if available is None else min(rule.min_rows, available))

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = "digests of features and scores are equal in training and in scoring"
        return Finding(outcome, text, reason, value=rows, threshold=rule.min_rows)

    pairs = {
        "features": (evidence.training_features, evidence.scoring_features),
        "scores": (evidence.training_scores, evidence.scoring_scores),
    }
    for what, (training, scoring) in pairs.items():
        if training != scoring:
            ours, theirs = ((digest or "nothing")[:12] for digest in (training, scoring))
            return finding("failed", f"{what} of the same {rows} rows differ: training {ours}, scoring {theirs}")
    if not evidence.training_features or rows < needed:
        return finding("not_measurable", f"{rows} rows were compared, fewer than {needed}")
    return finding("passed", f"{rows} rows give the same features in training and in scoring")


GATE = Gate(
    "parity", "Do training and scoring see the same features?", ParityEvidence, ParityRule, decide, stage="challenger"
)
