"""Concordance: how often the larger prediction goes with the larger outcome."""

import numpy as np


def concordance(outcome: np.ndarray, prediction: np.ndarray) -> float | None:
    """Share of pairs of rows with different outcomes that are predicted in the same order; ties count half.

    For a binary outcome it is the area under the ROC curve; without ties it is (1 + Kendall's tau) / 2. It is bounded
    whatever the size of an error, and 0.5 says that the order is chance.

    Source: Harrell, Califf, Pryor, Lee & Rosati (1982), Evaluating the yield of medical tests, JAMA 247(18).

    Args:
        outcome: (n,) numbers without NaN.
        prediction: (n,) numbers without NaN. Time and memory grow with n²: meant for a few thousand rows.

    Returns:
        A number from 0 to 1, or None when all outcomes are equal.
    """
    y, said = np.asarray(outcome, dtype=float), np.asarray(prediction, dtype=float)
    above = y[:, None] > y[None, :]
    pairs = int(above.sum())
    if pairs == 0:
        return None
    agreeing = int(((said[:, None] > said[None, :]) & above).sum())
    tied = int(((said[:, None] == said[None, :]) & above).sum())
    return (agreeing + 0.5 * tied) / pairs
