"""What drives the scores, window against reference: needs no outcomes.

Belongs here: importance of features for the *score*, on samples, and how it moved. Not here: importance for
performance, or reasons for single decisions (`evaluation/reasons/`).

A feature's importance is how far scores move, on average, when its values are shuffled among the rows (permutation
importance with the score itself as what is lost; Breiman 2001, Fisher, Rudin & Dominici 2019). The model is fixed, so
importance moves when the data do: a feature that became constant drives nothing any more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from mlops_assets.evaluation.performance import plain
from mlops_assets.statistics.intervals import two_sided_p, z_of
from mlops_assets.statistics.multiplicity import holm

Predict = Callable[[pl.DataFrame], np.ndarray]
ROWS = 2000
REPEATS = 3
SCORED_AT_ONCE = 60_000
SCORED_A_WINDOW = 60_000
"""Rows that are scored for a window in all, so that its cost does not grow with the number of features or rows."""
FEWEST_ROWS = 100


class Rows(Protocol):
    """Rows of which some are taken by their positions: a frame, or a table that is larger than memory."""

    @property
    def height(self) -> int: ...  # noqa: D102

    @property
    def columns(self) -> list[str]: ...  # noqa: D102

    def __getitem__(self, positions: np.ndarray, /) -> pl.DataFrame: ...


def sample_size(features: int) -> tuple[int, int]:
    """Rows and shuffles for so many features: one shuffle of more rows says more than several of fewer."""
    return min(ROWS, max(FEWEST_ROWS, SCORED_A_WINDOW // max(features, 1))), 1


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

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Importances":
        """Read back what `to_dict` wrote."""
        return cls(stored["n"], *(tuple(stored[name]) for name in ("features", "values", "errors")))


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
    frame: pl.DataFrame | Rows,
    features: Sequence[str],
    *,
    rows: int = ROWS,
    repeats: int = REPEATS,
    seed: int = 20261121,
) -> Importances:
    """Importance of `features` for the scores of a seeded sample of `frame`.

    Shuffled copies are scored together: a pipeline costs more a call than a row. Standard errors count the rows, not the
    shuffles.

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
    if not isinstance(frame, pl.DataFrame):
        frame = frame[np.arange(frame.height)]
    base = np.asarray(predict(frame), dtype=float).reshape(frame.height, -1)
    if not np.isfinite(base).all():
        raise ValueError("found scores that are NaN or infinite, expected finite ones: repair the scoring first")
    values, errors = [], []
    at_once = max(1, SCORED_AT_ONCE // (repeats * frame.height))
    for start in range(0, len(features), at_once):
        chunk = list(features[start : start + at_once])
        donors = [[rng.permutation(frame.height) for _ in range(repeats)] for _ in chunk]
        copies = [
            frame.with_columns(frame[name][donor].alias(name))
            for name, given in zip(chunk, donors, strict=True)
            for donor in given
        ]
        after = np.asarray(predict(pl.concat(copies)), dtype=float).reshape(len(chunk), repeats, frame.height, -1)
        for moved, given in zip(after, donors, strict=True):
            change = np.abs(moved - base).mean(2)
            values.append(float(change.mean()))
            # A row counts twice: where it received a value, and where it gave one.
            lent = np.stack([change[i][np.argsort(donor)] for i, donor in enumerate(given)])
            errors.append(float((change.mean(0) + lent.mean(0)).std(ddof=1)) / np.sqrt(frame.height))
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
