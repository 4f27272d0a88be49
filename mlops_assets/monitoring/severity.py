"""Severities and kinds of change: the words every verdict uses, their order, and how a size becomes a severity."""

from collections.abc import Iterable
from typing import Literal

Severity = Literal["none", "watch", "act", "critical", "not_measurable"]
Kind = Literal["none", "data_quality", "covariate_shift", "label_shift", "concept_drift"]

SEVERITIES: tuple[Severity, ...] = ("not_measurable", "none", "watch", "act", "critical")
"""In rising order; what cannot be measured never outranks what was."""

TOLERATED = 0.2
"""Share of a `_watch` size up to which a lasting change of outcomes is none, for evidence that adds up over windows."""
TOLERATED_DISTANCE = 0.5
"""The same for the distance of an input or score."""


def worst(severities: Iterable[Severity]) -> Severity:
    """The highest severity; `not_measurable` only where nothing was measured."""
    return SEVERITIES[max((SEVERITIES.index(s) for s in severities), default=0)]


def at_least(severity: Severity, floor: Severity) -> bool:
    """Whether `severity` is `floor` or worse."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(floor)


def severity_of(size: float, watch: float, act: float) -> Severity:
    """Severity of a change of this size, from its two thresholds; `critical` from twice the second one on."""
    if size >= 2 * act:
        return "critical"
    return "act" if size >= act else "watch" if size >= watch else "none"
