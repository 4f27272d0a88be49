"""When a change began: the first window of an unbroken run of windows that show it.

Belongs here: reading a run of verdicts. Not here: what a verdict says (`triage`), or what a training makes of the date.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CHANGES_THE_ANSWER = frozenset({"concept_drift", "label_shift"})
"""Kinds after which rows from before teach an answer that no longer holds; a shifted population alone does not."""
CHANGES_THE_WORLD = CHANGES_THE_ANSWER | {"covariate_shift"}
"""Kinds after which a model meets other rows than before."""


@dataclass(frozen=True)
class Seen:
    """What one window showed.

    Attributes:
        window: its key.
        version: that decided in it.
        kinds: of all its causes, escalated or not.
    """

    window: str
    version: str
    kinds: frozenset[str]


def onset(windows: Sequence[Seen], until: str, kinds: frozenset[str] = CHANGES_THE_ANSWER) -> str | None:
    """Key of the first window of the run that ends at `until`, or None where that window shows no such change.

    A run is of one version: after a change of champion the comparison is with another reference.

    Args:
        windows: one entry a window, the last verdict on it, in any order.
        until: key of the window that asks.
        kinds: of change that count.
    """
    first = None
    version = None
    for seen in sorted((w for w in windows if w.window <= until), key=lambda w: w.window, reverse=True):
        version = version or seen.version
        if seen.version != version or not seen.kinds & kinds:
            break
        first = seen.window
    return first
