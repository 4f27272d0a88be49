"""What columns show together though none of them shows it alone: pairs that went together and no longer do.

Belongs here: the multivariate look at samples of rows, and its verdict. Counts cannot tell this, so it rests on the
bounded samples that are kept beside a profile; it is taken where the columns, one by one, are quiet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.monitoring.severity import Severity, at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.dependence import ChangedPair, changed_pairs, correlations, divergence, normal_scores
from mlops_assets.statistics.profile import ColumnProfile, Profile, as_number, category_text
from mlops_assets.statistics.resampling import spread_positions
from mlops_assets.statistics.two_sample_classifier import two_sample_classifier

LEAST_ROWS = 200
MOST_ROWS = 5000
MOST_WORK = 20_000_000
LEAST_CATEGORY = 20
MOST_NAMED = 5
MOST_PERIODS = 32
OWN_PERIODS = 6
LEAST_IN_A_PERIOD = 60
"""Rows of the sample that a period needs for correlations to be worth comparing."""
ALPHA_SHARE = 0.1
"""Part of the false-alarm level that each of the two tests here may use: the columns, one by one, have the rest."""
SWAP_LEFT = 0.2
"""A swap is named where it explains all but this part of the changed correlations."""
LARGEST_LEFT = 0.5
"""And no more than this part of the most changed pair's own."""
SEED = 20261121


@dataclass(frozen=True)
class JointDrift:
    """The verdict on columns together.

    Attributes:
        severity: none, watch or act; held against the same thresholds as single columns.
        reason: in words.
        columns: concerned, the most changed first.
        pairs: first column, second column, correlation before and now, of pairs that changed.
        swapped: two columns that have changed places, or none.
        auc: of a classifier that tells window from reference on rows it has not seen; None where pairs were enough.
        p_value: of the evidence.
        effect: divergence of the most changed pair, or what the AUC would be as a PSI.
    """

    severity: Severity
    reason: str
    columns: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str, float, float], ...] = ()
    swapped: tuple[str, ...] = ()
    auc: float | None = None
    p_value: float | None = None
    effect: float = 0.0

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "JointDrift":
        """Read back what `dataclasses.asdict` made, through JSON or not."""
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        known["pairs"] = tuple((a, b, before, now) for a, b, before, now in known.get("pairs", ()))
        for name in ("columns", "swapped"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


def compare_jointly(
    profile: Profile,
    reference: pl.DataFrame,
    window: pl.DataFrame,
    thresholds: MonitoringThresholds,
    *,
    periods: int = 0,
    score: str = "",
) -> JointDrift | None:
    """Look at a sample of both sides.

    Two tests, each with a tenth of the false-alarm level: correlations of pairs, which name the pair; where they are
    quiet, a classifier that learns to tell the samples apart, which sees any change at all. Where the reference's rows
    are in the order of time, what its own periods differ by is no change.

    Args:
        profile: says which columns and how they are read.
        reference, window: rows; at most 5,000 of each are used.
        thresholds: thresholds.
        periods: how many periods as long as the window the reference has; 0: its rows have no order in time.
        score: column of the model's scores, which is never taken for one of two swapped columns.

    Returns:
        None where there are too few rows or columns to say anything.
    """
    names = [n for n, c in profile.columns.items() if _readable(c, reference) and _readable(c, window)]
    if len(names) < 2 or min(reference.height, window.height) < LEAST_ROWS:
        return None
    both = _matrix(_bounded(reference), _bounded(window), [profile.columns[n] for n in names])
    before, now = both[: min(reference.height, MOST_ROWS)], both[min(reference.height, MOST_ROWS) :]
    # The draws behind a changed pair cost rows times columns squared: a wide table is looked at on fewer rows.
    most = max(LEAST_ROWS, MOST_WORK // len(names) ** 2)
    thinned = [side[spread_positions(len(side), most)] for side in (before, now)]
    scores = normal_scores(np.concatenate(thinned))
    sides = scores[: len(thinned[0])], scores[len(thinned[0]) :]
    level = thresholds.alpha * ALPHA_SHARE
    periods = min(periods, MOST_PERIODS, len(sides[0]) // LEAST_IN_A_PERIOD)
    pairs = changed_pairs(*sides, level=level, least=thresholds.psi_watch, seed=SEED, periods=periods)
    if pairs:
        noise = 1 / len(sides[0]) + 1 / len(sides[1])
        return _from_pairs(names, pairs, [correlations(side) for side in sides], profile, thresholds, noise, score)
    return _from_classifier(names, before, now, level, thresholds, periods)


def _from_pairs(
    names: Sequence[str],
    pairs: list[ChangedPair],
    matrices: list[np.ndarray],
    profile: Profile,
    thresholds: MonitoringThresholds,
    noise: float,
    score: str,
) -> JointDrift:
    largest = pairs[0]
    changes = [
        f"the correlation of {names[p.first]} and {names[p.second]} is {p.now:.2f} against {p.before:.2f} in the reference"
        for p in pairs[:2]
    ]
    if len(pairs) > 2:
        changes.append(f"{len(pairs) - 2} more pairs changed")
    weight = dict.fromkeys(range(len(names)), 0.0)
    for pair in pairs:
        weight[pair.first] += pair.effect
        weight[pair.second] += pair.effect
    concerned = sorted((i for i in weight if weight[i] > 0), key=lambda i: -weight[i])
    candidates = [i for i in concerned if names[i] != score][:12]
    swapped = _swapped(pairs, candidates, matrices, [profile.columns[n] for n in names], noise)
    return JointDrift(
        severity="act" if swapped or largest.effect >= thresholds.psi_act else "watch",
        reason="; ".join(changes),
        columns=tuple(names[i] for i in swapped or concerned[:MOST_NAMED]),
        pairs=tuple((names[p.first], names[p.second], round(p.before, 4), round(p.now, 4)) for p in pairs[:20]),
        swapped=tuple(names[i] for i in swapped),
        p_value=min(p.p_value for p in pairs),
        effect=largest.effect,
    )


def _swapped(
    pairs: Sequence[ChangedPair],
    concerned: Sequence[int],
    matrices: list[np.ndarray],
    columns: Sequence[ColumnProfile],
    noise: float,
) -> tuple[int, ...]:
    """The two columns that explain the changed correlations when they are put at each other's place.

    The most changed pair must be among what they explain: beside the noise of many pairs, any two columns seem to explain
    a little, but a pair's own correlation is the same when its two columns change places. A swap changes the correlations of
    both columns: each must have a changed pair without the other. `noise` is the variance of a difference of Fisher's z;
    what chance alone adds to all pairs is taken off.
    """
    before, now = matrices
    largest = pairs[0]
    chance = float(((1 + before**2) * noise).sum())
    total = float(divergence(before, now).sum())
    best, pair, found = total, (), now
    for position, i in enumerate(concerned):
        for j in concerned[position + 1 :]:
            if columns[i].kind != columns[j].kind or not _both_changed(i, j, pairs):
                continue
            order = list(range(len(columns)))
            order[i], order[j] = j, i
            put_back = now[np.ix_(order, order)]
            left = float(divergence(before, put_back).sum())
            if left < best:
                best, pair, found = left, (i, j), put_back
    unexplained = float(divergence(before, found)[largest.first, largest.second])
    if unexplained > LARGEST_LEFT * largest.effect:
        return ()
    return pair if best - chance <= SWAP_LEFT * max(total - chance, 0.0) else ()


def _both_changed(i: int, j: int, pairs: Sequence[ChangedPair]) -> bool:
    """Whether each of two columns is in a changed pair with a third one."""
    apart = [{p.first, p.second} for p in pairs if {p.first, p.second} != {i, j}]
    return any(i in pair for pair in apart) and any(j in pair for pair in apart)


def _from_classifier(
    names: Sequence[str],
    before: np.ndarray,
    now: np.ndarray,
    level: float,
    thresholds: MonitoringThresholds,
    periods: int,
) -> JointDrift | None:
    test = two_sample_classifier(before, now, level=level, seed=SEED)
    if test is None:
        return None
    severity: Severity = "none"
    # The other way round: the PSI of two normals that far apart.
    effect = _psi_of(test.auc)
    if test.p_value < level and effect >= thresholds.psi_watch:
        effect = max(0.0, effect - (_psi_of(_own_auc(before, periods, thresholds.alpha)) if periods else 0.0))
        severity = "act" if effect >= thresholds.psi_act else "watch" if effect >= thresholds.psi_watch else "none"
    ranked = sorted(range(len(test.drops)), key=lambda i: -test.drops[i])
    concerned = tuple(names[i] for i in ranked[:MOST_NAMED] if test.drops[i] > 0.1 * max(test.drops[ranked[0]], 1e-9))
    by = ""
    if at_least(severity, "watch") and concerned:
        by = f", mostly by {', '.join(concerned[:3])}"
    else:
        concerned = ()
    reason = f"a classifier tells window and reference apart{by} (AUC {test.auc:.3f})"
    return JointDrift(severity, reason, concerned, auc=test.auc, p_value=test.p_value, effect=effect)


def _own_auc(reference: np.ndarray, periods: int, alpha: float) -> float:
    """How well a further period of the reference would be told from it, at most, but for a share `alpha` of periods.

    A few of its periods are told from its other rows; the bound is that of one more draw from a normal (on the scale of
    the distance between two normals) of which so many are known.
    """
    from scipy.special import ndtr, ndtri
    from scipy.stats import t

    rows = max(len(reference) // periods, LEAST_ROWS)
    starts = np.linspace(0, len(reference) - rows, OWN_PERIODS).astype(int)
    found = (
        two_sample_classifier(
            np.delete(reference, np.s_[start : start + rows], axis=0),
            reference[start : start + rows],
            level=0.0,
            seed=SEED,
        )
        for start in starts
    )
    apart = ndtri(np.clip([test.auc for test in found if test is not None], 1e-9, 1 - 1e-9))
    if len(apart) < OWN_PERIODS:
        return 1.0
    spread = float(np.std(apart, ddof=1)) * sqrt(1 + 1 / len(apart))
    return float(ndtr(np.mean(apart) + t.isf(alpha, len(apart) - 1) * spread))


def auc_of(psi: float) -> float:
    """AUC of two normals of one variance whose PSI is `psi`: apart by d = √PSI, they are told apart with Φ(d / √2)."""
    return 0.5 * (1 + erf(sqrt(psi) / 2))


def _psi_of(auc: float) -> float:
    from scipy.special import erfinv

    return float((2 * erfinv(min(max(2 * auc - 1, 0.0), 1 - 1e-9))) ** 2)


def _readable(column: ColumnProfile, frame: pl.DataFrame) -> bool:
    if column.name not in frame.columns or not column.present or not frame[column.name].count():
        return False
    dtype = frame.schema[column.name]
    if column.kind == "numeric":
        return dtype.is_numeric() or dtype.is_temporal()
    return column.distinct > 1 and not dtype.is_nested()


def _bounded(frame: pl.DataFrame) -> pl.DataFrame:
    """At most 5,000 rows, spread over the whole frame."""
    return frame[spread_positions(frame.height, MOST_ROWS)]


def _matrix(reference: pl.DataFrame, window: pl.DataFrame, columns: Sequence[ColumnProfile]) -> np.ndarray:
    """Numbers for all columns and the rows of both sides, the reference's first; NaN where missing.

    Categories are numbered by how often they are in both sides together, rare ones alike: numbered by one side, their
    numbers would tell the sides apart.
    """
    parts = []
    for column in columns:
        sides = [side[column.name] for side in (reference, window)]
        if column.kind == "numeric":
            values = np.concatenate([as_number(side).to_numpy().astype(float) for side in sides])
        else:
            text = pl.concat([category_text(side, column.categories).alias("value") for side in sides])
            order = text.drop_nulls().value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
            frequent = order.filter(pl.col("rows") >= LEAST_CATEGORY)["value"].to_list()
            places = {value: float(i) for i, value in enumerate(frequent)}
            coded = text.replace_strict(places, default=float(len(places)), return_dtype=pl.Float64)
            values = coded.set(text.is_null(), None).to_numpy().astype(float)
        parts.append(np.where(np.isfinite(values), values, np.nan))
    return np.column_stack(parts)
