"""A user's own estimator, a type that no allow-list knows."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Scorecard(ClassifierMixin, BaseEstimator):
    """Says the share of positives to everybody."""

    def fit(self, matrix: Any, target: Any) -> "Scorecard":
        self.classes_ = np.unique(target)
        self.share_ = float(np.mean(target))
        return self

    def predict_proba(self, matrix: Any) -> np.ndarray:
        return np.tile([1 - self.share_, self.share_], (len(matrix), 1))

    def predict(self, matrix: Any) -> np.ndarray:
        return np.full(len(matrix), int(self.share_ >= 0.5))


def build() -> Scorecard:
    return Scorecard()
