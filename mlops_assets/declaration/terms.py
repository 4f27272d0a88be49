"""The closed lists of words a declaration uses: task, role of a column, risk tier, length of a window."""

from enum import StrEnum


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Role(StrEnum):
    """How a feature's values are to be read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    ORDINAL = "ordinal"
    DATE = "date"


class Tier(StrEnum):
    """Risk tier: the policy of that name decides what is asked of the model."""

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
