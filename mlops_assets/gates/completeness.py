"""Completeness gate: the card holds the evidence that the requirement profiles require."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed
from mlops_assets.strictness import HigherFloat, Stricter


class CompletenessRule(GateRule):
    """The card holds what the requirement profiles require."""

    min_share: HigherFloat = Field(default=1.0, ge=0, le=1)
    """Share of required evidence that is present and not stale."""
    blocking_profiles: Annotated[tuple[str, ...], Stricter("more")] = ()
    """Profiles of which nothing may be missing, whatever the share over all."""


@dataclass(frozen=True)
class RequiredItem(Evidence):
    """One item of a requirement profile; `status` is `present`, `missing` or `stale`.

    Attributes:
        profile: that requires it.
        item: name.
        status: `present`, `missing` or `stale`.
    """

    profile: str
    item: str
    status: str


@dataclass(frozen=True)
class CompletenessEvidence(Evidence):
    """What the profiles require, and the SHA-256 of the card; None: there is no card.

    Attributes:
        asked: every item that the applicable profiles require.
        card_digest: SHA-256 of the card, or None where there is none.
    """

    asked: tuple[RequiredItem, ...]
    card_digest: str | None


def decide(evidence: CompletenessEvidence, rule: CompletenessRule) -> Finding:
    """Fail without a card, on too little evidence, or on a gap in a blocking profile."""
    required = evidence.asked
    missing = [item for item in required if item.status != "present"]
    share = 1 - len(missing) / len(required) if required else None

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = f"at least {rule.min_share:.0%} of the required evidence present"
        if rule.blocking_profiles:
            text += f", all of it for {listed(rule.blocking_profiles)}"
        names = [f"{item.profile}: {item.item} ({item.status})" for item in missing]
        return Finding(outcome, text, reason, value=share, threshold=rule.min_share, details={"lacking": names})

    if evidence.card_digest is None:
        return finding("failed", "there is no card")
    if share is None:
        return finding("not_measurable", "no requirement profile applies to this model")
    blocking = [item for item in missing if item.profile in rule.blocking_profiles]
    texts = listed([f"{item.item} ({item.status})" for item in blocking or missing])
    if blocking or share < rule.min_share:
        return finding("failed", f"{len(missing)} of {len(required)} pieces of evidence are missing or stale: {texts}")
    unknown = sorted(set(rule.blocking_profiles) - {item.profile for item in required})
    if unknown:
        return finding("not_measurable", f"the policy names profiles that were not checked: {listed(unknown)}")
    rest = f"; missing or stale: {texts}" if missing else ""
    return finding("passed", f"{len(required) - len(missing)} of {len(required)} pieces of evidence are present{rest}")


GATE = Gate(
    "completeness",
    "Does the card hold the required evidence?",
    CompletenessEvidence,
    CompletenessRule,
    decide,
    stage="model_card",
)
