"""Known faults, put into copies of windows: what a fire drill injects, and what a verdict on it should say.

Belongs here: the faults. Not here: judging the faulty windows (`drills.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import RESERVED_PREFIX, Task
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.severity import Kind
from mlops_assets.statistics.profile import ColumnProfile, Profile

OUTCOME = RESERVED_PREFIX + "outcome"
"""Column of what turned out to be true, beside the columns of a user's table and `SCORE_COLUMN`."""
LEAST_SHARE = 0.05
"""A category rarer than this is not renamed: the policy's own limits would let it pass."""

Injected = tuple[pl.DataFrame, tuple[str, ...]]
Inject = Callable[[pl.DataFrame, Profile, np.random.Generator], Injected]


class NotApplicable(MlopsAssetsError):
    """The table has no column for this drill; the message says what was looked for."""


@dataclass(frozen=True)
class Drill:
    """One fault.

    Attributes:
        name: of the fault.
        size: how large, in words.
        kind: that the verdict should name first.
        inject: makes the faulty copy; returns it with the columns that should be named.
        needs_outcomes: cannot be seen without them.
    """

    name: str
    size: str
    kind: Kind
    inject: Inject
    needs_outcomes: bool = False


def as_it_is() -> Drill:
    """No fault: a window that alarms by itself shows nothing when it is drilled."""
    return Drill("no fault", "the window as it is", "none", lambda rows, _, __: (rows, ()))


def standard_drills(task: Task = Task.BINARY) -> list[Drill]:
    """The faults every model of a task is drilled with, smaller and larger."""
    return [*_drills_of_inputs(), *_drills_of_outcomes(task)]


def _drills_of_inputs() -> list[Drill]:
    return [
        *(Drill("nulls", f"{s:.0%} of one feature", "data_quality", missing_values(s)) for s in (0.1, 0.3, 0.9)),
        *(Drill("unit change", f"times {f:g}", "data_quality", _unit(f)) for f in (12, 100, 1000)),
        Drill("renamed category", "the most frequent", "data_quality", _rename),
        Drill("swapped columns", "two of a kind", "data_quality", _swap),
        Drill("stale batch", "the window before, once more", "data_quality", _stale),
        *(
            Drill("subcovariate shift", f"one group {f} times as frequent", "covariate_shift", more_of_a_group(f))
            for f in (2, 3, 5)
        ),
    ]


def _drills_of_outcomes(task: Task) -> list[Drill]:
    if task is Task.REGRESSION:
        # The target moves and nothing else does: only outcomes can show it.
        shifts = [
            Drill("base-rate shift", f"target up by {s:g} of its spread", "label_shift", _target_up(s), True)
            for s in (0.25, 0.5)
        ]
    elif task is Task.MULTICLASS:
        shifts = [
            Drill("base-rate shift", f"a class {f:g} times as frequent", "label_shift", _class_more_often(f))
            for f in (1.5, 2)
        ]
    else:
        shifts = [
            Drill("base-rate shift", f"{f:g} times the positives", "label_shift", more_positives(f)) for f in (1.5, 2)
        ]
    other = OTHER_OUTCOMES[task]
    flips = [
        Drill("concept flip", f"in {s:.0%} of the rows", "concept_drift", flipped(s, other), True) for s in (0.1, 0.2)
    ]
    return [*shifts, *flips, Drill("concept flip", "in one group", "concept_drift", _flip_group(other), True)]


def _features(profile: Profile, kind: str) -> list[ColumnProfile]:
    return [
        c for c in profile.columns.values() if c.kind == kind and c.name not in (SCORE_COLUMN, OUTCOME) and c.present
    ]


def _pick(found: list[ColumnProfile], what: str, generator: np.random.Generator) -> ColumnProfile:
    if not found:
        raise NotApplicable(f"no {what} among the features")
    return found[int(generator.integers(len(found)))]


def missing_values(share: float) -> Inject:
    """A share of one feature is missing."""

    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        held = [
            c
            for c in profile.columns.values()
            if c.name not in (SCORE_COLUMN, OUTCOME) and c.nulls < c.rows * (1 - share)
        ]
        name = _pick(held, "feature that is mostly there", generator).name
        missing = pl.Series(generator.random(rows.height) < share)
        return rows.with_columns(rows[name].set(missing, None)), (name,)

    return inject


def _unit(factor: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        # A column that is nearly all 0 looks the same in every unit.
        held = [c for c in _features(profile, "numeric") if len(c.edges) >= 5 and rows[c.name].dtype.is_numeric()]
        name = _pick(held, "number with six values or more", generator).name
        return rows.with_columns(pl.col(name).cast(pl.Float64) * factor), (name,)

    return inject


def _rename(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
    text = [
        c
        for c in _features(profile, "categorical")
        if c.distinct > 1 and not c.others and rows[c.name].dtype == pl.String
    ]
    column = _pick([c for c in text if max(c.categories.values()) >= LEAST_SHARE * c.rows], "text feature", generator)
    value = next(iter(column.categories))
    return rows.with_columns(pl.col(column.name).replace(value, f"{value} (new)")), (column.name,)


def _swap(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
    pairs = [
        (a.name, b.name)
        for kind in ("numeric", "categorical")
        for i, a in enumerate(_features(profile, kind))
        for b in _features(profile, kind)[i + 1 :]
        if rows[a.name].dtype == rows[b.name].dtype and _differ(a, b)
    ]
    if not pairs:
        raise NotApplicable("no two features of one type that differ enough to be told apart")
    first, second = pairs[int(generator.integers(len(pairs)))]
    return rows.with_columns(pl.col(first).alias(second), pl.col(second).alias(first)), (first, second)


def _differ(a: ColumnProfile, b: ColumnProfile) -> bool:
    if a.kind == "categorical":
        return not set(list(a.categories)[:2]) & set(list(b.categories)[:2])
    if None in (a.mean, b.mean, a.std, b.std):
        return False
    return abs(a.mean - b.mean) > max(a.std, b.std)  # type: ignore[operator,type-var]


def _stale(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
    return rows.sample(fraction=1.0, shuffle=True, seed=int(generator.integers(2**31))), ()


def more_of_a_group(factor: float) -> Inject:
    """One group is `factor` times as frequent."""

    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        groups = [
            (c.name, value)
            for c in _features(profile, "categorical")
            for value, n in c.categories.items()
            if 0.05 <= n / c.present <= 1 / (2 * factor)
        ]
        if not groups:
            raise NotApplicable("no group of 5 % of the rows or more that could become so frequent")
        name, value = groups[int(generator.integers(len(groups)))]
        inside = (rows[name].cast(pl.String) == value).fill_null(False).to_numpy()
        share = inside.mean()
        if not 0 < share < 1 / factor:
            raise NotApplicable(f"{name} = {value} is not in every window")
        return rows[_more_often(inside, factor, generator)], (name,)

    return inject


def _more_often(inside: np.ndarray, factor: float, generator: np.random.Generator) -> np.ndarray:
    """Positions of a part of the rows in which those inside are `factor` times as frequent.

    Others are left out instead of repeating rows: rows that repeat are no independent evidence, and tests would say so.
    """
    others = np.flatnonzero(~inside)
    share = inside.mean()
    kept = round(inside.sum() * (1 / (factor * share) - 1))
    return np.sort(np.concatenate([np.flatnonzero(inside), generator.choice(others, min(kept, len(others)), False)]))


def more_positives(factor: float) -> Inject:
    """Positives are `factor` times as frequent."""

    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        y = _outcomes(rows).astype(int)
        if not 0 < factor * y.mean() < 1:
            raise NotApplicable(f"outcomes cannot become {factor:g} times as frequent in every window")
        # Positives come more often, each as they were: inputs and scores move as far as they tell of the outcome.
        return rows[_more_often(y == 1, factor, generator)], ()

    return inject


def _class_more_often(factor: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        labels, times = np.unique(_outcomes(rows).astype(str), return_counts=True)
        held = [(n, label) for n, label in zip(times, labels, strict=True) if LEAST_SHARE <= n / len(rows) < 1 / factor]
        if len(labels) < 2 or not held:
            raise NotApplicable(f"no class of 5 % of the rows or more that could become {factor:g} times as frequent")
        return rows[_more_often(_outcomes(rows).astype(str) == min(held)[1], factor, generator)], ()

    return inject


def _target_up(spreads: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        y = _outcomes(rows).astype(float)
        return rows.with_columns(pl.Series(OUTCOME, y + spreads * y.std())), ()

    return inject


Other = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _other_class(y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Labels dealt anew among the rows: each class is as frequent as it was, and tells nothing."""
    return generator.permutation(y)


def _mirrored(y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Values mirrored at their mean: what made them large makes them small."""
    return 2 * y.mean() - y if len(y) else y


OTHER_OUTCOMES: dict[Task, Other] = {
    Task.BINARY: lambda y, _: 1 - y,
    Task.MULTICLASS: _other_class,
    Task.REGRESSION: _mirrored,
}
"""What becomes of the outcomes of rows for which the relation has changed."""


def flipped(share: float, other: Other) -> Inject:
    """In a share of the rows outcomes follow another relation."""

    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        _outcomes(rows)
        return _with_other(rows, generator.random(rows.height) < share, other, generator), ()

    return inject


def _flip_group(other: Other) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        _outcomes(rows)
        groups = [
            (c.name, value)
            for c in _features(profile, "categorical")
            for value, n in c.categories.items()
            if 0.1 <= n / c.present <= 0.5
        ]
        if not groups:
            raise NotApplicable("no group of a tenth to half of the rows")
        name, value = groups[int(generator.integers(len(groups)))]
        inside = (rows[name].cast(pl.String) == value).fill_null(False).to_numpy()
        return _with_other(rows, inside, other, generator), ()

    return inject


def _with_other(rows: pl.DataFrame, inside: np.ndarray, other: Other, generator: np.random.Generator) -> pl.DataFrame:
    y = _outcomes(rows).copy()
    y[inside] = other(y[inside], generator)
    return rows.with_columns(pl.Series(OUTCOME, y.tolist(), dtype=rows.schema[OUTCOME]))


def _outcomes(rows: pl.DataFrame) -> np.ndarray:
    if OUTCOME not in rows.columns:
        raise NotApplicable("the windows have no outcomes: what only outcomes show cannot be seen")
    return rows[OUTCOME].to_numpy()
