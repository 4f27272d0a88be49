"""The A/B test of a challenger: what its windows say together, decided once.

Each window's difference, with its standard error, is in its record `ladder_tested` (the test `ab`). The windows are weighted by
their rows, and the sum decides at the first window by which the declared windows and rows are there: looking again at each
further window until it passes would let a worse version through more often than the declared confidence says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from mlops_assets.ledger.state.versions import LadderTest
from mlops_assets.policy.release_rules import Release

NAME = "ab"
"""Name of the test in a window's record."""


@dataclass(frozen=True)
class AbResult:
    """What an A/B test says.

    Attributes:
        outcome: `waiting` until its windows are full; `passed` where the challenger loses less than the margin; else `failed`.
        reason: in a sentence, with its power.
        window: the last window that it rests on; empty while it waits.
        difference, low: challenger less champion, positive favours the challenger; the lower bound.
        detectable: the smallest margin with which, of two versions that are equally good, the challenger passes at the
            declared power.
    """

    outcome: Literal["waiting", "passed", "failed"]
    reason: str
    window: str = ""
    difference: float | None = None
    low: float | None = None
    detectable: float | None = None


def ab_result(tests: Sequence[LadderTest], release: Release, margin: float) -> AbResult:
    """Decide an A/B test.

    Difference, pooled: d = Σ nᵢ dᵢ / Σ nᵢ with standard error s = √(Σ (nᵢ sᵢ)²) / Σ nᵢ, windows being independent. It passes where
    d - z(confidence)·s lies above -margin; with equal versions that has the power p from a margin of (z(confidence) + z(p))·s on
    (non-inferiority of a normal estimate).

    Args:
        tests: of its windows, in order.
        release: with windows, rows, confidence and power.
        margin: loss that still counts as no worse.
    """
    rows, total, weighted, squares, counted, last = 0, 0, 0.0, 0.0, 0, ""
    for test in tests:
        check = test.check(NAME)
        if check is None or check.value is None or check.error is None or not check.rows:
            continue
        counted, last, rows = counted + 1, test.window, rows + check.rows
        total += check.rows
        weighted += check.rows * check.value
        squares += (check.rows * check.error) ** 2
        if counted >= release.ab_windows and rows >= release.ab_rows:
            break
    if counted < release.ab_windows or rows < release.ab_rows:
        least = f" and {rows} of {release.ab_rows} rows" if release.ab_rows else ""
        return AbResult("waiting", f"outcomes are known of {counted} of {release.ab_windows} windows{least}")
    difference, error = weighted / total, math.sqrt(squares) / total
    confident, powerful = (NormalDist().inv_cdf(p) for p in (release.ab_confidence, release.ab_power))
    low, detectable = difference - confident * error, (confident + powerful) * error
    passed = low > -margin
    text = (
        f"A/B test ({release.ab_test.replace('_', '-')}) of {counted} windows and {rows} rows: difference {difference:+.4f}, "
        f"with confidence of {release.ab_confidence:.0%} above {low:+.4f}, {'above' if passed else 'not above'} the margin of "
        f"-{margin:g}; with a power of {release.ab_power:.0%} an equal version passes from a margin of {detectable:.4f} on"
    )
    return AbResult("passed" if passed else "failed", text, last, difference, low, detectable)
