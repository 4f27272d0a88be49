"""Restrictions of use: the population a validator approved a version for, as data, and which rows lie outside it.

A restriction names one column and what its values must be. It either refuses a row (it is not scored, and quarantined
with the reason) or flags it (scored, and marked). Who signed a restriction, and whether it holds, is
`governance.validations`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import polars as pl

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

FIELDS = ("column", "allowed", "min", "max", "effect", "missing_allowed", "reason")
Effect = Literal["refuse", "flag"]


class RestrictionError(MlopsAssetsError, ValueError):
    """A restriction that says nothing, or that cannot be held against these rows."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Restriction:
    """What one column's values must be.

    Attributes:
        column: name.
        allowed: the only values approved, or None.
        minimum: smallest value approved, or None; a number, or an ISO date for a column of dates.
        maximum: largest value approved, or None; included, as is the minimum.
        effect: what becomes of a row outside: `refuse` or `flag`.
        missing_allowed: whether a row without a value is inside; otherwise nobody knows, and it is outside.
        reason: why, in the validator's words.
    """

    column: str
    allowed: tuple[Any, ...] | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    effect: Effect = "refuse"
    missing_allowed: bool = False
    reason: str = ""

    @property
    def text(self) -> str:
        """What is approved, in a phrase."""
        parts = [f"one of {', '.join(map(str, self.allowed))}"] if self.allowed is not None else []
        parts += [f"at least {self.minimum}"] if self.minimum is not None else []
        parts += [f"at most {self.maximum}"] if self.maximum is not None else []
        return " and ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """As `read_restriction` takes it."""
        said = {"column": self.column, "allowed": list(self.allowed) if self.allowed is not None else None}
        said |= {"min": self.minimum, "max": self.maximum, "effect": self.effect}
        said |= {"missing_allowed": self.missing_allowed or None, "reason": self.reason or None}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Outside:
    """Which rows lie outside the approved population.

    Attributes:
        refused: booleans, one a row: not to be scored.
        flagged: booleans, one a row: scored, and marked.
        reasons: texts, one a row, joined by "; "; null where the row is inside.
        summary: rows by reason, most frequent first.
    """

    refused: pl.Series
    flagged: pl.Series
    reasons: pl.Series
    summary: dict[str, int]


def read_restriction(data: Mapping[str, Any]) -> Restriction:
    """The restriction that `{"column": "state", "allowed": ["CA"]}` or `{"column": "age", "min": 21}` says.

    Raises:
        RestrictionError: a field that does not exist, no column, nothing restricted, or bounds the wrong way round.
    """
    unknown = sorted(set(data) - set(FIELDS))
    if unknown:
        raise RestrictionError(f"restriction: found {', '.join(unknown)}, expected only {', '.join(FIELDS)}")
    column = data.get("column")
    if not isinstance(column, str) or not column:
        raise RestrictionError(f"restriction: found column {column!r}, expected the name of a column")
    allowed, low, high = data.get("allowed"), data.get("min"), data.get("max")
    if allowed is None and low is None and high is None:
        raise RestrictionError(
            f"restriction on {column!r}: found neither allowed nor min nor max, expected one of them"
        )
    if allowed is not None and (isinstance(allowed, str) or not isinstance(allowed, Sequence) or not allowed):
        raise RestrictionError(f"restriction on {column!r}: found allowed {allowed!r}, expected a list of values")
    for name, bound in (("min", low), ("max", high)):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float | str)):
            raise RestrictionError(f"restriction on {column!r}: found {name} {bound!r}, expected a number or ISO date")
    if low is not None and high is not None and (isinstance(low, str) != isinstance(high, str) or low > high):
        raise RestrictionError(f"restriction on {column!r}: found min {low!r} and max {high!r}, expected min <= max")
    effect = data.get("effect", "refuse")
    if effect not in ("refuse", "flag"):
        raise RestrictionError(f"restriction on {column!r}: found effect {effect!r}, expected refuse or flag")
    return Restriction(
        column, tuple(allowed) if allowed is not None else None, low, high, effect,
        bool(data.get("missing_allowed", False)), str(data.get("reason", "")),
    )  # fmt: skip


def check(rows: pl.DataFrame, restrictions: Sequence[Restriction]) -> Outside:
    """Hold every restriction against every row.

    Args:
        rows: about to be scored, with their columns in their declared types.
        restrictions: that hold for the version.

    Raises:
        RestrictionError: a restricted column is not delivered, or its type does not fit: then nobody can say who is
            inside, and nothing may be scored.
    """
    refused = pl.Series("refused", [False] * rows.height, dtype=pl.Boolean)
    flagged = refused.alias("flagged")
    texts: list[pl.Series] = []
    summary: dict[str, int] = {}
    for restriction in restrictions:
        outside = _outside(rows, restriction)
        if restriction.effect == "refuse":
            refused = refused | outside
        else:
            flagged = flagged | outside
        text = f"{restriction.column}: outside the approved population, which has {restriction.text}"
        texts.append(pl.select(pl.when(outside).then(pl.lit(text)).alias(f"{len(texts)}")).to_series())
        if outside.any():
            summary[text] = int(outside.sum())
    reasons = (
        pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series()
        if texts
        else pl.Series("reasons", [None] * rows.height, dtype=pl.String)
    )
    reasons = pl.select(pl.when(refused | flagged).then(reasons)).to_series().alias("reasons")
    ranked = dict(sorted(summary.items(), key=lambda item: (-item[1], item[0])))
    return Outside(refused.alias("refused"), flagged.alias("flagged"), reasons, ranked)


def _outside(rows: pl.DataFrame, restriction: Restriction) -> pl.Series:
    name = restriction.column
    if name not in rows.columns:
        raise RestrictionError(
            f"the version may be used only where {name} is {restriction.text}, and the rows have no column {name!r}: "
            "deliver it, or let a validator lift the restriction"
        )
    values = rows[name]
    if values.dtype.is_float():
        values = values.fill_nan(None)
    missing = values.is_null()
    inside = ~missing
    if restriction.allowed is not None:
        inside &= is_one_of(values, restriction.allowed).fill_null(False)
    if restriction.minimum is not None:
        inside &= (values >= bound_of(values.dtype, restriction.minimum, name)).fill_null(False)
    if restriction.maximum is not None:
        inside &= (values <= bound_of(values.dtype, restriction.maximum, name)).fill_null(False)
    return ~(inside | missing) if restriction.missing_allowed else ~inside


def is_one_of(values: pl.Series, allowed: Sequence[Any]) -> pl.Series:
    """Which values are one of those allowed, as numbers in a column of numbers and else as text; null where there is none."""
    if values.dtype.is_numeric():
        # 1 and 1.0 are the same value, whatever type the column was read as.
        numbers = [float(v) for v in allowed if isinstance(v, int | float)]
        return values.cast(pl.Float64).is_in(numbers)
    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in allowed]
    return values.cast(pl.String).is_in(texts)


def bound_of(dtype: pl.DataType, bound: float | str, name: str) -> Any:
    """A bound as values of this type are compared with: a number, or a date or time from its ISO text.

    Raises:
        RestrictionError: a column of this type cannot be held to it.
    """
    try:
        if dtype.is_temporal():
            moment = datetime.fromisoformat(str(bound))
            if dtype == pl.Date:
                return date(moment.year, moment.month, moment.day)
            zone = getattr(dtype, "time_zone", None)
            return pl.select(pl.lit(moment.replace(tzinfo=None)).dt.replace_time_zone(zone)).item() if zone else moment
        if dtype.is_numeric() and not isinstance(bound, str):
            return bound
    except ValueError:
        pass
    raise RestrictionError(
        f"restriction on {name!r}: found bound {bound!r}, which a column of {dtype} cannot be held to"
    )
