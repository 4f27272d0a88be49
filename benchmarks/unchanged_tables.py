"""Tables drawn twice from one source: what a benchmark of false alarms needs. Kinds of columns as tables really have."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.project import read_declaration

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "mlops_assets" / "defs" / "models"


def draw_rows(rows: int, columns: int, generator: np.random.Generator) -> pl.DataFrame:
    """A table of `columns` columns: normal, skewed, heavy-tailed, counts, mostly zero, partly missing, few, many and
    very many categories, dates; the same kinds in the same places whatever the generator."""
    return pl.DataFrame([_column(i, rows, generator) for i in range(columns)])


def roles(table: pl.DataFrame) -> dict[str, str]:
    """By type, but for the score."""

    def role(name: str, dtype: pl.DataType) -> str:
        kind = "numeric" if dtype.is_numeric() else "date" if dtype.is_temporal() else "categorical"
        return "score" if name == "score" else kind

    return {name: role(name, dtype) for name, dtype in table.schema.items()}


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


def draw_scored(rows: int, columns: int, generator: np.random.Generator) -> pl.DataFrame:
    """The same with a model's score, a probability, for its last column."""
    return draw_rows(rows, columns - 1, generator).with_columns(pl.Series("score", generator.beta(2, 5, rows)))


def read_real(model: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """The features of a model of the example fleet, all years together, and their declared roles."""
    declaration = read_declaration(MODELS / model / "defs.yaml")
    table = pl.read_parquet(ROOT / str(declaration.source.path))
    return table.select(list(declaration.features)), {n: f.role.value for n, f in declaration.features.items()}


def part(table: pl.DataFrame, rows: int, generator: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Random rows of a table for a reference, and the others, of which windows can be drawn."""
    order = generator.permutation(table.height)
    return table[order[:rows]], table[order[rows:]]


def draw(rest: pl.DataFrame, rows: int, generator: np.random.Generator) -> pl.DataFrame:
    """A window: different rows, at random."""
    return rest[generator.choice(rest.height, rows, replace=False)]
