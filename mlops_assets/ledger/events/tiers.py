"""Events about the risk tier of a model: a person's signed assessment."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, Moment, SignedEvent


class TierAnswer(BaseModel):
    """The answer to one question of an assessment.

    Attributes:
        answer: one of those that the question offers.
        why: the reason, in a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: str
    why: str = Field(min_length=1)


class TierAssessed(SignedEvent):
    """A person assessed the risk tier of a model. The record's subject is the tier.

    Attributes:
        tier: that follows from the answers.
        answers: by question.
        rules: questions and rules, whole, so that the tier can be computed again from this record.
        rules_digest: of `rules`.
        purpose: of the model, as it was declared.
        parts: digest of each part of the declaration that the assessment is about (`ledger.tiering.assessed_parts`).
        expires: when it stops counting.
        follows: number of the model's assessment before this one; 0 for the first.
    """

    KIND: ClassVar[str] = "tier_assessed"
    PURPOSE: ClassVar[str] = "tier-assessment/v1"

    tier: Literal["high", "medium", "low"]
    answers: dict[str, TierAnswer]
    rules: dict[str, Any]
    rules_digest: Digest
    purpose: str
    parts: dict[str, Digest]
    expires: Moment
    follows: int

    @property
    def given(self) -> dict[str, str]:
        """The answers without their reasons."""
        return {name: one.answer for name, one in self.answers.items()}
