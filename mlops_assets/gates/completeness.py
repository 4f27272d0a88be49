"""Completeness gate: the card holds the evidence that the requirement profiles ask for."""

from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import CompletenessRule


def decide(evidence: Any, rule: CompletenessRule) -> GateResult:
    """Decide.

    Args:
        evidence: `asked`, a list of `profile`, `item` and `status` (`present`, `missing` or `stale`), and `card_digest`
            (SHA-256 of the card; None: there is no card).
        rule: the policy's.
    """
    given = need("completeness", plain("completeness", evidence), "asked", "card_digest")
    asked = [{k: a[k] for k in ("profile", "item", "status")} for a in given["asked"]]
    measured = {"asked": asked, "card_digest": given["card_digest"]}
    words = f"at least {rule.min_share:.0%} of the asked evidence present"
    if rule.blocking_profiles:
        words += f", all of it for {listed(rule.blocking_profiles)}"
    lacking = [a for a in asked if a["status"] != "present"]
    share = 1 - len(lacking) / len(asked) if asked else None

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "completeness",
            outcome,
            rule=words,
            reason=reason,
            measured=measured,
            value=share,
            threshold=rule.min_share,
            lacking=[f"{a['profile']}: {a['item']} ({a['status']})" for a in lacking],
        )

    if given["card_digest"] is None:
        return answer("failed", "there is no card")
    if share is None:
        return answer("not_measurable", "no requirement profile asks anything of this model")
    blocking = [a for a in lacking if a["profile"] in rule.blocking_profiles]
    unknown = sorted(set(rule.blocking_profiles) - {a["profile"] for a in asked})
    texts = listed([f"{a['item']} ({a['status']})" for a in blocking or lacking])
    if blocking or share < rule.min_share:
        return answer("failed", f"{len(lacking)} of {len(asked)} pieces of evidence are lacking: {texts}")
    if unknown:
        return answer("not_measurable", f"policy names profiles that were not looked at: {listed(unknown)}")
    rest = f"; lacking: {texts}" if lacking else ""
    return answer("passed", f"{len(asked) - len(lacking)} of {len(asked)} pieces of evidence are present{rest}")
