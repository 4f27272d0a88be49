"""The features step of a model that others trained: it gets the declared features as they are, and prepares them itself."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class PassedThrough:
    """A fitted transformer that changes nothing: each feature is one column of the matrix.

    Args:
        names: of the features, in the order of the columns.
        texts: which of them are text.
    """

    def __init__(self, names: list[str], texts: list[str]) -> None:
        self.names = names
        self.texts = texts

    def fit(self, X: Any, y: Any = None) -> "PassedThrough":
        """Nothing is learned; scikit-learn asks for the method."""
        return self

    def transform(self, X: "pd.DataFrame") -> np.ndarray:
        """The features as float64, or as objects where some are text; shape (rows, features)."""
        return X[self.names].to_numpy(dtype=object if self.texts else np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns."""
        return np.array(self.names, dtype=object)

    def columns_of_features(self) -> dict[str, list[int]]:
        """Which column is which feature."""
        return {name: [place] for place, name in enumerate(self.names)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its settings, as scikit-learn asks for them."""
        return {"names": self.names, "texts": self.texts}

    def __sklearn_tags__(self) -> Any:
        """What kind of estimator it is, as scikit-learn asks for it."""
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()

    def __sklearn_is_fitted__(self) -> bool:
        """It needs no fitting."""
        return True
