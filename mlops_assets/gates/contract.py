"""Contract gate: few enough rows broke the declared contract, and the table as a whole is what was declared."""

from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling, show
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import ContractRule


def decide(evidence: Any, rule: ContractRule) -> GateResult:
    """Decide.

    Args:
        evidence: `rows` delivered, `quarantined_share` (0 to 1), `reasons` (rows by reason), `problems` (faults of the
            whole table), as `datasets.contract.Checked.to_dict()` gives them.
        rule: the policy's.
    """
    measured = need("contract", plain("contract", evidence), "rows", "quarantined_share", "reasons", "problems")
    share, limit = measured["quarantined_share"], rule.max_quarantined_share
    words = f"share of quarantined rows at most {show(limit)}, and no fault of the whole table"
    problems = measured["problems"]

    def answer(outcome: Any, reason: str, value: float | None = share) -> GateResult:
        return ruling("contract", outcome, rule=words, reason=reason, measured=measured, value=value, threshold=limit)

    if not measured["rows"]:
        return answer("not_measurable", "no row was delivered, so nothing can be said about the contract", None)
    if problems:
        return answer("failed", f"the table as a whole is faulty: {listed(problems)}")
    if share > limit:
        worst = sorted(measured["reasons"].items(), key=lambda item: (-item[1], item[0]))
        causes = listed([f"{reason} ({count} rows)" for reason, count in worst], 3)
        return answer("failed", f"{share:.2%} of {measured['rows']} rows are quarantined; most frequent: {causes}")
    return answer("passed", f"{share:.2%} of {measured['rows']} rows are quarantined")
