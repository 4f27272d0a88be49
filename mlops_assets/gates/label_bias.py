"""Label-bias gate: how different the labels of protected groups are, before any model learns from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, Finding, Gate, RuleOnDeclared, show, worst
from mlops_assets.gates.group_limits import GroupLimit, Levels, judge_limits, text_of
from mlops_assets.statistics.group_limits import Groups
from mlops_assets.strictness import HigherFloat, LowerFloat, LowerInt, LowerLimit


class LabelBiasRule(RuleOnDeclared):
    """Differences between protected groups in the labels themselves, before any model."""

    min_ratio: HigherFloat = Field(default=0.8, ge=0, le=1)
    """Smallest ratio of the lowest to the highest group's favourable-label rate (four-fifths convention)."""
    max_difference: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of favourable-label rates (for multiclass, of any class's share)."""
    max_standardised_difference: LowerFloat = Field(default=0.5, gt=0)
    """Largest difference of group means in standard deviations (regression)."""
    min_group_size: LowerInt = Field(default=100, ge=1)
    """Groups with fewer rows are not measured."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """Chance of failing although every limit is kept by all groups; a higher alpha refuses on weaker evidence."""
    pass_alpha: LowerFloat = Field(default=0.05, gt=0, lt=1)
    """Chance of passing although some pair of groups is beyond a limit; what neither passes nor fails is not measurable."""


@dataclass(frozen=True)
class LabelGroup(Evidence):
    """Labels of one group.

    Attributes:
        attribute: protected attribute.
        group: readable name.
        rows: with a target.
        favourable: rows with the favourable label (binary).
        classes: rows by class (multiclass).
        mean, variance: of the target (regression).
    """

    attribute: str
    group: str
    rows: int
    favourable: int | None = None
    classes: dict[str, int] | None = None
    mean: float | None = None
    variance: float | None = None


@dataclass(frozen=True)
class LabelBiasEvidence(Evidence):
    """Labels by group of every protected attribute (`datasets.screening.Screening`).

    Attributes:
        task: of the model.
        protected: names of the protected attributes.
        labels: labels by attribute and group.
    """

    task: Task
    protected: tuple[str, ...]
    labels: tuple[LabelGroup, ...]


def decide(evidence: LabelBiasEvidence, rule: LabelBiasRule) -> Finding:
    """Fail when some pair of groups is surely beyond a limit; pass when all are surely within every limit."""
    limit = {
        Task.BINARY: rule.min_ratio,
        Task.MULTICLASS: rule.max_difference,
        Task.REGRESSION: rule.max_standardised_difference,
    }[evidence.task]
    text = _rule_text(evidence.task, rule)
    if not evidence.protected:
        reason = "the declaration names no protected attribute, so label bias is not measured"
        return Finding("not_measurable", text, reason, threshold=limit, absent=True)
    limits = [one for attribute in evidence.protected for one in _limits(attribute, evidence, rule)]
    if not limits:
        return Finding("passed", text, "the policy sets no limit")
    findings = judge_limits(limits, Levels(rule.alpha, rule.pass_alpha))
    outcome = worst([f.outcome for f in findings])
    main = limits[0].metric
    values = [f.value for f in findings if f.metric == main and f.value is not None]
    nearest = min if evidence.task is Task.BINARY else max
    return Finding(
        outcome,
        text,
        text_of(findings, outcome),
        value=nearest(values, default=None),
        threshold=limit,
        details={"findings": [f.to_dict() for f in findings]},
    )


def _limits(attribute: str, evidence: LabelBiasEvidence, rule: LabelBiasRule) -> list[GroupLimit]:
    groups = [g for g in evidence.labels if g.attribute == attribute]
    large = [g for g in groups if g.rows >= rule.min_group_size]
    small = tuple(f"{g.group} ({g.rows} rows)" for g in groups if g.rows < rule.min_group_size)
    enough = len(large) >= 2
    problem = "" if enough else f"fewer than two groups of {rule.min_group_size} rows"
    if evidence.task is Task.REGRESSION:
        tables = (_means(large),) if enough else ()
        limit = rule.max_standardised_difference
        return [GroupLimit(attribute, "standardised difference of means", "difference", limit, tables, problem, small)]
    if evidence.task is Task.MULTICLASS:
        tables = tuple(_shares(large).values()) if enough else ()
        if rule.max_difference is None:
            return []
        return [
            GroupLimit(
                attribute, "difference of class shares", "difference", rule.max_difference, tables, problem, small
            )
        ]
    tables = (_rates(large, [g.favourable or 0 for g in large]),) if enough else ()
    limits = [GroupLimit(attribute, "ratio of favourable-label rates", "ratio", rule.min_ratio, tables, problem, small)]
    if rule.max_difference is not None:
        metric = "difference of favourable-label rates"
        limits.append(GroupLimit(attribute, metric, "difference", rule.max_difference, tables, problem, small))
    return limits


def _rates(groups: Sequence[LabelGroup], counts: Sequence[int]) -> Groups:
    return Groups.of_rates([g.group for g in groups], counts, [g.rows for g in groups])


def _shares(groups: Sequence[LabelGroup]) -> dict[str, Groups]:
    """Share of each class in every group."""
    labels = sorted({label for g in groups for label in g.classes or {}})
    return {label: _rates(groups, [(g.classes or {}).get(label, 0) for g in groups]) for label in labels}


def _means(groups: Sequence[LabelGroup]) -> Groups:
    """Means in standard deviations of the target over all these groups."""
    rows = [g.rows for g in groups]
    means, variances = [g.mean or 0.0 for g in groups], [g.variance or 0.0 for g in groups]
    total = sum(rows)
    centre = sum(n * m for n, m in zip(rows, means, strict=True)) / total
    spread = sum(n * (v + (m - centre) ** 2) for n, m, v in zip(rows, means, variances, strict=True)) / total
    unit = math.sqrt(spread) or 1.0
    errors = [v / max(n - 1, 1) / unit**2 for n, v in zip(rows, variances, strict=True)]
    return Groups.of_means([g.group for g in groups], [m / unit for m in means], errors)


def _rule_text(task: Task, rule: LabelBiasRule) -> str:
    if task is Task.REGRESSION:
        text = f"difference of group means at most {show(rule.max_standardised_difference)} standard deviations"
    elif task is Task.BINARY:
        text = f"ratio of favourable-label rates at least {show(rule.min_ratio)}"
        if rule.max_difference is not None:
            text += f", difference at most {show(rule.max_difference)}"
    elif rule.max_difference is None:
        text = "differences of class shares, which the policy does not limit"
    else:
        text = f"difference of class shares at most {show(rule.max_difference)}"
    levels = f"wrong failure at most {show(rule.alpha)}, wrong pass at most {show(rule.pass_alpha)}"
    return f"{text}; {levels}; groups of {rule.min_group_size} rows or more"


GATE = Gate(
    "label_bias",
    "Do the labels of protected groups differ?",
    LabelBiasEvidence,
    LabelBiasRule,
    decide,
    stage="training_data",
)
