"""Models of scikit-learn's kind, stored by skops: the objects themselves, of types on the allow-list.

Loading builds objects of the types that the file names, so these are looked at first and nothing else is built.
"""

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.training.imported.opened import (
    Asked,
    FileFormat,
    ImportedModelError,
    Opened,
    first_line,
    positive_class,
)

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2 * 1024**3
"""Bytes of the unpacked content."""


def read(content: bytes, trusted: frozenset[str]) -> Any:
    """The estimator in the file.

    Args:
        content: of the file; its types were found to be on the allow-list.
        trusted: the allow-list.

    Raises:
        ImportedModelError: the file is damaged, or its objects cannot be built with the libraries that are installed.
    """
    import skops.io

    try:
        return skops.io.loads(content, trusted=sorted(trusted))
    except Exception as error:
        raise ImportedModelError(
            f"the skops file cannot be loaded ({type(error).__name__}: {first_line(error)}); was it written with another version "
            "of scikit-learn, or of a library that is not installed here?"
        ) from error


def types_in(content: bytes) -> frozenset[str]:
    """Types in a skops file beyond those that skops itself trusts; nothing of it is loaded.

    Raises:
        ImportedModelError: it is no skops file.
    """
    import skops.io

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise ImportedModelError(f"the skops file unpacks to {size} bytes; no model is larger than {LARGEST}")
        return frozenset(skops.io.get_untrusted_types(data=content))
    except ImportedModelError:
        raise
    except Exception as error:
        raise ImportedModelError(
            f"it is no skops file, or a damaged one ({type(error).__name__}: {first_line(error)}); write the model with "
            "skops.io.dump(model, file)"
        ) from error


def open_model(estimator: Any, asked: Asked) -> Opened:
    """The estimator as a model that can be called.

    Raises:
        ImportedModelError: it is of another task than the declared one, or gives no probabilities.
    """
    import sklearn
    from sklearn.base import is_classifier

    kind = _kind(estimator)
    if not hasattr(estimator, "predict"):
        raise ImportedModelError(f"the file holds a {kind}, expected a fitted estimator or pipeline with `predict`")
    if is_classifier(estimator) == asked.regression:
        task, other = ("regression", "classifier") if asked.regression else ("binary", "regressor")
        raise ImportedModelError(f"task is {task}, and the file holds a {other} ({kind})")
    names = getattr(estimator, "feature_names_in_", None)
    column = None if asked.regression else _positive_column(estimator, kind, asked.positive)

    def scores(frame: "pd.DataFrame") -> np.ndarray:
        given = frame if names is not None else frame.to_numpy()
        return estimator.predict(given) if column is None else estimator.predict_proba(given)[:, column]

    return Opened(
        names=None if names is None else tuple(str(name) for name in names),
        width=getattr(estimator, "n_features_in_", None),
        scores=scores,
        about={"model": kind, "library": f"scikit-learn {sklearn.__version__}"},
    )


def _positive_column(estimator: Any, kind: str, positive: str) -> int:
    """Which column of the probabilities is that of the positive outcome."""
    if not hasattr(estimator, "predict_proba"):
        raise ImportedModelError(f"the {kind} in the file gives no probabilities: it has no `predict_proba`")
    return positive_class(list(estimator.classes_), positive, kind)


def _kind(estimator: Any) -> str:
    """Class of the estimator; of a pipeline, that of its last step."""
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1] if steps else estimator).__name__


FORMAT = FileFormat(read, open_model)
