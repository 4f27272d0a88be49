"""The transformer of a model: fitted in training, carried inside the pipeline that scores.

Belongs here: how the frame of features becomes the matrix an estimator sees, which columns of the matrix belong to which
feature, and the digest that shows whether training and scoring see the same matrix. Does not belong here: types and
values of the frame (`frame.py`) and estimators (`training/`).
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role
from mlops_assets.features.frame import number_features, to_model_frame
from mlops_assets.features.passed_through import PassedThrough

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

Form = Literal["linear", "trees"]
"""Kind of matrix: scaled numbers and a column a category (linear), or plain numbers and category codes (trees)."""

RARE_SHARE = 0.005
MOST_LEVELS: Mapping[Form, int] = {"linear": 40, "trees": 120}


def build_transformer(declaration: Declaration, form: Form = "linear") -> "ColumnTransformer":
    """The unfitted transformer of a declaration.

    Both forms impute the median and add an indicator column for each feature that has gaps in training. `linear` scales
    numbers and makes one column for each frequent category; `trees` leaves numbers as they are and codes categories
    by whole numbers. Categories rarer than 0.5 % of the training rows share one code, which unseen ones get too (all
    zeros, or -1, where no rare one was there to share with). The target is never used to encode.

    Args:
        declaration: the model.
        form: what kind of estimator reads the matrix; a user's own gets `linear`, which suits all.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    numbers = list(number_features(declaration))
    categories = list(declaration.features_of(Role.CATEGORICAL))
    # A column without any value keeps its place as zeros: histogram gradient boosting fails on an all-missing one.
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    parts: list[tuple[str, Any, list[str]]] = []
    if numbers:
        steps = [("impute", imputer), ("scale", StandardScaler())] if form == "linear" else [("impute", imputer)]
        parts.append(("numbers", Pipeline(steps), numbers))
    if categories:
        levels = MOST_LEVELS[form]
        encoder = (
            OneHotEncoder(
                min_frequency=RARE_SHARE,
                max_categories=levels,
                handle_unknown="infrequent_if_exist",
                sparse_output=False,
            )
            if form == "linear"
            else OrdinalEncoder(
                min_frequency=RARE_SHARE,
                max_categories=levels,
                handle_unknown="use_encoded_value",
                unknown_value=-1,
            )
        )
        parts.append(("categories", encoder, categories))
    return ColumnTransformer(parts, sparse_threshold=0.0, remainder="drop")


def output_columns(transformer: "ColumnTransformer | PassedThrough") -> dict[str, list[int]]:
    """Which columns of the fitted transformer's matrix come from which feature.

    Every feature has columns of its own, so replacing these columns replaces the feature exactly.
    """
    if isinstance(transformer, PassedThrough):
        return transformer.columns_of_features()
    blocks: dict[str, list[int]] = {}
    for name, fitted, columns in transformer.transformers_:
        start = transformer.output_indices_[name].start
        if name == "numbers":
            imputer = fitted.named_steps["impute"]
            for position, column in enumerate(columns):
                blocks[column] = [start + position]
            for offset, position in enumerate(imputer.indicator_.features_):
                blocks[columns[int(position)]].append(start + len(columns) + offset)
        elif name == "categories":
            for column, width in zip(columns, _encoded_widths(fitted), strict=True):
                blocks[column] = list(range(start, start + width))
                start += width
    return blocks


def _encoded_widths(encoder: Any) -> list[int]:
    if type(encoder).__name__ == "OrdinalEncoder":
        return [1] * len(encoder.categories_)
    widths = []
    for categories, rare in zip(encoder.categories_, encoder.infrequent_categories_, strict=True):
        widths.append(len(categories) - (len(rare) - 1 if rare is not None else 0))
    return widths


def features_digest(
    transformer: "ColumnTransformer | PassedThrough", frame: pl.DataFrame, declaration: Declaration
) -> str:
    """SHA-256 of the matrix that the fitted transformer makes of `frame`: equal exactly when the model sees the same.

    Hashed: names of the output columns, the shape, and the values as little-endian float64 in row order; where some are text,
    each value as Python writes it.
    """
    matrix = np.asarray(transformer.transform(to_model_frame(frame, declaration)))
    digest = hashlib.sha256("\n".join(transformer.get_feature_names_out()).encode())
    digest.update(f"\n{matrix.shape[0]}x{matrix.shape[1]}\n".encode())
    if matrix.dtype == object:
        digest.update("\n".join(map(repr, matrix.ravel().tolist())).encode())
    else:
        digest.update(np.ascontiguousarray(matrix, dtype="<f8").tobytes())
    return digest.hexdigest()
