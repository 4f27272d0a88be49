"""Wasserstein distance from counts, in standard deviations of the reference."""

from collections.abc import Sequence

import numpy as np


def normalised_wasserstein(
    reference: np.ndarray, window: np.ndarray, edges: Sequence[float], minimum: float, maximum: float, std: float
) -> float | None:
    """W₁ = ∫ |F(x) − G(x)| dx between the outermost values seen, over the reference's standard deviation.

    Both distribution functions are known on the edges and taken as linear between them, the least that counts allow;
    a distance of 1 is a shift of the whole distribution by one standard deviation.

    Args:
        reference, window: counts, shape (k,).
        edges: inner edges, shape (k − 1,).
        minimum, maximum: outermost finite values of both samples.
        std: of the reference; None comes back where it is 0 or there is nothing to compare.
    """
    if not std or not reference.sum() or not window.sum():
        return None
    points = np.asarray([minimum, *edges, maximum], dtype=float)
    points = np.maximum.accumulate(np.clip(points, minimum, maximum))
    f = np.concatenate([[0.0], np.cumsum(reference) / reference.sum()])
    g = np.concatenate([[0.0], np.cumsum(window) / window.sum()])
    left, right = (f - g)[:-1], (f - g)[1:]
    width = np.diff(points)
    # The integral of |linear| over a piece whose ends have different signs is that of two triangles.
    crossing = left * right < 0
    total = np.abs(left) + np.abs(right)
    area = np.where(crossing, (left**2 + right**2) / np.where(total > 0, total, 1.0), total) / 2
    return float((area * width).sum() / std)
