"""Fairness gate: decisions over the groups of protected attributes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, Finding, Gate, RuleOnDeclared, show, worst
from mlops_assets.gates.group_limits import GroupLimit, Levels, judge_limits, text_of
from mlops_assets.statistics.group_limits import Groups, Scale
from mlops_assets.strictness import HigherFloat, HigherLimit, LowerFloat, LowerInt, LowerLimit, TrueStricter


class FairnessRule(RuleOnDeclared):
    """Decisions over the groups of protected attributes."""

    min_ratio: HigherLimit = Field(default=0.8, ge=0, le=1)
    """Smallest ratio of favourable selection rates, lowest to highest group (four-fifths convention)."""
    max_difference: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of favourable selection rates (demographic parity difference)."""
    max_equalized_odds: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of true- or false-positive rates between groups, the larger of the two."""
    max_equal_opportunity: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of true-positive rates between groups."""
    max_predictive_parity: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference between groups of the share of favourable decisions that a favourable outcome follows (predictive parity)."""
    max_error_difference: LowerFloat = Field(default=0.5, ge=0)
    """Largest difference of group mean errors in standard deviations of the target (regression)."""
    max_accuracy_difference: LowerFloat = Field(default=0.2, ge=0, le=1)
    """Largest difference of group accuracies (multiclass)."""
    include_intersections: TrueStricter = False
    """Whether groups of two attributes together, such as sex and age, count like the attributes themselves."""
    min_group_size: LowerInt = Field(default=100, ge=1)
    """Groups with fewer rows are not measured."""
    min_group_positives: LowerInt = Field(default=10, ge=1)
    """Groups with fewer rows of an outcome are left out of the rates that are conditional on it."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """Chance of failing although every limit is kept by all groups; a higher alpha refuses on weaker evidence."""
    pass_alpha: LowerFloat = Field(default=0.05, gt=0, lt=1)
    """Chance of passing although some pair of groups is beyond a limit; what neither passes nor fails is not measurable."""


@dataclass(frozen=True)
class GroupCounts(Evidence):
    """Decisions of one group; None is what the task does not have, or what was too small to measure.

    Attributes:
        group: readable name.
        n: rows.
        selected: rows decided favourably (binary).
        favourable: rows with a favourable outcome (binary).
        selected_favourable: of those, the rows decided favourably.
        correct: rows whose class was predicted right (multiclass).
        mean_error: mean of prediction minus outcome (regression).
        error_spread: standard deviation of the error (regression).
    """

    group: str
    n: int
    selected: int | None = None
    favourable: int | None = None
    selected_favourable: int | None = None
    correct: int | None = None
    mean_error: float | None = None
    error_spread: float | None = None


@dataclass(frozen=True)
class AttributeGroups(Evidence):
    """Groups of one attribute, or of two together (`intersection`).

    Attributes:
        attribute: name, or two names.
        intersection: whether these are groups of two attributes together.
        groups: counts of each.
    """

    attribute: str
    intersection: bool
    groups: tuple[GroupCounts, ...]


@dataclass(frozen=True)
class FairnessEvidence(Evidence):
    """Every protected attribute (`evaluation.fairness.Fairness`).

    Attributes:
        task: of the model.
        attributes: with their groups.
        target_spread: standard deviation of the target, the unit of error differences (regression).
    """

    task: Task
    attributes: tuple[AttributeGroups, ...]
    target_spread: float | None = None


@dataclass(frozen=True)
class _Limit:
    """How one limit of a policy is measured: metric in words, field of the rule, scale, and rates from the groups."""

    metric: str
    field: str
    scale: Scale
    tables: Callable[[Sequence[GroupCounts], "FairnessEvidence", FairnessRule], list[Groups]]


def decide(evidence: FairnessEvidence, rule: FairnessRule) -> Finding:
    """Fail when some pair of groups is surely beyond a limit; pass when all are surely within every limit."""
    limits = [limit for limit in _LIMITS[evidence.task] if getattr(rule, limit.field) is not None]
    text = _rule_text(limits, rule)
    attributes = [a for a in evidence.attributes if not a.intersection]
    if not attributes:
        reason = "the declaration names no protected attribute, so fairness is not measured"
        return Finding("not_measurable", text, reason, absent=True)
    if not limits:
        return Finding("passed", text, "the policy sets no limit")
    judged = evidence.attributes if rule.include_intersections else attributes
    findings = judge_limits(
        [_group_limit(attribute, limit, evidence, rule) for attribute in judged for limit in limits],
        Levels(rule.alpha, rule.pass_alpha),
    )
    outcome = worst([f.outcome for f in findings])
    main = limits[0]
    values = [f.value for f in findings if f.metric == main.metric and f.value is not None]
    nearest = min if main.scale == "ratio" else max
    return Finding(
        outcome,
        text,
        text_of(findings, outcome),
        value=nearest(values, default=None),
        threshold=getattr(rule, main.field),
        details={"findings": [f.to_dict() for f in findings]},
    )


def _group_limit(
    attribute: AttributeGroups, limit: _Limit, evidence: FairnessEvidence, rule: FairnessRule
) -> GroupLimit:
    large = [g for g in attribute.groups if g.n >= rule.min_group_size]
    small = tuple(f"{g.group} ({g.n} rows)" for g in attribute.groups if g.n < rule.min_group_size)
    tables = tuple(limit.tables(large, evidence, rule)) if len(large) >= 2 else ()
    problem = f"fewer than two groups of {rule.min_group_size} rows"
    if len(large) >= 2:
        problem = f"fewer than two groups have a {limit.metric.rsplit(' ', 1)[0]}, so there is no {limit.metric}"
    return GroupLimit(
        attribute.attribute, limit.metric, limit.scale, getattr(rule, limit.field), tables, problem, small
    )


def _rates(groups: Sequence[GroupCounts], pairs: Sequence[tuple[int | None, int | None]], least: int) -> list[Groups]:
    """One table of `(successes, trials)` by group; none where fewer than two groups have `least` trials."""
    kept = [(g.group, x, n) for g, (x, n) in zip(groups, pairs, strict=True) if x is not None and n and n >= least]
    return [Groups.of_rates(*zip(*kept, strict=True))] if len(kept) >= 2 else []


def _selection(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    return _rates(groups, [(g.selected, g.n) for g in groups], 1)


def _true_positive(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    return _rates(groups, [(g.selected_favourable, g.favourable) for g in groups], rule.min_group_positives)


def _predictive_value(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    return _rates(groups, [(g.selected_favourable, g.selected) for g in groups], rule.min_group_positives)


def _odds(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    pairs = [
        (None, None)
        if g.selected is None or g.selected_favourable is None or g.favourable is None
        else (g.selected - g.selected_favourable, g.n - g.favourable)
        for g in groups
    ]
    tables = [_true_positive(groups, evidence, rule), _rates(groups, pairs, rule.min_group_positives)]
    # Both rates must be measured: one alone would let the gate pass on half of what it is about.
    return [table[0] for table in tables] if all(tables) else []


def _accuracy(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    return _rates(groups, [(g.correct, g.n) for g in groups], 1)


def _mean_errors(groups: Sequence[GroupCounts], evidence: FairnessEvidence, rule: FairnessRule) -> list[Groups]:
    unit = evidence.target_spread or 1.0
    kept = [
        (g.group, g.mean_error / unit, g.error_spread**2 / max(g.n - 1, 1) / unit**2)
        for g in groups
        if g.mean_error is not None and g.error_spread is not None
    ]
    return [Groups.of_means(*zip(*kept, strict=True))] if len(kept) >= 2 else []


_LIMITS: dict[Task, tuple[_Limit, ...]] = {
    Task.BINARY: (
        _Limit("demographic parity ratio", "min_ratio", "ratio", _selection),
        _Limit("demographic parity difference", "max_difference", "difference", _selection),
        _Limit("equalized odds difference", "max_equalized_odds", "difference", _odds),
        _Limit("equal opportunity difference", "max_equal_opportunity", "difference", _true_positive),
        _Limit("predictive parity difference", "max_predictive_parity", "difference", _predictive_value),
    ),
    Task.MULTICLASS: (_Limit("accuracy difference", "max_accuracy_difference", "difference", _accuracy),),
    Task.REGRESSION: (_Limit("mean error difference", "max_error_difference", "difference", _mean_errors),),
}
"""Limits of each task; the first that the policy sets gives the gate's value and threshold."""


def _rule_text(limits: Sequence[_Limit], rule: FairnessRule) -> str:
    sides = {"ratio": "at least", "difference": "at most"}
    text = ", ".join(f"{one.metric} {sides[one.scale]} {show(getattr(rule, one.field))}" for one in limits)
    levels = f"wrong failure at most {show(rule.alpha)}, wrong pass at most {show(rule.pass_alpha)}"
    return f"{text or 'no limit'}; {levels}; groups of {rule.min_group_size} rows or more"


GATE = Gate("fairness", "Are protected groups treated alike?", FairnessEvidence, FairnessRule, decide, stage="fairness")
