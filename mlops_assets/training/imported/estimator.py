"""The stored form of a model that others trained: an estimator around what its file holds.

Belongs here: how the features of a row reach the model, and its score. Not here: reading the file (`training/importing.py`) and what
each format needs (`formats.py`).
"""

import hashlib
from typing import Any

import numpy as np

from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.features.frame import MISSING
from mlops_assets.training.imported.formats import FORMATS
from mlops_assets.training.imported.opened import Asked, ImportedModelError, Opened, first_line

STORED = ("format", "sha256", "regression", "positive", "inputs", "held")
TAKES = "Declare what it takes: `nullable: false` for features that may not be missing, `allowed` for the categories that it knows"


class ImportedModel:
    """A fitted estimator that calls a model of another maker.

    Args:
        format: of its file.
        sha256: of its file.
        regression: whether the task is regression; otherwise it is binary.
        positive: the declared positive value of a binary target, as text.
        inputs: of its inputs, in its order: the name under which it gets it, which column of the matrix it is, and whether it
            is text.
        held: what its file holds: a scikit-learn estimator, or the file's bytes.
    """

    def __init__(
        self,
        format: str,
        sha256: str,
        regression: bool,
        positive: str,
        inputs: list[tuple[str, int, bool]],
        held: Any,
    ) -> None:
        self.format = format
        self.sha256 = sha256
        self.regression = regression
        self.positive = positive
        self.inputs = inputs
        self.held = held
        self.classes_ = np.array([0, 1])
        self._opened: Opened | None = None

    def fit(self, X: Any, y: Any = None) -> "ImportedModel":
        """Nothing is learned; scikit-learn asks for the method."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The predicted value (regression), or whether the probability is at least a half."""
        scores = self._scores(X)
        return scores if self.regression else (scores >= 0.5).astype(np.int64)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The probability of the positive outcome as shape (n, 2)."""
        scores = self._scores(X)
        return np.column_stack([1 - scores, scores])

    def opened(self) -> Opened:
        """The model, ready to be called."""
        if self._opened is None:
            texts = tuple(name for name, _, is_text in self.inputs if is_text)
            asked = Asked(self.regression, self.positive, texts)
            self._opened = FORMATS[ModelFormat(self.format)].open(self.held, asked)
        return self._opened

    def require_file(self, sha256: str) -> None:
        """Check that this is the model of the file with that digest.

        Raises:
            ImportedModelError: it is another file's.
        """
        found = hashlib.sha256(self.held).hexdigest() if isinstance(self.held, bytes) else self.sha256
        if not found == self.sha256 == sha256:
            raise ImportedModelError(
                f"the stored model comes from a file with SHA-256 {found[:12]}, on record is {sha256[:12]}; "
                "restore the registered artifact"
            )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What is known of it, as scikit-learn asks for its settings."""
        return {name: getattr(self, name) for name in STORED if name != "held"}

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STORED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def __sklearn_tags__(self) -> Any:
        """What kind of estimator it is, as scikit-learn asks for it."""
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()

    def __sklearn_is_fitted__(self) -> bool:
        """It was fitted by others."""
        return True

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """One number a row; a missing text is NaN, as pandas reads an empty field."""
        import pandas as pd

        matrix = np.asarray(X)
        columns = {}
        for name, place, is_text in self.inputs:
            values = matrix[:, place]
            if is_text:
                columns[name] = np.where(values == MISSING, np.nan, values)
            else:
                columns[name] = values.astype(np.float64)
        try:
            found = np.asarray(self.opened().scores(pd.DataFrame(columns, copy=False)), dtype=np.float64)
        except ImportedModelError:
            raise
        except Exception as error:  # whatever a model of another maker raises
            raise ImportedModelError(
                f"the imported model does not score {len(matrix)} rows ({type(error).__name__}: {first_line(error)}). {TAKES}"
            ) from error
        if found.shape != (len(matrix),):
            raise ImportedModelError(f"the imported model gives scores of shape {found.shape}, expected one a row")
        if not np.isfinite(found).all():
            raise ImportedModelError(
                f"the imported model gives NaN or infinity for {int((~np.isfinite(found)).sum())} of {len(found)} rows. {TAKES}"
            )
        return found
