"""Rows as a model takes them: the declared features as a pandas frame of fixed types, and the target as an array.

Belongs here: what a value of a declared feature or target becomes. Polars becomes pandas here and nowhere else. Does
not belong here: what a row must look like (`datasets/contract.py`) and how the frame becomes a matrix
(`transformer.py`).
"""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr, time_expr
from mlops_assets.datasets.values import canonical_text, text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

if TYPE_CHECKING:
    import pandas as pd

MISSING = "(missing)"
DAY_IN_MICROSECONDS = 86_400_000_000


def to_model_frame(frame: pl.DataFrame, declaration: Declaration) -> "pd.DataFrame":
    """The declared features as a pandas frame with fixed types, columns in declared order; last a score that others gave.

    Numeric, boolean, ordinal and date features become float64 with NaN where missing or infinite: booleans 0 or 1,
    ordinals with `allowed` their position in it, dates the days from the date to the event time (positive when the
    date is earlier; days since 1970 where the model has no event time). Categorical features become text, missing
    as `(missing)`, so that 1, 1.0 and "1" are one category.

    Raises:
        KeyError: when a feature's column is missing.
    """
    import pandas as pd

    missing = [name for name in (*declaration.features, *given_scores(declaration)) if name not in frame.columns]
    if missing:
        raise KeyError(f"features not in the frame: {', '.join(map(repr, missing))}; found {frame.columns}")
    exprs = [_feature_expr(name, frame.schema, declaration) for name in declaration.features]
    exprs += [pl.col(name).cast(pl.Float64) for name in given_scores(declaration)]
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


def required_columns(declaration: Declaration) -> tuple[str, ...]:
    """Columns that `to_model_frame` reads: the features, the event time where a date is measured from it, and the score of a
    model that others run."""
    event = declaration.event_time
    dated = event is not None and bool(declaration.features_of(Role.DATE))
    named = [
        *declaration.features,
        *([event.column] if event is not None and dated else []),
        *given_scores(declaration),
    ]
    return tuple(dict.fromkeys(named))


def given_scores(declaration: Declaration) -> tuple[str, ...]:
    """The column with the score of a model that others run; none of a model that scores here."""
    return () if declaration.external is None else (declaration.external.score,)


def given_predictions(declaration: Declaration) -> tuple[str, ...]:
    """The columns of a prediction that others made: score, and decision where they decide; none of a model that scores here."""
    external = declaration.external
    return given_scores(declaration) + ((external.decision,) if external and external.decision else ())


def number_features(declaration: Declaration) -> tuple[str, ...]:
    """Features that reach the model as numbers, in declared order."""
    return declaration.features_of(Role.NUMERIC, Role.BOOLEAN, Role.ORDINAL, Role.DATE)


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
            event = event_time_expr(declaration.event_time)
            expr = (event - time).dt.total_microseconds() / DAY_IN_MICROSECONDS
        else:
            expr = time.cast(pl.Int64) / DAY_IN_MICROSECONDS
    else:
        expr = column.cast(pl.Float64, strict=False)
    finite = expr.is_finite()
    return pl.when(finite).then(expr).otherwise(float("nan")).cast(pl.Float64).alias(name)
