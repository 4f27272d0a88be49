"""Fairness in production: whether a group of a protected attribute stands further from the others than in the reference.

Belongs here: the change, its interval, its p-value and the smallest change that could have been seen, group by group.
Not here: what the rates are (`evaluation/fairness.py`), and how far apart is too far at release (`gates/fairness.py`).

A group's *gap* is its rate minus that of all other measurable groups of the attribute together. Gaps of two independent
samples of rows are compared, so the pair that stands furthest apart is not picked by the data, as it would be by
comparing largest differences: those are larger in small windows even when nothing has changed. Of two groups one gap
says all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlops_assets.statistics.intervals import normal_interval, smallest_detectable, two_sided_p, z_of
from mlops_assets.statistics.multiplicity import holm

MEASURES = {
    "binary": ("selection_rate", "tpr"),
    "multiclass": ("accuracy",),
    "regression": ("mean_error",),
}
"""What is compared, by task: the rate of favourable decisions, that among people with a favourable outcome, the share
predicted rightly, the mean error."""


@dataclass(frozen=True)
class GroupChange:
    """One measure of one group, window against reference."""

    attribute: str
    group: str
    measure: str
    """`selection_rate`, `tpr`, `accuracy` (shares), or `mean_error` in standard deviations of the reference's target."""
    n: int
    """Rows of the window that the measure is over."""
    reference_gap: float | None = None
    window_gap: float | None = None
    """Of the group against all others."""
    change: float | None = None
    """Window minus reference."""
    low: float | None = None
    high: float | None = None
    """95 % interval of the change, both sides' sampling counted."""
    widened: float | None = None
    """How much further from the others the group is than it was: the size that is held against the policy."""
    p_value: float | None = None
    """Two-sided, that the gap is that of the reference."""
    p_adjusted: float | None = None
    """Holm over all groups and measures of the window."""
    smallest_detectable: float | None = None
    """Smallest change of the gap that the test sees with probability .8, at `alpha` shared among all of them."""
    reason: str = ""
    """Why it was not measured."""


@dataclass(frozen=True)
class _Part:
    """Mean of a measure over some rows, and the variance of that mean."""

    n: float
    value: float
    variance: float


def group_changes(
    reference: Mapping[str, Any] | None, window: Mapping[str, Any] | None, *, alpha: float, unit: float = 1.0
) -> tuple[GroupChange, ...]:
    """Compare the groups that both sides could measure.

    Args:
        reference: fairness of the held-out rows, as `Fairness.to_dict` gives it.
        window: the same of the window's matured rows.
        alpha: level of the tests, for the smallest change that could have been seen.
        unit: what a mean error is divided by: the standard deviation of the reference's target.
    """
    if not reference or not window:
        return ()
    measures = MEASURES[window["task"]]
    before = {a["attribute"]: a for a in reference["attributes"] if not a["intersection"]}
    found: list[GroupChange] = []
    for attribute in window["attributes"]:
        if attribute["intersection"] or attribute["attribute"] not in before:
            continue
        for measure in measures:
            scale = unit if measure == "mean_error" and unit > 0 else 1.0
            found += _of_attribute(before[attribute["attribute"]], attribute, measure, scale)
    tested = [i for i, change in enumerate(found) if change.p_value is not None]
    level = alpha / max(len(tested), 1)
    for i, p in zip(tested, holm([found[i].p_value or 0.0 for i in tested]), strict=True):
        change = found[i]
        error = ((change.high or 0.0) - (change.low or 0.0)) / (2 * 1.959963984540054)
        found[i] = GroupChange(
            **{
                **asdict(change),
                "p_adjusted": p,
                "smallest_detectable": smallest_detectable(error, level, two_sided=True),
            }
        )
    return tuple(found)


def _of_attribute(
    reference: Mapping[str, Any], window: Mapping[str, Any], measure: str, unit: float
) -> list[GroupChange]:
    name = window["attribute"]
    before, after = (_parts(side["groups"], measure) for side in (reference, window))
    shared = [group for group in after if group in before]
    changes = [
        GroupChange(name, g["group"], measure, g["n"], reason=_why(g, before, after))
        for g in window["groups"]
        if g["group"] not in shared
    ]
    if len(shared) < 2:
        return [
            *changes,
            *(GroupChange(name, g, measure, int(after[g].n), reason="no other group is measurable") for g in shared),
        ]
    # Of two groups, the gap of one is that of the other with the sign turned.
    for group in shared[:1] if len(shared) == 2 else shared:
        rest = [g for g in shared if g != group]
        # The reference's sizes on both sides: other sizes of the groups are no change of how any of them is treated.
        weights = {g: before[g].n for g in rest}
        was, was_variance = _gap(before, group, weights)
        now, now_variance = _gap(after, group, weights)
        error = math.sqrt(was_variance + now_variance) / unit
        change = (now - was) / unit
        interval = normal_interval(change, error)
        changes.append(
            GroupChange(
                attribute=name,
                group=group,
                measure=measure,
                n=round(after[group].n),
                reference_gap=was / unit,
                window_gap=now / unit,
                change=change,
                low=interval.low,
                high=interval.high,
                widened=(abs(now) - abs(was)) / unit,
                p_value=two_sided_p(z_of(change, error)),
                p_adjusted=None,
                smallest_detectable=None,
            )
        )
    return changes


def _parts(groups: Sequence[Mapping[str, Any]], measure: str) -> dict[str, _Part]:
    """The measurable groups; a share that is 0 or 1 has no variance of its own, so one half is added to either side."""
    found: dict[str, _Part] = {}
    for group in groups:
        value = group.get(measure)
        if not group["measurable"] or value is None:
            continue
        n = float(group["n"])
        if measure == "mean_error":
            spread = group.get("error_spread")
            if spread is None:
                continue
            found[group["group"]] = _Part(n, value, spread**2 / n)
            continue
        if measure == "tpr":
            n = n * group["base_rate"]
        smooth = (value * n + 0.5) / (n + 1)
        found[group["group"]] = _Part(n, value, smooth * (1 - smooth) / n)
    return found


def _gap(parts: Mapping[str, _Part], group: str, weights: Mapping[str, float]) -> tuple[float, float]:
    """The group minus the others, weighted, and the variance of that."""
    total = sum(weights.values())
    mean = sum(weight * parts[g].value for g, weight in weights.items()) / total
    variance = sum(weight**2 * parts[g].variance for g, weight in weights.items()) / total**2
    return parts[group].value - mean, parts[group].variance + variance


def _why(group: Mapping[str, Any], before: Mapping[str, _Part], after: Mapping[str, _Part]) -> str:
    if group["reason"]:
        return group["reason"]
    if group["group"] not in after:
        return "too few favourable outcomes"
    return "" if group["group"] in before else "not measurable in the reference"
