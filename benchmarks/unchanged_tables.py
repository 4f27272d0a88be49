"""Tables drawn twice from one source: what a benchmark of false alarms needs. Kinds of columns as tables really have."""

from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).resolve().parents[1] / "data"


def draw_rows(rows: int, columns: int, generator: np.random.Generator) -> pl.DataFrame:
    """A table of `columns` columns: normal, skewed, heavy-tailed, counts, mostly zero, partly missing, few, many and
    very many categories, dates; the same kinds in the same places whatever the generator."""
    return pl.DataFrame([_column(i, rows, generator) for i in range(columns)])


def roles(table: pl.DataFrame) -> dict[str, str]:
    """By type."""
    return {
        name: "numeric" if dtype.is_numeric() else "date" if dtype.is_temporal() else "categorical"
        for name, dtype in table.schema.items()
    }


def _column(i: int, rows: int, g: np.random.Generator) -> pl.Series:
    name = f"c{i}"
    match i % 10:
        case 0:
            values = g.normal(size=rows)
        case 1:
            values = g.lognormal(3, 1.5, rows)
        case 2:
            values = g.standard_t(1.5, rows)
        case 3:
            values = g.poisson(2.0, rows)
        case 4:
            values = np.where(g.random(rows) < 0.85, 0.0, g.exponential(100, rows))
        case 5:
            values = pl.Series(g.normal(size=rows)).set(pl.Series(g.random(rows) < 0.1), None)
        case 6:
            return pl.Series(name, g.choice(["a", "b", "c"], rows, p=[0.7, 0.25, 0.05]))
        case 7:
            return pl.Series(name, "k" + pl.Series(np.minimum(g.zipf(1.6, rows), 10**6)).cast(pl.String))
        case 8:
            return pl.Series(name, "r" + pl.Series(g.integers(0, 60, rows)).cast(pl.String))
        case _:
            values = pl.Series(g.integers(14_000, 15_000, rows), dtype=pl.Int32).cast(pl.Date)
    return pl.Series(name, values)


def draw_acs(reference_rows: int, rows: int, windows: int, seed: int) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Disjoint random rows of one year of a real table: a reference and, one after another, its windows.

    Windows are drawn anew from the rows that are not in the reference: 200 of them cannot all be disjoint.
    """
    table = pl.read_parquet(DATA / "acs_employment.parquet").drop("survey_year")
    generator = np.random.default_rng(seed)
    order = generator.permutation(table.height)
    reference, rest = table[order[:reference_rows]], table[order[reference_rows:]]
    return reference, [rest[generator.choice(rest.height, rows, replace=False)] for _ in range(windows)]
