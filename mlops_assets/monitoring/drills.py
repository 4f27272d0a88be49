"""Fire drills: known faults put into copies of windows, to see what is caught, under which name, and when.

Belongs here: the faults, and the report. A drill works on frames in memory and writes nothing: nothing real is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.monitoring.batches import content_digest, find_batch_faults
from mlops_assets.monitoring.drift import compare
from mlops_assets.monitoring.performance import measure
from mlops_assets.monitoring.reference import ReferencePerformance
from mlops_assets.monitoring.rules import Kind, Rules, at_least
from mlops_assets.monitoring.triage import Earlier, Health, triage
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import ColumnProfile, Profile

OUTCOME = "outcome"
SCORE = "score"
LEAST_SHARE = 0.05
"""A category rarer than this is not renamed: the policy's own limits would let it pass."""


Injected = tuple[pl.DataFrame, tuple[str, ...]]
Inject = Callable[[pl.DataFrame, Profile, np.random.Generator], Injected]


class NotApplicable(Exception):
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


@dataclass(frozen=True)
class DrillResult:
    """What came of one drill over all windows.

    Attributes:
        name, size, expected: of the drill.
        windows: drilled.
        caught: of them, with severity `watch` or more.
        acted: of them, with severity `act` or more in the first window.
        named: of them, with the right kind first, and the right columns among those concerned.
        delay: windows until `act`, on average over the windows that got there; 1 is at once. None where none did.
        note: why it could not be run, or what is to be known.
    """

    name: str
    size: str
    expected: str
    windows: int
    caught: int
    acted: int
    named: int
    delay: float | None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def run_drills(
    windows: Sequence[pl.DataFrame],
    profile: Profile,
    rules: Rules,
    *,
    drills: Sequence[Drill] | None = None,
    importance: Mapping[str, float] | None = None,
    reference: ReferencePerformance | None = None,
    rescore: Callable[[pl.DataFrame], np.ndarray] | None = None,
    seed: int = 20261121,
) -> list[DrillResult]:
    """Drill every fault on a copy of every window.

    Args:
        windows: rows with the profile's columns, in order of time; `score` and, as known, `outcome` (0 or 1) beside.
        profile: of the reference.
        rules: thresholds.
        drills: None: all of `standard_drills`.
        importance: of the features.
        reference: performance yardstick; without it, or without an `outcome`, drills on outcomes cannot be seen.
        rescore: the model; gives the score of a faulty copy. None: scores stay what they were.
        seed: of what is random in the faults.
    """
    results = []
    for drill in standard_drills() if drills is None else drills:
        generator = np.random.default_rng(seed)
        verdicts: list[tuple[Health, tuple[str, ...]]] = []
        delays: list[int] = []
        try:
            for window in windows:
                found, columns, delay = _drill(drill, window, profile, rules, importance, reference, rescore, generator)
                verdicts.append((found, columns))
                if delay is not None:
                    delays.append(delay)
        except NotApplicable as why:
            results.append(DrillResult(drill.name, drill.size, drill.kind, 0, 0, 0, 0, None, str(why)))
            continue
        blind = drill.needs_outcomes and (reference is None or any(OUTCOME not in w.columns for w in windows))
        results.append(
            DrillResult(
                name=drill.name,
                size=drill.size,
                expected=drill.kind,
                windows=len(verdicts),
                caught=sum(at_least(health.severity, "watch") for health, _ in verdicts),
                acted=sum(at_least(health.severity, "act") for health, _ in verdicts),
                named=sum(_named(drill, health, columns) for health, columns in verdicts),
                delay=float(np.mean(delays)) if delays else None,
                note="cannot be seen without outcomes" if blind else "",
            )
        )
    return results


def _drill(
    drill: Drill,
    window: pl.DataFrame,
    profile: Profile,
    rules: Rules,
    importance: Mapping[str, float] | None,
    reference: ReferencePerformance | None,
    rescore: Callable[[pl.DataFrame], np.ndarray] | None,
    generator: np.random.Generator,
) -> tuple[Health, tuple[str, ...], int | None]:
    """First verdict, the columns it should name, and the number of windows until `act`."""
    faulty, columns = drill.inject(window, profile, generator)
    if rescore is not None and drill.kind == "feed_fault":
        faulty = faulty.with_columns(pl.Series(SCORE, rescore(faulty)))
    drift = compare(profile, count_window(faulty, profile), rules, importance=importance, sample=faulty.head(5000))
    performance = None
    if reference is not None and OUTCOME in faulty.columns and SCORE in faulty.columns:
        performance = measure(reference, faulty[OUTCOME].to_numpy(), faulty[SCORE].to_numpy(), rules=rules)
    names = [n for n in profile.columns if n in faulty.columns and n != SCORE]
    earlier_rows = {"the window before": content_digest(window, names)} if drill.name == "stale batch" else {}
    batch = find_batch_faults(faulty, names, earlier=earlier_rows)
    # The fault stays: each further window looks like this one, and only persistence is different.
    earlier: list[Earlier] = []
    first = triage(drift, performance, earlier, rules, {}, batch=batch)
    found, count = first, 1
    while not at_least(found.severity, "act") and count < rules.persistence_n:
        earlier.append(Earlier(str(count), found.raw))
        found = triage(drift, performance, earlier, rules, {}, batch=batch)
        count += 1
    return first, columns, count if at_least(found.severity, "act") else None


def _named(drill: Drill, health: Health, columns: tuple[str, ...]) -> bool:
    return health.kind == drill.kind and set(columns) <= set(health.columns)


def as_it_is() -> Drill:
    """No fault: a window that alarms by itself shows nothing when it is drilled."""
    return Drill("no fault", "the window as it is", "none", lambda rows, _, __: (rows, ()))


def standard_drills() -> list[Drill]:
    """The faults every model is drilled with, smaller and larger."""
    return [
        *(Drill("nulls", f"{s:.0%} of one feature", "feed_fault", _nulls(s)) for s in (0.1, 0.3, 0.9)),
        *(Drill("unit change", f"times {f:g}", "feed_fault", _unit(f)) for f in (12, 100, 1000)),
        Drill("renamed category", "the most frequent", "feed_fault", _rename),
        Drill("swapped columns", "two of a kind", "feed_fault", _swap),
        Drill("stale batch", "the window before, once more", "feed_fault", _stale),
        *(
            Drill("subpopulation shift", f"one group {f} times as frequent", "population_shift", _group(f))
            for f in (2, 3, 5)
        ),
        *(Drill("base-rate shift", f"{f:g} times the positives", "base_rate_shift", _base_rate(f)) for f in (1.5, 2)),
        *(Drill("concept flip", f"in {s:.0%} of the rows", "relation_change", _flip(s), True) for s in (0.1, 0.2)),
        Drill("concept flip", "in one group", "relation_change", _flip_group, True),
    ]


def _features(profile: Profile, kind: str) -> list[ColumnProfile]:
    return [c for c in profile.columns.values() if c.kind == kind and c.name not in (SCORE, OUTCOME) and c.present]


def _pick(found: list[ColumnProfile], what: str, generator: np.random.Generator) -> ColumnProfile:
    if not found:
        raise NotApplicable(f"no {what} among the features")
    return found[int(generator.integers(len(found)))]


def _nulls(share: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        held = [
            c for c in profile.columns.values() if c.name not in (SCORE, OUTCOME) and c.nulls < c.rows * (1 - share)
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


def _group(factor: float) -> Inject:
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


def _base_rate(factor: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        y = _outcomes(rows)
        if not 0 < factor * y.mean() < 1:
            raise NotApplicable(f"outcomes cannot become {factor:g} times as frequent in every window")
        # Positives come more often, each as they were: inputs and scores move as far as they tell of the outcome.
        return rows[_more_often(y == 1, factor, generator)], ()

    return inject


def _flip(share: float) -> Inject:
    def inject(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
        y = _outcomes(rows)
        flipped = generator.random(rows.height) < share
        return rows.with_columns(pl.Series(OUTCOME, np.where(flipped, 1 - y, y))), ()

    return inject


def _flip_group(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
    y = _outcomes(rows)
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
    return rows.with_columns(pl.Series(OUTCOME, np.where(inside, 1 - y, y))), ()


def _outcomes(rows: pl.DataFrame) -> np.ndarray:
    if OUTCOME not in rows.columns:
        raise NotApplicable("the windows have no outcomes: what only outcomes show cannot be seen")
    return rows[OUTCOME].to_numpy().astype(int)
