"""Models of XGBoost, in its JSON or UBJSON format (`save_model`): trees as numbers, and no code."""

import json
from typing import TYPE_CHECKING

import numpy as np

from mlops_assets.training.imported.opened import (
    Asked,
    FileFormat,
    ImportedModelError,
    Opened,
    first_line,
    library,
    require_objective,
)

if TYPE_CHECKING:
    import pandas as pd

BINARY = ("binary:logistic", "reg:logistic")
NO_VALUES = ("binary:", "multi:", "rank:", "survival:")
WRAPPED = "scikit_learn"
"""Attribute that XGBoost writes into the file of a model of its scikit-learn interface."""


def read(content: bytes, trusted: frozenset[str]) -> bytes:
    """The file's bytes, once they look like one of the two formats.

    Raises:
        ImportedModelError: they are neither.
    """
    if not content.startswith(b"{"):
        raise ImportedModelError(
            "it is no XGBoost model file; write the model with model.save_model('model.ubj') or 'model.json'"
        )
    return content


def open_model(content: bytes, asked: Asked) -> Opened:
    """The model as it can be called.

    Raises:
        ImportedModelError: XGBoost is not installed or cannot read the file, the model is of another task, or has text inputs.
    """
    xgboost = library("xgboost")
    booster = xgboost.Booster(params={"nthread": 1})
    try:
        booster.load_model(bytearray(content))
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    except (xgboost.core.XGBoostError, ValueError, KeyError) as error:
        raise ImportedModelError(f"XGBoost does not read the file ({first_line(error)})") from error
    require_objective(objective, asked, BINARY, NO_VALUES)
    coded = [
        name
        for name, kind in zip(booster.feature_names or (), booster.feature_types or (), strict=False)
        if kind == "c"
    ]
    if coded or "c" in (booster.feature_types or ()):
        raise ImportedModelError(
            f"categorical inputs of an XGBoost file are not supported (found {', '.join(coded) or 'some'}): which text a code stands "
            "for is not certain from the file. Have its maker encode them as numbers before the model, or hand over a pipeline "
            "that encodes them, as skops or ONNX"
        )
    if asked.texts:
        raise ImportedModelError(
            f"the model takes numbers only, and {', '.join(asked.texts)} {'is' if len(asked.texts) == 1 else 'are'} declared as "
            "categorical; declare the number that its maker made of it, as numeric"
        )
    # The scikit-learn interface predicts with the best of the rounds, the other one with all of them.
    best = booster.best_iteration + 1 if booster.attr(WRAPPED) and booster.attr("best_iteration") else 0
    names = booster.feature_names

    def scores(frame: "pd.DataFrame") -> np.ndarray:
        rows = xgboost.DMatrix(frame.to_numpy(), feature_names=names, feature_types=booster.feature_types, nthread=1)
        return booster.predict(rows, iteration_range=(0, best))

    return Opened(
        names=None if names is None else tuple(names),
        width=booster.num_features(),
        scores=scores,
        about={"model": f"{booster.num_boosted_rounds()} rounds of trees", "library": f"XGBoost {xgboost.__version__}"},
    )


FORMAT = FileFormat(read, open_model, native=True)
