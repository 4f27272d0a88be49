"""Contract gate: few enough rows broke the declared contract, and the table as a whole is what was declared."""

from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed, show
from mlops_assets.strictness import LowerFloat


class ContractRule(GateRule):
    """Rows against the declared contract."""

    max_quarantined_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Largest share of rows that may be quarantined."""
    max_late_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Largest share of a window's rows that may come after it was scored; above it a data-quality incident is opened."""


@dataclass(frozen=True)
class ContractEvidence(Evidence):
    """What checking the rows found (`datasets.contract.Checked`).

    Attributes:
        rows: delivered.
        quarantined_share: from 0 to 1.
        reasons: rows by reason of quarantine.
        problems: faults of the table as a whole.
    """

    rows: int
    quarantined_share: float
    reasons: dict[str, int]
    problems: tuple[str, ...]


def decide(evidence: ContractEvidence, rule: ContractRule) -> Finding:
    """Fail on a fault of the whole table, or on too many quarantined rows."""
    limit, rows = rule.max_quarantined_share, evidence.rows
    share = evidence.quarantined_share if rows else None

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = f"share of quarantined rows at most {show(limit)}, and no fault of the whole table"
        return Finding(outcome, text, reason, value=share, threshold=limit)

    if share is None:
        return finding("not_measurable", "no row was delivered, so the contract could not be checked")
    if evidence.problems:
        return finding("failed", f"the table as a whole is faulty: {listed(evidence.problems)}")
    if share > limit:
        by_count = sorted(evidence.reasons.items(), key=lambda item: (-item[1], item[0]))
        causes = listed([f"{reason} ({count} rows)" for reason, count in by_count], 3)
        return finding("failed", f"{share:.2%} of {rows} rows are quarantined; most frequent: {causes}")
    return finding("passed", f"{share:.2%} of {rows} rows are quarantined")


GATE = Gate(
    "contract",
    "Do the rows meet the declared contract?",
    ContractEvidence,
    ContractRule,
    decide,
    stage="training_data",
    stops=True,
)
