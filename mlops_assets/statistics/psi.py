"""Population stability index, and how much of it is noise."""

import numpy as np

from mlops_assets.statistics.between_periods import BetweenPeriods

HALF_A_ROW = 0.5


def psi(reference: np.ndarray, window: np.ndarray) -> float:
    """PSI = Σ (q − p) · ln(q / p) over k bins, p and q the shares of reference and window (Lewis 1994; Siddiqi 2006).

    It is the symmetrised Kullback-Leibler divergence, without unit; conventions read below 0.10 as stable and above
    0.25 as shifted. Half a row is added to each bin so that an empty one does not make it infinite.

    Args:
        reference, window: counts, shape (k,).
    """
    p = (reference + HALF_A_ROW) / (reference.sum() + HALF_A_ROW * len(reference))
    q = (window + HALF_A_ROW) / (window.sum() + HALF_A_ROW * len(window))
    return float(np.sum((q - p) * np.log(q / p)))


def psi_noise(bins: int, reference_rows: int, window_rows: int) -> float:
    """Mean of the PSI when nothing changed: about (k − 1)(1/n + 1/m) (Yurdakul & Naranjo 2020).

    At k = 20 and windows of 200 rows it is .095: PSI > .1 is then an alarm on noise.
    """
    return (bins - 1) * (1 / max(reference_rows, 1) + 1 / max(window_rows, 1))


def between_psi(periods: BetweenPeriods | None) -> float:
    """PSI of a period against the reference it is one of, beyond drawing rows; 0 where periods do not differ.

    To first order the PSI is the chi-square distance, whose mean is `periods.variance` more.
    """
    return 0.0 if periods is None else periods.variance * (1 + 1 / periods.periods)


def net_psi(reference: np.ndarray, window: np.ndarray, periods: BetweenPeriods | None = None) -> float:
    """PSI less what noise alone would give; never below 0. This is the size that thresholds are held against.

    Where the reference's own periods differ, what they differ by is part of the noise.
    """
    occupied = int(((reference + window) > 0).sum())
    noise = psi_noise(occupied, int(reference.sum()), int(window.sum())) + between_psi(periods)
    return max(0.0, psi(reference, window) - noise)
