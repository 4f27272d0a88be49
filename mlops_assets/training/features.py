"""The features of a model: one transformer, fitted in training and carried inside the pipeline that scores.

Belongs here: turning rows into the matrix a model sees, and the digest by which training and scoring are shown to see
the same one. Polars becomes pandas here and nowhere else. Does not belong here: what a row must look like
(`datasets/contract.py`) and estimators (`candidates.py`).
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mlops_assets.datasets.quarantine import canonical_text, text_of
from mlops_assets.datasets.windows import event_time_expr, time_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

Form = Literal["linear", "trees"]

MISSING = "(missing)"
RARE_SHARE = 0.005
MOST_LEVELS: Mapping[Form, int] = {"linear": 40, "trees": 120}
DAY_IN_MICROSECONDS = 86_400_000_000


def to_model_frame(frame: pl.DataFrame, declaration: Declaration) -> "pd.DataFrame":
    """The declared features as a pandas frame with fixed types, columns in declared order.

    Numeric, boolean, ordinal and date features become float64 with NaN where missing or infinite: booleans 0 or 1,
    ordinals with `allowed` their position in it, dates the days from the date to the event time (positive when the
    date is earlier; days since 1970 where the model has no event time). Categorical features become text, missing
    as `(missing)`, so that 1, 1.0 and "1" are one category.

    Raises:
        KeyError: when a feature's column is missing.
    """
    import pandas as pd

    missing = [name for name in declaration.features if name not in frame.columns]
    if missing:
        raise KeyError(f"features not in the frame: {', '.join(map(repr, missing))}; found {frame.columns}")
    exprs = [_feature_expr(name, frame.schema, declaration) for name in declaration.features]
    ready = frame.select(exprs)
    columns = {
        name: ready[name].to_numpy() if ready[name].dtype == pl.Float64 else _text_objects(ready[name])
        for name in ready.columns
    }
    # Without a copy: a table of a million rows is held once, not twice.
    return pd.DataFrame(columns, copy=False)


def _text_objects(texts: pl.Series) -> np.ndarray:
    """Texts as Python objects, one for each different text: what hashes or compares them later does so once."""
    coded = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    return np.array(coded.dictionary.to_pylist(), dtype="O")[coded.indices.to_numpy()]


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


def number_features(declaration: Declaration) -> tuple[str, ...]:
    """Features that reach the model as numbers, in declared order."""
    return declaration.features_of(Role.NUMERIC, Role.BOOLEAN, Role.ORDINAL, Role.DATE)


def output_columns(transformer: "ColumnTransformer") -> dict[str, list[int]]:
    """Which columns of the fitted transformer's matrix come from which feature.

    Every feature has columns of its own, so replacing these columns replaces the feature exactly.
    """
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


def target_vector(frame: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """The target as estimators take it: 1 for the positive value, else 0 (binary), text (multiclass), or float64.

    Raises:
        ValueError: when a target is missing.
    """
    name = declaration.target.column
    column = frame[name]
    if column.null_count():
        raise ValueError(f"{name}: {column.null_count()} of {frame.height} targets are missing; check the rows first")
    if declaration.task is Task.REGRESSION:
        return column.cast(pl.Float64).to_numpy()
    text = frame.select(canonical_text(column.dtype, pl.col(name))).to_series()
    if declaration.task is Task.BINARY:
        return (text == text_of(declaration.target.positive)).cast(pl.Int64).to_numpy()
    return np.array(text.to_list(), dtype=np.str_)


def features_digest(transformer: "ColumnTransformer", frame: pl.DataFrame, declaration: Declaration) -> str:
    """SHA-256 of the matrix that the fitted transformer makes of `frame`: equal exactly when the model sees the same.

    Hashed: names of the output columns, the shape, and the values as little-endian float64 in row order.
    """
    matrix = np.asarray(transformer.transform(to_model_frame(frame, declaration)), dtype="<f8")
    digest = hashlib.sha256("\n".join(transformer.get_feature_names_out()).encode())
    digest.update(f"\n{matrix.shape[0]}x{matrix.shape[1]}\n".encode())
    digest.update(np.ascontiguousarray(matrix).tobytes())
    return digest.hexdigest()


def _feature_expr(name: str, schema: pl.Schema, declaration: Declaration) -> pl.Expr:
    feature, dtype, column = declaration.features[name], schema[name], pl.col(name)
    if feature.role is Role.CATEGORICAL or (feature.role is Role.ORDINAL and feature.allowed is not None):
        if dtype in (pl.Categorical, pl.Enum):
            dtype, column = pl.String(), column.cast(pl.String)
        if dtype.is_float():
            column = column.fill_nan(None)
        text = canonical_text(dtype, column)
        if feature.role is Role.CATEGORICAL:
            return text.fill_null(MISSING).alias(name)
        ranks = {text_of(value): float(rank) for rank, value in enumerate(feature.allowed or ())}
        expr = text.replace_strict(ranks, default=None, return_dtype=pl.Float64)
    elif feature.role is Role.DATE:
        time = time_expr(column, dtype)
        if declaration.event_time is not None:
            event = event_time_expr(declaration.event_time, schema[declaration.event_time.column])
            expr = (event - time).dt.total_microseconds() / DAY_IN_MICROSECONDS
        else:
            expr = time.cast(pl.Int64) / DAY_IN_MICROSECONDS
    else:
        expr = column.cast(pl.Float64, strict=False)
    finite = expr.is_finite()
    return pl.when(finite).then(expr).otherwise(float("nan")).cast(pl.Float64).alias(name)
