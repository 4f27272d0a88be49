"""Changes over several windows: when one began, how persistent it is, and how long it takes until it is acted on.

Belongs here: reading a run of windows. Not here: what a single window shows (`triage.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlops_assets.ledger.events.windows import WindowEvidence
from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

CHANGES_THE_ANSWER = frozenset({"concept_drift", "label_shift"})
"""Kinds after which earlier rows teach a relation that no longer holds; shifted inputs alone do not."""
CHANGES_THE_WORLD = CHANGES_THE_ANSWER | {"covariate_shift"}
"""Kinds after which a model scores other rows than before."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier window showed.

    Attributes:
        window: its key.
        raw: severity by kind (and of lost performance) before persistence.
        evidence: that it adds over the windows of the version, where it was kept.
        arrived: rises with the order in which outcomes were first known; None where none are.
    """

    window: str
    raw: Mapping[str, Severity] = field(default_factory=dict)
    evidence: WindowEvidence | None = None
    arrived: int | None = None


def after_persistence(
    kind: str, severity: Severity, earlier: Sequence[Earlier], thresholds: MonitoringThresholds
) -> Severity:
    """Severity after persistence: acting on a change needs it in k of the last n windows, this one included."""
    if not at_least(severity, "act"):
        return severity
    recent = list(earlier)[-(thresholds.persistence_n - 1) :] if thresholds.persistence_n > 1 else []
    seen = 1 + sum(at_least(window.raw.get(kind, "none"), "act") for window in recent)
    return severity if seen >= thresholds.persistence_k else "watch"


def run_before(kind: str, earlier: Sequence[Earlier]) -> list[str]:
    """Windows in a row, up to the current one, that showed a change of this kind; oldest first."""
    found: list[str] = []
    for window in reversed(earlier):
        if not at_least(window.raw.get(kind, "none"), "watch"):
            break
        found.insert(0, window.window)
    return found


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


def expected_delay(seen: float, k: int, n: int) -> float | None:
    """Expected number of windows, the first changed one included, until k of the last n show the change.

    Windows are independent of each other and show it with probability `seen`; before the change none did. The last n - 1
    windows are the state of a Markov chain, whose expected time to the first alarm is a linear system of 2^(n-1) equations
    (n up to 12; for more, the last 12 count). None where the change is never seen.
    """
    if seen <= 0:
        return None
    n = min(n, 12)
    k = min(k, n)
    states = 2 ** (n - 1)
    matrix, ones = np.eye(states), np.ones(states)
    for state in range(states):
        shown = state.bit_count()
        for hit, probability in ((1, seen), (0, 1 - seen)):
            if hit and shown + 1 >= k:
                continue
            following = ((state << 1) | hit) & (states - 1)
            matrix[state, following] -= probability
    return float(np.linalg.solve(matrix, ones)[0])
