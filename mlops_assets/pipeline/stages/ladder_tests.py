"""The tests of a challenger on rows that it scored beside the champion: each a pure function with the result as a record has it.

Not here: which rows those are, and writing the record (`beside_champion.py`), and what follows from it (`release/ladder.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.estimators import NotMeasurable, prepare
from mlops_assets.evaluation.fairness import measure_fairness
from mlops_assets.evaluation.two_versions import paired, two_sample
from mlops_assets.gates import fairness as fairness_gate
from mlops_assets.gates import performance as performance_gate
from mlops_assets.gates.fairness import FairnessRule
from mlops_assets.ledger.events.windows import LadderCheck
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate
from mlops_assets.policy.policy import Policy
from mlops_assets.release import ab_test
from mlops_assets.statistics.intervals import wilson_interval

CONFIDENCE = 0.99
"""A challenger that is no worse is sent back by one window in two hundred, for each test."""
FLOORS = {Task.BINARY: "min_auc", Task.MULTICLASS: "min_skill", Task.REGRESSION: "min_skill"}
OF_DECISIONS = ("min_ratio", "max_difference")
OF_OUTCOMES = tuple(
    name
    for name in FairnessRule.model_fields
    if name.startswith("max_") and name not in ("max_difference", "max_error_difference", "max_accuracy_difference")
)
"""Limits of the gate `fairness` on a binary model: of decisions alone, and of decisions given what turned out to be true."""
Outcome = Literal["passed", "failed", "not_measurable"]


@dataclass(frozen=True)
class Arm:
    """Rows with known outcomes that one version decided, and both versions' scores of them.

    Attributes:
        ids: of the rows.
        truth: outcomes.
        own: scores of the version that decided: shape (n,), or (n, classes).
    """

    ids: pl.Series
    truth: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class BesideRows:
    """A window in which a challenger scored beside the champion.

    Attributes:
        declaration: of the champion.
        both: `id`, `champion`, `challenger` (scores), `champion_decision` and `challenger_decision` of every row.
        known: the rows that the champion decided, whose outcomes are known.
        tried: those that the challenger decided; None where it decided none.
        groups: protected columns of the same rows as `both`, in its order; None where none is declared.
        failed: rows that the challenger could not score.
        time_ratio: its time for a row against the champion's, or None.
        estimate: of the challenger's performance, from its scores alone, or why there is none.
        excepted: gates that an exception in force lifts for the challenger.
    """

    declaration: Declaration
    both: pl.DataFrame
    known: Arm
    tried: Arm | None = None
    groups: pl.DataFrame | None = None
    failed: int = 0
    time_ratio: float | None = None
    estimate: PerformanceEstimate | str = "the challenger has no reference of its performance"
    excepted: frozenset[str] = field(default_factory=frozenset)


def checks_of(rows: BesideRows, policy: Policy) -> tuple[LadderCheck, ...]:
    """Every test that the model's task has, in a fixed order.

    Args:
        rows: of the window.
        policy: with the limits.
    """
    found = [performance(rows, policy), estimated(rows, policy)]
    if rows.declaration.task is not Task.REGRESSION:
        found.append(agreement(rows.both, policy.release.min_agreement))
    found += [
        score_distance(rows.both, policy.release.max_score_distance),
        fairness(rows, policy),
        failed_rows(rows.failed, rows.both.height, policy.release.max_failed_share),
        speed(rows.time_ratio, rows.both.height, policy),
    ]
    if policy.release.takeover == "ab" and rows.tried is not None:
        found.append(ab_window(rows, policy))
    return tuple(found)


def performance(rows: BesideRows, policy: Policy) -> LadderCheck:
    """Paired comparison on the champion's rows whose outcomes are known, against the margin of the gate `performance`."""
    name = "performance"
    if rows.declaration.task is Task.MULTICLASS:
        return _none(name, "of several classes only the likeliest one's probability is kept beside the champion's")
    beside, there = _scores(rows.known.ids, rows.both, "challenger")
    if there.sum() < policy.monitoring.minimum_rows:
        return _none(name, f"{int(there.sum())} rows with outcomes, fewer than {policy.monitoring.minimum_rows}")
    margin = policy.champion_margin
    pair = compare(
        rows.known.truth[there],
        rows.known.own[there],
        beside[there],
        rows.declaration.task,
        margin,
        confidence=CONFIDENCE,
        seed=rows.declaration.training.seed,
    )
    outcomes: dict[str, Outcome] = {"better": "passed", "no_worse": "passed", "worse": "failed"}
    return LadderCheck(
        name=name, outcome=outcomes.get(pair.verdict, "not_measurable"), reason=pair.reason,
        value=pair.difference, low=pair.low, high=pair.high, limit=-margin, rows=int(there.sum()),
    )  # fmt: skip


def estimated(rows: BesideRows, policy: Policy) -> LadderCheck:
    """The challenger's performance as its scores let expect it, against the floor of the gate `performance`."""
    name, found = "estimate", rows.estimate
    if isinstance(found, str):
        return _none(name, found)
    if found.abstained:
        return _none(name, found.reason)
    metric, one = next((m, e) for m, e in found.metrics.items() if m != "base_rate")
    floor = float(getattr(policy.gates.of(performance_gate.GATE), FLOORS[rows.declaration.task]))
    said = f"{metric} is estimated at {one.value:.4f} ({one.low:.4f} to {one.high:.4f}) from the scores alone"
    failed = one.high < floor
    return LadderCheck(
        name=name, outcome="failed" if failed else "passed",
        reason=f"{said}, below the floor of {floor:g}" if failed else f"{said}; the floor is {floor:g}",
        value=one.value, low=one.low, high=one.high, limit=floor, rows=found.n,
    )  # fmt: skip


def agreement(both: pl.DataFrame, least: float) -> LadderCheck:
    """On how many rows the challenger decides as the champion does.

    Args:
        both: with `champion_decision` and `challenger_decision`.
        least: share that it must be.
    """
    rows = both.filter(pl.col("challenger_decision").is_not_null())
    if not rows.height:
        return _none("agreement", "no row was decided by both")
    same = int((rows["champion_decision"] == rows["challenger_decision"]).sum())
    interval = wilson_interval(same, rows.height, CONFIDENCE)
    share = same / rows.height
    failed = interval.high < least
    said = f"{share:.1%} of {rows.height} rows are decided alike"
    return LadderCheck(
        name="agreement", outcome="failed" if failed else "passed",
        reason=f"{said}, at least {least:.1%} must be" if failed else said,
        value=share, low=interval.low, high=interval.high, limit=least, rows=rows.height,
    )  # fmt: skip


def score_distance(both: pl.DataFrame, most: float | None) -> LadderCheck:
    """Largest distance of the two versions' distributions of scores of the same rows (Kolmogorov and Smirnov).

    By the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant each of the two empirical distributions is
    within √(ln(4/α) / 2n) of its own at once with probability 1 - α: the true distance is at least D less twice that,
    however the two scores depend on each other.

    Args:
        both: with `champion` and `challenger`.
        most: limit of the distance; None: any.
    """
    rows = both.filter(pl.col("champion").is_finite() & pl.col("challenger").is_finite())
    if not rows.height:
        return _none("score_distance", "no row was scored by both")
    first, second = (np.sort(rows[name].to_numpy()) for name in ("champion", "challenger"))
    at = np.concatenate([first, second])
    below = [np.searchsorted(one, at, side="right") for one in (first, second)]
    distance = float(np.abs(below[0] - below[1]).max() / rows.height)
    noise = 2 * math.sqrt(math.log(4 / (1 - CONFIDENCE)) / (2 * rows.height))
    low, high = max(0.0, distance - noise), min(1.0, distance + noise)
    failed = most is not None and low > most
    said = f"the scores are {distance:.3f} apart ({low:.3f} to {high:.3f})"
    return LadderCheck(
        name="score_distance", outcome="failed" if failed else "passed",
        reason=f"{said}, at most {most:g} may be" if failed else said,
        value=distance, low=low, high=high, limit=most, rows=rows.height,
    )  # fmt: skip


def fairness(rows: BesideRows, policy: Policy) -> LadderCheck:
    """The challenger's decisions over the protected groups of all rows, and on known outcomes, within the gate's limits.

    The chance of failing although every limit is kept is that of one window beside the champion, not the gate's.
    """
    name, rule = "fairness", policy.gates.of(fairness_gate.GATE)
    if not rule.required:
        return _none(name, "the policy does not require the gate fairness")
    if name in rows.excepted:
        return _none(name, "an exception in force lifts the gate fairness for this version")
    if rows.groups is None or not rows.declaration.protected:
        return _none(name, "the declaration names no protected attribute")
    if rows.declaration.task is Task.MULTICLASS:
        return _none(name, "of several classes only the likeliest one's probability is kept beside the champion's")
    strict = rule.model_copy(update={"alpha": 1 - CONFIDENCE})
    found = [one for one in (_selection(rows, strict), _by_outcome(rows, strict, policy)) if one is not None]
    if not found:
        return _none(name, "no limit of the gate can be held yet: outcomes are not known, or no limit is set")
    # The worst of both, as in the gate: what passed in part did not pass.
    return min(found, key=lambda one: ("failed", "not_measurable", "passed").index(one.outcome))


def _selection(rows: BesideRows, rule: FairnessRule) -> LadderCheck | None:
    """Rates of favourable decisions, for which no outcome is needed (binary)."""
    if rows.declaration.task is not Task.BINARY or rows.groups is None or not _limited(rule, OF_DECISIONS):
        return None
    decided = rows.both["challenger_decision"].is_not_null()
    decisions = rows.both["challenger_decision"].filter(decided).to_numpy()
    alone = rule.model_copy(update=dict.fromkeys(OF_OUTCOMES))
    return _judged(rows.declaration, np.zeros(len(decisions)), decisions, rows.groups.filter(decided), alone)


def _by_outcome(rows: BesideRows, rule: FairnessRule, policy: Policy) -> LadderCheck | None:
    """Rates and errors that are conditional on known outcomes; None with fewer than the policy's least rows."""
    binary = rows.declaration.task is Task.BINARY
    values, there = _scores(rows.known.ids, rows.both, "challenger_decision" if binary else "challenger")
    if there.sum() < policy.monitoring.minimum_rows or rows.groups is None:
        return None
    if binary and not _limited(rule, OF_OUTCOMES):
        return None
    if binary:
        rule = rule.model_copy(update=dict.fromkeys(OF_DECISIONS))
    placed = pl.DataFrame({"id": rows.known.ids}).join(
        rows.groups.with_columns(rows.both["id"]), on="id", how="left", maintain_order="left"
    )
    return _judged(rows.declaration, rows.known.truth[there], values[there], placed.filter(pl.Series(there)), rule)


def _limited(rule: FairnessRule, fields: Sequence[str]) -> bool:
    return any(getattr(rule, name) is not None for name in fields)


def _judged(
    declaration: Declaration, truth: np.ndarray, given: np.ndarray, groups: pl.DataFrame, rule: FairnessRule
) -> LadderCheck:
    found = measure_fairness(
        prepare(truth, given.astype(float), declaration.task, threshold=0.5),
        groups,
        declaration.protected,
        favourable=declaration.target.favourable,
        minimum_group=rule.min_group_size,
        minimum_outcomes=rule.min_group_positives,
    )
    result = fairness_gate.GATE.result(found.to_dict(), rule)
    outcomes: dict[str, Outcome] = {"passed": "passed", "failed": "failed"}
    return LadderCheck(
        name="fairness", outcome=outcomes.get(result.outcome, "not_measurable"), reason=result.reason or result.rule,
        value=result.value, limit=result.threshold, rows=len(truth),
    )  # fmt: skip


def failed_rows(failed: int, rows: int, most: float | None) -> LadderCheck:
    """Share of the champion's rows that the challenger could not score."""
    if not rows:
        return _none("failed_rows", "no row was scored")
    share = failed / rows
    bad = most is not None and share > most
    said = f"{failed} of {rows} rows could not be scored"
    return LadderCheck(
        name="failed_rows", outcome="failed" if bad else "passed",
        reason=f"{said}, at most {most:.2%} may fail" if bad else said, value=share, limit=most, rows=rows,
    )  # fmt: skip


def speed(ratio: float | None, rows: int, policy: Policy) -> LadderCheck:
    """Time for a row against the champion's for the same rows; of few rows it is mostly chance."""
    least, most = policy.monitoring.minimum_rows, policy.release.max_time_ratio
    if ratio is None or rows < least:
        return _none("speed", "no time was taken" if ratio is None else f"{rows} rows, fewer than {least}")
    bad = most is not None and ratio > most
    said = f"it takes {ratio:.3g} times as long as the champion for a row"
    return LadderCheck(
        name="speed", outcome="failed" if bad else "passed",
        reason=f"{said}, at most {most:g} is allowed" if bad else said, value=ratio, limit=most, rows=rows,
    )  # fmt: skip


def ab_window(rows: BesideRows, policy: Policy) -> LadderCheck:
    """The window's part of an A/B test: the difference and its error, which the ladder adds up over the windows."""
    name, task, tried = ab_test.NAME, rows.declaration.task, rows.tried
    assert tried is not None
    try:
        if policy.release.ab_test == "two_sample":
            found = two_sample(*(prepare(arm.truth, arm.own, task) for arm in (rows.known, tried)))
        elif task is Task.MULTICLASS:
            return _none(
                name, "of several classes only the likeliest one's probability is kept beside: declare two_sample"
            )
        else:
            found = _paired(rows, tried)
    except (NotMeasurable, ValueError) as reason:
        return _none(name, str(reason))
    said = f"{found.metric} {found.second:.4f} against {found.first:.4f}, difference {found.value:+.4f} (error {found.error:.4f})"
    return LadderCheck(
        name=name, outcome="passed", reason=f"{said}; the windows decide together",
        value=found.value, error=found.error, rows=len(tried.truth),
    )  # fmt: skip


def _paired(rows: BesideRows, tried: Arm):
    task = rows.declaration.task
    beside, there = _scores(rows.known.ids, rows.both, "challenger")
    others, theirs = _scores(tried.ids, rows.both, "champion")
    truth = np.concatenate([rows.known.truth[there], tried.truth[theirs]])
    champion = np.concatenate([rows.known.own[there], others[theirs]])
    challenger = np.concatenate([beside[there], tried.own[theirs]])
    return paired(prepare(truth, champion, task), prepare(truth, challenger, task))


def _scores(ids: pl.Series, both: pl.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column of `both` in the order of the ids, and where it has a number."""
    found = pl.DataFrame({"id": ids}).join(both, on="id", how="left", maintain_order="left")[column]
    numbers = found.cast(pl.Float64)
    there = (numbers.is_not_null() & numbers.is_finite()).fill_null(False)
    return numbers.fill_null(float("nan")).to_numpy(), there.to_numpy()


def _none(name: str, reason: str) -> LadderCheck:
    return LadderCheck(name=name, outcome="not_measurable", reason=reason)
