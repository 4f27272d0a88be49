"""Volume gate: enough rows, and enough of each outcome, to learn from."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule
from mlops_assets.strictness import HigherInt, LowerFloat


class VolumeRule(GateRule):
    """Enough rows, and enough of each outcome, to learn from."""

    min_rows: HigherInt = Field(default=500, ge=1)
    """Fewest training rows."""
    min_class_rows: HigherInt = Field(default=50, ge=1)
    """Fewest rows of the rarest class (classification)."""
    max_missing_target_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Largest share of rows without a target."""


@dataclass(frozen=True)
class VolumeEvidence(Evidence):
    """Counts of the training rows.

    Attributes:
        task: of the model.
        rows: that train.
        class_rows: rows by class; empty for regression.
        missing_target: rows delivered without a target.
        delivered: rows delivered; None: missing targets are not judged.
    """

    task: Task
    rows: int
    class_rows: dict[str, int]
    missing_target: int = 0
    delivered: int | None = None


def decide(evidence: VolumeEvidence, rule: VolumeRule) -> Finding:
    """Fail on too few rows, too many missing targets, or too few rows of the rarest class."""
    rows, classes = evidence.rows, evidence.class_rows

    def finding(outcome: GateOutcome, reason: str, value: float, threshold: float) -> Finding:
        text = (
            f"at least {rule.min_rows} rows, {rule.min_class_rows} of the rarest class, "
            f"at most {rule.max_missing_target_share:.0%} without a target"
        )
        return Finding(outcome, text, reason, value=value, threshold=threshold)

    if rows < rule.min_rows:
        return finding("failed", f"{rows} rows are fewer than {rule.min_rows}", rows, rule.min_rows)
    if evidence.delivered:
        share = evidence.missing_target / evidence.delivered
        if share > rule.max_missing_target_share:
            reason = f"{share:.2%} of {evidence.delivered} rows have no target"
            return finding("failed", reason, share, rule.max_missing_target_share)
    if evidence.task is not Task.REGRESSION:
        if len(classes) < 2:
            seen = ", ".join(classes) or "none"
            reason = f"only one outcome occurs ({seen}): nothing can be learned"
            return finding("not_measurable", reason, len(classes), 2)
        rarest = min(classes, key=lambda name: (classes[name], name))
        if classes[rarest] < rule.min_class_rows:
            reason = f"class {rarest!r} has {classes[rarest]} rows, fewer than {rule.min_class_rows}"
            return finding("failed", reason, classes[rarest], rule.min_class_rows)
    among = f" in {len(classes)} classes" if classes else ""
    return finding("passed", f"{rows} rows{among}", rows, rule.min_rows)


GATE = Gate(
    "volume",
    "Are there enough rows, and enough of each outcome?",
    VolumeEvidence,
    VolumeRule,
    decide,
    stage="training_data",
    stops=True,
)
