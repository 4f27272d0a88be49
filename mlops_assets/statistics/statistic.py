"""What a registered statistic is: a number, and evidence where it has any, for one column of a window against the reference.

A statistic sees counts over the same cells on both sides, never rows. Not here: the population stability index and the tests
that every verdict rests on (`psi.py`, `homogeneity.py`), and what a value leads to (`monitoring/inputs/`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, PlainValidator, SerializeAsAny

from mlops_assets.registration import Extension, Known
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.strictness import LowerLimit, OpenPart, Part, unmarked


class StatisticRule(Part):
    """From which value on a statistic counts. One with a p-value then raises an alarm; one without is shown only."""

    watch: LowerLimit = Field(default=None)
    """Value from which on a significant change is worth watching; null: none is."""
    act: LowerLimit = Field(default=None)
    """Value from which on a significant change is worth acting on; null: none is."""


@dataclass(frozen=True)
class StatisticInputs:
    """One column of a window and of the reference.

    Attributes:
        before, now: counts over the same cells, shape (k,): bins in order (numeric), or values with all rare ones in the last.
        reference: the column in the reference's profile.
        window: the column in the window.
    """

    before: np.ndarray
    now: np.ndarray
    reference: ColumnProfile
    window: ColumnCounts


@dataclass(frozen=True)
class Change:
    """What a statistic found.

    Attributes:
        value: larger is more change.
        p_value: that nothing has changed, before it is adjusted over the columns; None: the statistic is no test.
    """

    value: float
    p_value: float | None = None


@dataclass(frozen=True)
class Statistic(Extension):
    """One statistic of a column.

    Attributes:
        name: as in reports, and in the policy under `monitoring.statistics`.
        description: what it measures, its range, and its source.
        measure: the change of one column; None: it does not apply to the column. Pure.
        kinds: of columns that it is for.
        rule: type of its part of the policy: `StatisticRule`, or a subclass with further documented fields.
    """

    KIND: ClassVar[str] = "statistics"

    name: str
    description: str
    measure: Callable[[StatisticInputs], Change | None]
    kinds: tuple[str, ...] = ("numeric", "categorical")
    rule: type[StatisticRule] = StatisticRule

    def objections(self) -> list[str]:
        """What keeps the statistic from being used: a rule that a policy cannot hold."""
        if not issubclass(self.rule, StatisticRule):
            return [f"its rule is {self.rule.__name__}, expected a subclass of StatisticRule"]
        return unmarked(self.rule)


STATISTICS: Known[Statistic] = Known(Statistic)


class StatisticRules(OpenPart):
    """From which value of each registered statistic on a change counts."""

    @classmethod
    def parts(cls) -> Mapping[str, tuple[type[Part], str]]:
        """The rule of each statistic, with its description."""
        return {name: (one.rule, one.description) for name, one in STATISTICS.items()}

    def rule(self, name: str) -> StatisticRule:
        """The rule of a statistic; without limits for one that was not registered when the policy was read."""
        return getattr(self, name, StatisticRule())


RegisteredStatisticRules = Annotated[SerializeAsAny[StatisticRules], PlainValidator(StatisticRules.read)]
"""Type of a field that holds the rules of every registered statistic."""
