"""Models of LightGBM, in its own text format (`Booster.save_model`): trees as numbers, and no code."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.datasets.values import text_of
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

UNNAMED = re.compile(r"Column_\d+")
"""What LightGBM calls an input that has no name."""
BINARY = ("binary", "cross_entropy")
NO_VALUES = ("binary", "multiclass", "lambdarank", "rank_xendcg")


def read(content: bytes, trusted: frozenset[str]) -> bytes:
    """The file's bytes, once they look like a whole file.

    Raises:
        ImportedModelError: they are no model file of LightGBM, or a part of one.
    """
    if not content.startswith(b"tree\n") or b"\nend of trees" not in content:
        raise ImportedModelError(
            "it is no LightGBM model file, or only a part of one; write the model with booster.save_model(file)"
        )
    return content


def open_model(content: bytes, asked: Asked) -> Opened:
    """The model as it can be called.

    Raises:
        ImportedModelError: LightGBM is not installed or cannot read the file, the model is of another task, or its text inputs
            are others than the declared ones.
    """
    lightgbm = library("lightgbm")
    try:
        text = content.decode()
        booster = lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
        raise ImportedModelError(f"LightGBM does not read the file ({first_line(error)})") from error
    require_objective(_objective(text), asked, BINARY, NO_VALUES)
    known = booster.pandas_categorical or []
    if asked.texts is not None and len(asked.texts) != len(known):
        raise ImportedModelError(
            f"the model was trained with {len(known)} categorical columns of pandas, and {len(asked.texts)} features are "
            "declared as categorical; declare exactly the columns that were categorical in training"
        )
    texts = dict(zip(asked.texts or (), known, strict=False))
    names = tuple(booster.feature_name())

    def scores(frame: "pd.DataFrame") -> np.ndarray:
        coded = {name: _categories(frame[name], values) for name, values in texts.items()}
        return booster.predict(frame.assign(**coded), num_threads=1)

    return Opened(
        names=None if all(UNNAMED.fullmatch(name) for name in names) else names,
        width=len(names),
        scores=scores,
        about={"model": f"{booster.num_trees()} trees", "library": f"LightGBM {lightgbm.__version__}"},
    )


def _objective(text: str) -> str:
    """What the model was trained for, as the file says; empty where it does not."""
    found = re.search(r"^objective=(\S+)", text.partition("\nTree=")[0], re.MULTILINE)
    return found[1] if found else ""


def _categories(values: Any, known: list[Any]) -> Any:
    """Texts as the categories that the model was trained with, which may be numbers; others are missing to it."""
    import pandas as pd

    as_trained = {text_of(value): value for value in known}
    return pd.Categorical([as_trained.get(value, np.nan) for value in values], categories=known)


FORMAT = FileFormat(read, open_model, native=True)
