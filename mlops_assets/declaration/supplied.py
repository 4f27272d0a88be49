"""What is known of whoever runs or has trained a model that is not trained here: agreement, notices, documents."""

import re
from datetime import date

from pydantic import Field, field_validator

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


class Supplied(Part):
    """The supplier of a model that is not trained here, and what was agreed with them."""

    supplier: str = Field(min_length=2, examples=["Example Scores plc"])
    """Who runs the model, or has trained it: a vendor, or another team."""
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
