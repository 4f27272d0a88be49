"""What the columns of two tables are that nobody has declared: times written as text, outcomes, scores, identifiers.

Belongs here: guesses from names, types and values, each of which the verdict's remarks or its list of what was left out
tells. Not here: reading the tables (`table_reading.py`), and whether they differ (`tables.py`).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from mlops_assets.monitoring.two_tables.labels_and_scores import infer_labels
from mlops_assets.monitoring.two_tables.outcomes import LIKE_A_TARGET
from mlops_assets.monitoring.two_tables.reading import SAMPLE_ROWS
from mlops_assets.statistics.profile import ColumnProfile, Profile, build_profile

NOT_COMPARED = (pl.Object, pl.Binary, pl.Duration)
LEAST_ROWS_OF_AN_ID = 100
LIKE_A_PREDICTION = (
    "y_pred_proba", "y_proba", "y_prob", "y_score", "predicted_probability", "y_pred", "y_hat", "yhat", "prediction",
    "predicted",
)  # fmt: skip
"""Names that nothing but a model's answer has; what it says more exactly comes first."""
TIME_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M",
    "%Y/%m/%d", "%Y/%m/%d %H:%M:%S%.f", "%d.%m.%Y", "%d.%m.%Y %H:%M:%S%.f", "%m/%d/%Y", "%m/%d/%Y %H:%M:%S%.f", "%d/%m/%Y",
    "%d/%m/%Y %H:%M:%S%.f",
)  # fmt: skip
VALUES_TRIED = 1000


def times_in_text(reference: pl.LazyFrame, current: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame, tuple[str, ...]]:
    """Both tables with times that are written as text read as times, and the names of those columns.

    A column counts as a time where all of some thousand of the reference's values are one in one format, and most of the
    current table's are too; others of the current table are missing then. Where few are, the format has changed: both stay
    text, and the new values are named.
    """
    schema, now = reference.collect_schema(), current.collect_schema()
    formats: dict[str, str] = {}
    for name, kind in schema.items():
        if kind != pl.String:
            continue
        values = _some_values(reference, name)
        found = next((f for f in TIME_FORMATS if len(values) and _times(values, f).null_count() == 0), None)
        if found is None:
            continue
        if name in now and now[name] == pl.String:
            values = _some_values(current, name)
            if len(values) and _times(values, found).null_count() > len(values) / 2:
                continue
        elif name in now and not now[name].is_temporal():
            continue
        formats[name] = found
    parsed = {name: pl.col(name).str.strptime(pl.Datetime("us"), f, strict=False) for name, f in formats.items()}
    # Days come as days: a time of day that nobody wrote is not to be had.
    parsed = {name: e.cast(pl.Date) if "%H" not in formats[name] else e for name, e in parsed.items()}
    both = (
        reference.with_columns(**parsed),
        current.with_columns(**{n: e for n, e in parsed.items() if now.get(n) == pl.String}),
    )
    return (*both, tuple(formats))


def _some_values(frame: pl.LazyFrame, name: str) -> pl.Series:
    found = frame.select(pl.col(name).drop_nulls().head(20 * VALUES_TRIED).unique().head(VALUES_TRIED))
    return found.collect().to_series()


def _times(values: pl.Series, form: str) -> pl.Series:
    return values.str.strptime(pl.Datetime("us"), form, strict=False)


def outcome_by_name(
    roles: Mapping[str, str], before: pl.LazyFrame, now: pl.LazyFrame, remarks: list[str]
) -> str | None:
    """The outcome: the one column under a name for outcomes, with values that an outcome may have.

    It may be missing in the current table, where outcomes are not known yet. So may one under any name, where it is the only
    column missing and a model's prediction stands beside it.
    """
    there = now.collect_schema().names()
    missing = [name for name in roles if name not in there]
    named = [name for name in roles if name.strip().lower() in LIKE_A_TARGET]
    predicted = any(name.strip().lower() in LIKE_A_PREDICTION for name in roles)
    told = "by its name"
    if not named and predicted and len(missing) == 1:
        named, told = missing, "as the one column that the current table lacks beside a model's prediction"
    if not named and len(missing) == 1:
        remarks.append(f"if {missing[0]!r} is the outcome, which is not known yet, --target {missing[0]!r} says so")
    if len(named) != 1 or (named[0] in missing and len(missing) > 1):
        return None
    if named[0].lower() == "y" and any(name.lower() == "x" for name in roles):
        return None  # A point's place.
    try:
        infer_labels(before.select(pl.col(named[0]).head(SAMPLE_ROWS)).collect().to_series())
    except ValueError:
        return None
    remarks.append(f"{named[0]!r} was taken for the outcome {told}; --target says which is, --target '' that none is")
    return named[0]


def score_by_name(roles: Mapping[str, str], now: pl.LazyFrame, remarks: list[str]) -> str | None:
    """A model's answer, under a name that nothing else has, of numbers in both tables."""
    there = now.collect_schema()
    by_name = {name.strip().lower(): name for name in roles}
    for wanted in LIKE_A_PREDICTION:
        name = by_name.get(wanted)
        if name is not None and name in there and there[name].is_numeric() and roles[name] == "numeric":
            remarks.append(
                f"{name!r} was taken for a model's score by its name; --score says which is, --score '' that none is"
            )
            return name
    return None


def incomparable(*tables: pl.LazyFrame) -> list[str]:
    """Columns that hold lists, structures, bytes or durations in any of the tables."""
    schemas = [table.collect_schema() for table in tables]
    return [n for schema in schemas for n, kind in schema.items() if kind.is_nested() or kind in NOT_COMPARED]


def by_nature_different(
    profile: Profile, roles: Mapping[str, str], reference: pl.LazyFrame, current: pl.LazyFrame
) -> dict[str, str]:
    """Columns in which two windows differ whatever happens, and why: identifiers, and the time that separates them."""
    found = {}
    schema = current.collect_schema()
    for name, column in profile.columns.items():
        if column.kind == "categorical":
            if column.present >= LEAST_ROWS_OF_AN_ID and column.distinct == column.present:
                found[name] = "an identifier: every value is there once"
        elif roles[name] == "date" and name in schema and schema[name].is_temporal():
            first = current.select(pl.col(name).min()).collect()
            start = build_profile(first, {name: "date"}).columns[name].minimum
            if start is not None and column.maximum is not None and start >= column.maximum:
                found[name] = "the time that separates the tables"
        elif _counts_up(column):
            found[name] = "an identifier: whole numbers, each once"
        elif name in schema and schema[name].is_numeric() and _goes_on(column, reference, current):
            found[name] = "it only rises and goes on where the reference ends, as time or a counter does"
    return found


def nothing_left(
    reference: object,
    current: object,
    compared: Sequence[str],
    there: Sequence[str],
    left_out: Mapping[str, str],
    outcome: str,
) -> str:
    """Why there is nothing to compare, and what is the likeliest mistake.

    Args:
        reference, current: names of the tables.
        compared: columns of the reference that could have been.
        there: columns of the current table.
        left_out: columns of the reference that are not compared, and why.
        outcome: the outcome's column, or empty.
    """
    for table, names in ((reference, [*compared, *left_out, outcome]), (current, there)):
        names = [name for name in names if name]
        mark = next((m for m in (";", "\t", "|") if len(names) == 1 and m in names[0]), None)
        if mark is not None:
            return (
                f"{table}: found one column, {names[0]!r}, expected columns parted by commas: is it parted by {mark!r}?"
            )
        if names and sum(_is_value(name) for name in names) >= len(names) / 2:
            return f"{table}: its columns are named {', '.join(names[:5])}: its first line holds values, expected names"
    if not compared:
        told = [f"{name} is left out ({why})" for name, why in left_out.items()]
        if outcome:
            told.append(f"{outcome} is the outcome (--target '' compares it as any other column)")
        return f"{reference}: no column is left to compare: {'; '.join(told)}"
    near = [n for n in there if n.strip().lower() in {c.strip().lower() for c in compared}]
    hint = f"; {', '.join(map(repr, near[:3]))} differ in spaces or capitals only" if near else ""
    return (
        f"{current} has none of the columns of {reference}: found {', '.join(there[:8])}, expected "
        f"{', '.join(compared[:8])}{hint}"
    )


def _is_value(name: str) -> bool:
    text = name.removesuffix("_duplicated_0").strip()
    return text.lower() in ("true", "false") or text.replace("-", "").replace(".", "").replace(":", "").isdigit()


def _goes_on(column: ColumnProfile, reference: pl.LazyFrame, current: pl.LazyFrame) -> bool:
    """Whether a number never falls from row to row in either table, and the current one starts where the other ends."""
    if (
        column.present < LEAST_ROWS_OF_AN_ID
        or column.distinct < 2
        or column.nulls
        or column.infinite
        or column.maximum is None
    ):
        return False
    first = current.select(pl.col(column.name).head(1)).collect().to_series()
    if not len(first) or first[0] is None or first[0] < column.maximum:
        return False
    if column.distinct < LEAST_ROWS_OF_AN_ID and first[0] == column.maximum:
        return False  # A value that stays is no time that goes on.
    rises = pl.col(column.name).cast(pl.Float64).diff().min() >= 0
    return all(frame.select(rises).collect().item() for frame in (reference, current))


def _counts_up(column: ColumnProfile) -> bool:
    """Whether a numeric column runs through whole numbers, one each row: as evenly as no measurement does."""
    if column.present < LEAST_ROWS_OF_AN_ID or column.nulls or column.infinite or column.minimum is None:
        return False
    whole = all(float(edge).is_integer() for edge in (*column.edges, column.minimum, column.maximum))  # type: ignore[arg-type]
    return whole and len(column.edges) > 1 and column.distinct == column.present
