"""The thresholds monitoring works with, where no policy says otherwise; a policy's `monitoring` has the same fields."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Severity = Literal["none", "watch", "act", "critical", "not_measurable"]
Kind = Literal["none", "data_quality", "covariate_shift", "label_shift", "concept_drift"]

SEVERITIES: tuple[Severity, ...] = ("not_measurable", "none", "watch", "act", "critical")
"""In rising order; what cannot be measured never outranks what was."""


class Rules(Protocol):
    """What monitoring needs to know of a policy."""

    @property
    def psi_watch(self) -> float: ...  # noqa: D102
    @property
    def psi_act(self) -> float: ...  # noqa: D102
    @property
    def alpha(self) -> float: ...  # noqa: D102
    @property
    def persistence_k(self) -> int: ...  # noqa: D102
    @property
    def persistence_n(self) -> int: ...  # noqa: D102
    @property
    def minimum_rows(self) -> int: ...  # noqa: D102
    @property
    def performance_drop_watch(self) -> float: ...  # noqa: D102
    @property
    def performance_drop_act(self) -> float: ...  # noqa: D102
    @property
    def max_null_increase(self) -> float: ...  # noqa: D102
    @property
    def max_new_category_share(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class MonitoringRules:
    """Defaults, for tables without a policy (`mlops drift`)."""

    psi_watch: float = 0.1
    psi_act: float = 0.25
    alpha: float = 0.01
    persistence_k: int = 2
    persistence_n: int = 3
    minimum_rows: int = 200
    performance_drop_watch: float = 0.03
    performance_drop_act: float = 0.06
    max_null_increase: float = 0.05
    max_new_category_share: float = 0.05


def worst(severities: Iterable[Severity]) -> Severity:
    """The highest severity; `not_measurable` only where nothing was measured."""
    return SEVERITIES[max((SEVERITIES.index(s) for s in severities), default=0)]


def at_least(severity: Severity, floor: Severity) -> bool:
    """Whether `severity` is `floor` or worse."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(floor)
