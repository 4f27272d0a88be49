"""What drives the scores, window against reference: needs no outcomes.

Belongs here: importance of features for the *score*, on samples, and how it moved. Not here: importance for
performance, or reasons for single decisions (`evaluation/explanations.py`).

A feature's importance is how far scores move, on average, when its values are shuffled among the rows (permutation
importance with the score itself as what is lost; Breiman 2001, Fisher, Rudin & Dominici 2019). The model is fixed, so
importance moves when the data do: a feature that became constant drives nothing any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.evaluation.performance import plain
from mlops_assets.statistics.intervals import holm, two_sided_p, z_of

Predict = Callable[[pl.DataFrame], np.ndarray]
ROWS = 2000
REPEATS = 3


@dataclass(frozen=True)
class Importances:
    """Importance of each feature on one sample of rows."""

    n: int
    features: tuple[str, ...]
    values: tuple[float, ...]
    """Mean absolute change of the score when the feature is shuffled, in the score's unit."""
    errors: tuple[float, ...]
    """Standard errors over rows."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return plain(asdict(self))


@dataclass(frozen=True)
class FeatureAttribution:
    """One feature, window against reference."""

    feature: str
    reference: float
    window: float
    reference_share: float
    """Of the importance of all features."""
    window_share: float
    reference_rank: int
    window_rank: int
    p_adjusted: float
    """Two-sided, that the importance is the same; Holm over features."""


@dataclass(frozen=True)
class AttributionChange:
    """Change of what drives the scores."""

    features: tuple[FeatureAttribution, ...]
    """Largest change of share first."""
    ndcg: float
    """Agreement of the window's order with the reference's, weighted by the reference's importance; 1 is the same
    order."""
    moved: float
    """Half the sum of the changes of share: 0 nothing moved, 1 everything did."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def score_importance(
    predict: Predict,
    frame: pl.DataFrame,
    features: Sequence[str],
    *,
    rows: int = ROWS,
    repeats: int = REPEATS,
    seed: int = 20261121,
) -> Importances:
    """Importance of `features` for the scores of a seeded sample of `frame`.

    All shuffled copies are scored in one call a feature. Standard errors count the rows, not the shuffles.

    Raises:
        ValueError: fewer than two rows, a feature that is missing, or scores that are not finite.
    """
    absent = [name for name in features if name not in frame.columns]
    if absent or frame.height < 2:
        raise ValueError(
            f"found {frame.height} rows without {absent or 'nothing'}, expected two rows and every feature"
        )
    rng = np.random.default_rng(seed)
    if frame.height > rows:
        frame = frame[np.sort(rng.choice(frame.height, rows, replace=False))]
    base = np.asarray(predict(frame), dtype=float).reshape(frame.height, -1)
    if not np.isfinite(base).all():
        raise ValueError("found scores that are NaN or infinite, expected finite ones: repair the scoring first")
    stacked = pl.concat([frame] * repeats)
    values, errors = [], []
    for name in features:
        donors = [rng.permutation(frame.height) for _ in range(repeats)]
        shuffled = pl.concat([frame[name][donor] for donor in donors])
        after = np.asarray(predict(stacked.with_columns(shuffled.alias(name))), dtype=float)
        change = np.abs(after.reshape(repeats, frame.height, -1) - base).mean(2)
        values.append(float(change.mean()))
        # A row counts twice: where it received a value, and where it gave one.
        given = np.stack([change[i][np.argsort(donor)] for i, donor in enumerate(donors)])
        errors.append(float((change.mean(0) + given.mean(0)).std(ddof=1)) / np.sqrt(frame.height))
    return Importances(frame.height, tuple(features), tuple(values), tuple(map(float, errors)))


def compare_importance(reference: Importances, window: Importances) -> AttributionChange:
    """Compare the importances of the same features on two samples."""
    if reference.features != window.features:
        raise ValueError(f"found features {window.features}, expected those of the reference, {reference.features}")
    before, after = np.array(reference.values), np.array(window.values)
    share_before, share_after = (v / v.sum() if v.sum() > 0 else np.zeros(len(v)) for v in (before, after))
    rank_before, rank_after = _ranks(before), _ranks(after)
    errors = np.hypot(reference.errors, window.errors)
    adjusted = holm([two_sided_p(z_of(float(b - a), float(e))) for a, b, e in zip(before, after, errors, strict=True)])
    order = sorted(range(len(before)), key=lambda i: (-abs(share_after[i] - share_before[i]), i))
    rows = tuple(
        FeatureAttribution(
            reference.features[i], float(before[i]), float(after[i]), float(share_before[i]), float(share_after[i]),
            int(rank_before[i]), int(rank_after[i]), adjusted[i],
        )
        for i in order
    )  # fmt: skip
    moved = float(np.abs(share_after - share_before).sum() / 2)
    first = rows[0] if rows else None
    reason = "no feature"
    if first is not None:
        reason = (
            f"{moved:.0%} of what drives the scores moved; most of all {first.feature}, "
            f"from {first.reference_share:.0%} (rank {first.reference_rank}) "
            f"to {first.window_share:.0%} (rank {first.window_rank})"
        )
    return AttributionChange(rows, _ndcg(before, rank_after), moved, reason)


def _ranks(values: np.ndarray) -> np.ndarray:
    """1 for the largest; equal values in the order given."""
    ranks = np.empty(len(values), dtype=int)
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return ranks


def _ndcg(relevance: np.ndarray, ranks: np.ndarray) -> float:
    """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) of `ranks` for `relevance`."""
    best = float((relevance / np.log2(_ranks(relevance) + 1)).sum())
    return float((relevance / np.log2(ranks + 1)).sum()) / best if best else 1.0
