"""Whether a classifier can tell two samples apart: a test that sees what no single column shows."""

from dataclasses import dataclass

import numpy as np

LEAST_ROWS = 200
LEAST_HALF = 50
BLOCKS = 10
"""Blocks of following rows, held out in turn."""
MOSTLY_DIFFERENT = 0.5
"""Share of different rows from which on a row that repeats is one that was drawn twice."""


@dataclass(frozen=True)
class ClassifierTest:
    """The test's answer.

    Attributes:
        auc: probability that the classifier ranks a row of the window above one of the reference, on rows it has not
            seen; .5 means that it cannot tell them apart.
        p_value: one-sided, that it cannot.
        drops: by column, how much of the AUC is lost when the column is shuffled among those rows; empty where the
            p-value is not below `level`: there is nothing to explain.
    """

    auc: float
    p_value: float
    drops: tuple[float, ...]


def two_sample_classifier(
    reference: np.ndarray, window: np.ndarray, *, level: float, seed: int
) -> ClassifierTest | None:
    """Classifier two-sample test (Friedman 2003; Lopez-Paz & Oquab 2017), with the AUC for its statistic.

    Half of each sample trains a gradient boosting, the other half is ranked by it. Since those rows are independent of
    the training, the ranking's U statistic has its known null distribution (Mann & Whitney 1947, normal with the
    correction for ties): no permutation is needed, and nothing is assumed about the columns.

    Two things would make rows of both halves dependent. Neighbours in time are alike: the halves are blocks of rows
    that follow each other. Rows that repeat (a sample with replacement) would be recognised: all rows that are equal go
    to one half, and count for as many as are independent. Where more than half of all rows repeat, that is in the
    nature of the table (a few categories), and nothing is done about it.

    Args:
        reference, window: shape (rows, columns), NaN where missing; in the order of time, if there is one.
        level: p-value below which columns are looked at one by one.
        seed: of the classifier and of the shuffles.

    Returns:
        None with fewer than 200 rows on either side, or with fewer than 50 in any half of them.
    """
    if min(len(reference), len(window)) < LEAST_ROWS:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    x = np.concatenate([reference, window])
    side = np.repeat([0, 1], [len(reference), len(window)])
    held, equal = _halves(x, side)
    if min(np.bincount(2 * side + held, minlength=4)) < LEAST_HALF:
        return None
    # A column without any value to learn from has no bins.
    x = np.where(np.isfinite(x[~held]).any(axis=0), x, 0.0)
    generator = np.random.default_rng(seed)
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        early_stopping=False,  # type: ignore[arg-type]
        random_state=seed % 2**32,
    )
    seen, truth = x[held], side[held]
    repeats = [_repeats(equal[held & (side == which)]) for which in (0, 1)]
    drops = []
    # Threads that wait for each other cost more than so few rows are worth.
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(x[~held], side[~held])
        auc, p_value = _ranked(model.predict_proba(seen)[:, 1], truth, repeats)
        for column in range(x.shape[1] if p_value < level else 0):
            shuffled = seen.copy()
            shuffled[:, column] = generator.permutation(shuffled[:, column])
            drops.append(auc - _ranked(model.predict_proba(shuffled)[:, 1], truth, repeats)[0])
    return ClassifierTest(auc, p_value, tuple(drops))


def _halves(x: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are held out, and a number by which equal rows are known (each its own where repeats are natural)."""
    place = np.concatenate([np.arange(rows) * BLOCKS // rows for rows in np.bincount(side)])
    held = place % 2 == 1
    # One random sum a row finds equal rows as fast as one column can be sorted; what is missing has a weight too.
    weights = np.random.default_rng(len(x)).normal(size=(2, x.shape[1]))
    sums = np.nan_to_num(x) @ weights[0] + np.isnan(x) @ weights[1]
    _, first, equal = np.unique(sums, return_index=True, return_inverse=True)
    if len(first) <= MOSTLY_DIFFERENT * len(x):
        return held, np.arange(len(x))
    return held[first][equal], equal


def _repeats(equal: np.ndarray) -> float:
    """Design effect of rows that repeat: Kish's Σ m² / Σ m over their numbers m; 1 where none does."""
    times = np.unique(equal, return_counts=True)[1]
    return float((times**2).sum() / times.sum())


def _ranked(score: np.ndarray, side: np.ndarray, repeats: list[float]) -> tuple[float, float]:
    from scipy.special import ndtr
    from scipy.stats import rankdata

    ranks = rankdata(score)
    m = int(side.sum())
    n, rows = len(side) - m, len(side)
    auc = (float(ranks[side == 1].sum()) / m - (m + 1) / 2) / n
    ties = np.unique(ranks, return_counts=True)[1].astype(float)
    spread = 1 - float((ties**3 - ties).sum()) / (rows * (rows**2 - 1))
    # n / repeats and m / repeats rows are independent.
    variance = spread * (repeats[0] / n + repeats[1] / m + 1 / (n * m)) / 12
    return auc, float(ndtr(-(auc - 0.5) / variance**0.5)) if variance > 0 else 1.0
