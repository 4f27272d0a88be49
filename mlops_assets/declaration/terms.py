"""What every part of a declaration shares: its base class, the closed lists of words, and the reserved prefix of names."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

RESERVED_PREFIX = "mlops_"
"""Columns that the project adds to a user's table begin so; a declared column may not."""
CASED = RESERVED_PREFIX + "cased_"
"""Prefix of columns under another name, because theirs differs from another one's in capitals only."""


class Part(BaseModel):
    """Base of every part of a declaration: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Origin(StrEnum):
    """Who makes the model."""

    TRAINED = "trained"
    """It is trained here."""
    IMPORTED = "imported"
    """Others have trained it; its file is scored here."""
    EXTERNAL = "external"
    """Others score; their predictions arrive with the rows."""


class Role(StrEnum):
    """How a feature's values are to be read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    ORDINAL = "ordinal"
    DATE = "date"


class Tier(StrEnum):
    """Risk tier: the policy of that name applies to the model."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Cadence(StrEnum):
    """Length of a monitoring window."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
