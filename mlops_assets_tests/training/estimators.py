"""A user's own estimators: types that no allow-list knows, NaN parameters, searches, pipelines, and ways to fail."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier


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


class MissingMarker(Scorecard):
    """Has parameters as XGBoost has them: NaN marks what is missing, infinity that there is no limit."""

    def __init__(self, missing: float = np.nan, limit: float = np.inf, rate: float | None = None) -> None:
        self.missing = missing
        self.limit = limit
        self.rate = rate


class NanScores(Scorecard):
    """Answers with NaN."""

    def predict_proba(self, matrix: Any) -> np.ndarray:
        return np.full((len(matrix), 2), np.nan)


class FailsOnManyRows(Scorecard):
    """Can be compared on the folds, and fails on all rows."""

    def fit(self, matrix: Any, target: Any) -> "FailsOnManyRows":
        if len(target) >= 400:
            raise MemoryError("out of memory")
        super().fit(matrix, target)
        return self


def with_missing_marker() -> MissingMarker:
    return MissingMarker()


def nan_scores() -> NanScores:
    return NanScores()


def fails_on_many_rows() -> FailsOnManyRows:
    return FailsOnManyRows()


def searched() -> RandomizedSearchCV:
    return RandomizedSearchCV(DecisionTreeClassifier(), {"max_depth": [2, 3, 4, 5]}, n_iter=2, cv=2)


def with_imputer() -> Pipeline:
    return Pipeline([("impute", SimpleImputer()), ("model", LogisticRegression())])
