"""A model that others run: where its scores are in the table, and what is known of its supplier."""

import re
from datetime import date
from typing import Self

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.terms import Part

SHA256 = re.compile(r"[0-9a-f]{64}")


class Document(Part):
    """A document of the supplier that evidence rests on."""

    title: str = Field(min_length=3, examples=["Validation report 2026"])
    """What it is."""
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    """SHA-256 of the file, so that it cannot be exchanged unseen."""
    path: str = Field(default="", examples=["vendor/validation_2026.pdf"])
    """Where the file is, from the project's root; empty where it is kept elsewhere. `mlops check --data` compares its digest."""
    dated: date | None = None
    """The day it was issued."""

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, text: str) -> str:
        if not SHA256.fullmatch(text):
            raise ValueError(f"found {text!r}, expected the SHA-256 of the file: 64 digits and letters a to f")
        return text


class External(Part):
    """A model that is scored elsewhere: its predictions arrive as columns of the source."""

    score: str = Field(examples=["vendor_score"])
    """Column of the score: the probability of the positive outcome (binary), or the predicted value (regression)."""
    decision: str | None = Field(default=None, examples=["vendor_decision"])
    """Column of what was decided, if the supplier decides."""
    decision_positive: str | int | float | bool = Field(default=1, examples=["DECLINE"])
    """The value of `decision` that predicts the positive outcome."""
    version_column: str | None = Field(default=None, examples=["model_version"])
    """Column that says which version of the supplier's model scored the row."""
    version: str = Field(min_length=1, examples=["4.2"])
    """The supplier's version that this declaration is about and that people approve."""
    prediction_id: str | None = Field(default=None, examples=["request_id"])
    """Column of the supplier's own identifier of the prediction."""
    supplier: str = Field(min_length=2, examples=["Example Scores plc"])
    """Who runs the model: a vendor, or another team."""
    contract: str = Field(default="", examples=["MSA 2024-117, schedule 3"])
    """The agreement under which it is used."""
    contract_until: date | None = None
    """When the agreement ends."""
    right_to_audit: bool | None = None
    """Whether the agreement lets the bank and its supervisor audit the supplier; nothing: not known."""
    version_notices: str = Field(default="", examples=["By e-mail, 30 days before a new version"])
    """How the supplier announces a new version."""
    documents: tuple[Document, ...] = ()
    """What the supplier has handed over about the model."""

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        names = self.columns
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"external: the column {', '.join(repeated)} is named twice")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the supplier's predictions are in."""
        named = (self.score, self.decision, self.version_column, self.prediction_id)
        return tuple(name for name in named if name is not None)

    @property
    def missing_facts(self) -> tuple[str, ...]:
        """What a requirement about vendors asks for and is not declared."""
        facts = {
            "contract": bool(self.contract),
            "right_to_audit": self.right_to_audit is not None,
            "version_notices": bool(self.version_notices),
            "documents": bool(self.documents),
        }
        return tuple(name for name, known in facts.items() if not known)
