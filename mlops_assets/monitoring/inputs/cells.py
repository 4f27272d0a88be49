"""Over which cells reference and window are compared, and which single category has grown.

Belongs here: turning a column's counts into two vectors that a test may be run on. The tests are in `statistics/`.
"""

import numpy as np

from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.homogeneity import LEAST_EXPECTED
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.statistics.proportions import share_increase

LEAST_CATEGORY = 20
GROUP_FACTOR = 1.5
GROUP_POINTS = 0.02


def comparable_counts(reference: ColumnProfile, window: ColumnCounts) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both sides over the same cells; for categories with a last cell for all that are too rare.

    Which value is too rare is decided by both sides together. Were it decided by the reference's rows alone, each value
    that is kept would be one whose share they overstate, and a window without change would look changed.
    """
    if reference.kind == "numeric":
        return np.asarray(reference.counts), np.asarray(window.counts)
    before = np.asarray([*reference.categories.values(), *(0 for _ in window.new)])
    now = np.asarray([*window.counts, *window.new.values()])
    rows = max(reference.present + window.present, 1)
    kept = (before + now) * min(reference.present, window.present) / rows >= LEAST_EXPECTED
    if reference.others:
        # The list of values ends where the reference's own counts said: near its end the same overstatement holds.
        listed_from = min(reference.categories.values())
        kept &= (before + now) * reference.present / rows >= 2 * listed_from
    pooled = reference.present - int(before[kept].sum())
    pooled_now = window.present - int(now[kept].sum())
    if not pooled and not pooled_now:
        return before[kept], now[kept]
    return np.append(before[kept], pooled), np.append(now[kept], pooled_now)


def grown_group(reference: ColumnProfile, window: ColumnCounts, level: float) -> tuple[str, float]:
    """The category that is one and a half times as frequent or more, by two points or more, beyond chance, and its
    factor; PSI hardly sees a small one. Empty and 0 where there is none."""
    before, now = np.asarray(list(reference.categories.values()), dtype=float), np.asarray(window.counts, dtype=float)
    if not len(before) or not window.present:
        return "", 0.0
    p, q = before / max(reference.present, 1), now / window.present
    grown = (q >= GROUP_FACTOR * p) & (q - p >= GROUP_POINTS) & (before >= LEAST_CATEGORY)
    if not grown.any():
        return "", 0.0
    at = int(np.argmax(np.where(grown, q - p, 0.0)))
    test = share_increase(int(before[at]), reference.present, int(now[at]), window.present)
    certain = test.p_value * len(before) < level
    return (list(reference.categories)[at], float(q[at] / p[at])) if certain else ("", 0.0)
