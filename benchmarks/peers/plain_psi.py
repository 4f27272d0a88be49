"""The PSI as it is usually computed, in plain numpy: what an alarm at a fixed threshold is made of."""

from dataclasses import dataclass

import numpy as np
import polars as pl

QUANTILES = 10
MOST_VALUES = 50
LEAST_SHARE = 1e-4
"""In place of an empty cell's share, as is customary."""


@dataclass(frozen=True)
class PlainReference:
    """Cells of one column: ten quantile bins, or its 50 most frequent values and a rest.

    Attributes:
        edges: inner edges of the bins; None for values.
        values: listed values.
        shares: of the cells in the reference.
    """

    edges: np.ndarray | None
    values: tuple[str, ...]
    shares: np.ndarray


def plain_reference(column: pl.Series) -> PlainReference:
    """Cells of the reference's column; missing values are in none."""
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        edges = np.unique(np.quantile(_numbers(column), np.linspace(0, 1, QUANTILES + 1)[1:-1]))
        return PlainReference(edges, (), _shares(_binned(column, edges)))
    values = tuple(column.drop_nulls().cast(pl.String).value_counts(sort=True)[column.name].head(MOST_VALUES))
    return PlainReference(None, values, _shares(_listed(column, values)))


def plain_psi(reference: PlainReference, column: pl.Series) -> float:
    """Σ (p − q) ln (p / q) over the cells, p of the window and q of the reference."""
    counts = _listed(column, reference.values) if reference.edges is None else _binned(column, reference.edges)
    now = _shares(counts)
    return float(((now - reference.shares) * np.log(now / reference.shares)).sum())


def largest_psi(reference: dict[str, PlainReference], window: pl.DataFrame) -> float:
    """Of all columns."""
    return max(plain_psi(known, window[name]) for name, known in reference.items())


def _numbers(column: pl.Series) -> np.ndarray:
    return column.drop_nulls().to_physical().cast(pl.Float64).drop_nans().to_numpy()


def _binned(column: pl.Series, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, _numbers(column), side="right"), minlength=len(edges) + 1)


def _listed(column: pl.Series, values: tuple[str, ...]) -> np.ndarray:
    found = dict(column.drop_nulls().cast(pl.String).value_counts(name="rows").iter_rows())
    listed = [found.pop(value, 0) for value in values]
    return np.asarray([*listed, sum(found.values())])


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.maximum(counts / max(counts.sum(), 1), LEAST_SHARE)
