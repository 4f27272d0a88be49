"""Which candidate becomes the challenger.

Belongs here: the rule that picks one of the fitted candidates, and why. Does not belong here: the comparison with the
champion (`evaluation/`), which is made on held-out rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_assets.training.candidates import FittedCandidate
from mlops_assets.training.fitting import complexity_of
from mlops_assets.training.given_scores import ALGORITHM
from mlops_assets.training.metrics import GREATER_IS_BETTER

INDIFFERENCE = 0.01


@dataclass(frozen=True)
class Selection:
    """The chosen candidate.

    Attributes:
        chosen: the candidate that becomes the challenger.
        highest: label of the one with the best mean, which need not be the chosen one.
        reason: one sentence.
        table: one row a candidate, best mean first: label, mean, std, mean deficit to the best and its standard error.
    """

    chosen: FittedCandidate
    highest: str
    reason: str
    table: list[dict[str, Any]]


def best(candidates: Sequence[FittedCandidate]) -> Selection:
    """Pick the simplest candidate that is as good as the best: within one standard error, and within one per cent.

    The one-standard-error rule (Breiman et al. 1984; Hastie, Tibshirani & Friedman 2009, section 7.10), on differences
    paired by fold: folds differ in level (later years are harder), which an unpaired standard error would count as
    doubt about the candidates. A simpler model is easier to validate and to explain, so doubt is decided in its favour.
    The standard error of three folds is itself uncertain and may be large, so a deficit of more than one per cent of
    the best mean is never put down to chance.

    Where no fold could measure any candidate (one class in each), the simplest is taken: nothing speaks for another.

    Raises:
        ValueError: when there is no candidate.
    """
    if not candidates:
        raise ValueError("found no candidate, expected at least one")
    if len(candidates) == 1 and candidates[0].algorithm == ALGORITHM:
        return Selection(candidates[0], ALGORITHM, "the model is the supplier's: nothing else was tried here", [])
    measured = [c for c in candidates if c.cv_mean.get(c.metric) is not None]
    if not measured:
        return _unmeasured(candidates)
    metric = measured[0].metric
    sign = 1.0 if GREATER_IS_BETTER.get(metric, True) else -1.0
    ranked = sorted(measured, key=lambda c: (-sign * float(c.cv_mean[metric] or 0.0), _complexity(c)))
    top = ranked[0]
    scale = abs(float(top.cv_mean[metric] or 0.0))
    table = []
    within: list[FittedCandidate] = []
    for candidate in ranked:
        deficit, error = _paired_deficit(top, candidate, metric, sign)
        if candidate is top or (error is not None and deficit <= min(error, INDIFFERENCE * scale)):
            within.append(candidate)
        table.append(
            {
                "candidate": candidate.label,
                "metric": metric,
                "mean": candidate.cv_mean[metric],
                "std": candidate.cv_std[metric],
                "deficit": deficit,
                "standard_error": error,
            }
        )
    chosen = min(within, key=_complexity)
    if chosen is top:
        reason = f"{top.label} has the best mean {metric} ({top.cv_mean[metric]:.4f}) and no simpler one comes within "
        reason += "one standard error and one per cent of it"
    else:
        row = next(r for r in table if r["candidate"] == chosen.label)
        reason = (
            f"{chosen.label} is simpler than {top.label} and its mean {metric} falls short by {row['deficit']:.4f}, "
            f"within one standard error ({row['standard_error']:.4f}) and one per cent"
        )
    return Selection(chosen=chosen, highest=top.label, reason=reason, table=table)


def _unmeasured(candidates: Sequence[FittedCandidate]) -> Selection:
    chosen = min(candidates, key=_complexity)
    table = [
        {"candidate": c.label, "metric": c.metric, "mean": None, "std": None, "deficit": None, "standard_error": None}
        for c in candidates
    ]
    reason = f"{chosen.label} is the simplest: no fold has both classes, so {chosen.metric} could not be measured"
    return Selection(chosen=chosen, highest=chosen.label, reason=reason, table=table)


def _paired_deficit(
    top: FittedCandidate, other: FittedCandidate, metric: str, sign: float
) -> tuple[float, float | None]:
    """Mean over folds of how far `other` falls short of `top`, and its standard error (None below two folds)."""
    pairs = [(a[metric], b[metric]) for a, b in zip(top.folds, other.folds, strict=True)]
    differences = [sign * (a - b) for a, b in pairs if a is not None and b is not None]
    if not differences:
        return 0.0, None
    if len(differences) < 2:
        return float(differences[0]), None
    return float(np.mean(differences)), float(np.std(differences, ddof=1) / np.sqrt(len(differences)))


def _complexity(candidate: FittedCandidate) -> int:
    return complexity_of(candidate.algorithm)
