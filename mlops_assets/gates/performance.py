"""Performance gate: above the floor, and against the champion on the same rows.

Floors are compared with the lower end of the confidence interval. They are on scales that mean the same on any data: the
area under the ROC curve, and skill, the share of the trivial prediction's loss that the model removes.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import Evidence, EvidenceError, Finding, Gate, GateOutcome, GateRule, show, worst
from mlops_assets.strictness import HigherInt, HigherLimit, LowerFloat, LowerInt, Stricter

FLOORS = {
    Task.BINARY: (("roc_auc", "min_auc"),),
    Task.MULTICLASS: (("macro_auc", "min_auc"), ("log_loss_skill", "min_skill")),
    Task.REGRESSION: (("r2", "min_skill"),),
}
"""Metrics of a task, each with the field of the rule that it must reach."""

Verdict = Literal["better", "no_worse", "worse", "undecidable"]


class PerformanceRule(GateRule):
    """Performance against a floor, and against the champion on the same rows."""

    min_auc: HigherLimit = Field(default=0.6, ge=0, le=1)
    """Floor of the AUC (macro one-against-rest for multiclass); compared with the lower confidence bound."""
    min_skill: HigherLimit = Field(default=0.02, le=1)
    """Floor of the skill against the trivial prediction (training mean or class shares): share of its squared error
    (regression) or log loss (multiclass) removed; compared with the lower confidence bound."""
    min_outcomes: HigherInt = Field(default=20, ge=2)
    """Fewest held-out rows of the rarest outcome (classification); with fewer nothing is measured."""
    champion_margin: LowerFloat = Field(default=0.01, ge=0)
    """Loss against the champion that still counts as no worse, in AUC (binary) or skill (others)."""
    against_champion: Annotated[
        Literal["ignore", "no_worse", "better"], Stricter("ordered", ("ignore", "no_worse", "better"))
    ] = "no_worse"
    """What a challenger must be, at the confidence of the paired interval."""
    max_attempts: LowerInt = Field(default=10, ge=1)
    """Most comparisons with a champion on the same held-out rows; after them only other rows can tell."""


@dataclass(frozen=True)
class MeasuredMetric(Evidence):
    """One metric with its interval; None where it could not be measured, and `note` says why.

    Attributes:
        value: on the held-out rows.
        low, high: ends of the interval.
        note: why it could not be measured.
    """

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


@dataclass(frozen=True)
class PairedDifference(Evidence):
    """Challenger minus champion on the same rows, positive in the challenger's favour (`evaluation.comparison`).

    Attributes:
        metric: that is compared.
        difference: challenger minus champion.
        low, high: ends of the paired interval, each at the one-sided level `alpha`.
        champion_version: that it was compared with.
        holdout: SHA-256 of which rows are held out, and of their outcomes; empty where nothing was compared.
        attempt: which comparison on these rows it is, from 1.
        alpha: level that is left for it, of those of all attempts on these rows.
        fitted_rows: held-out rows that the champion was fitted on and that were left out; None: not known any more.
    """

    metric: str
    difference: float | None
    low: float | None
    high: float | None
    champion_version: int | None = None
    holdout: str = ""
    attempt: int = 1
    alpha: float = 0.025
    fitted_rows: int | None = None

    def verdict(self, margin: float) -> Verdict:
        """What the interval says against the margin.

        Better: the whole interval is above 0. No worse: it does not reach below `-margin`. Worse: it lies below 0 and
        reaches below `-margin`. Undecidable: it reaches below `-margin`, and 0 or more is credible as well.
        """
        if self.low is None or self.high is None:
            return "undecidable"
        if self.low > 0:
            return "better"
        if self.low >= -margin:
            return "no_worse"
        return "worse" if self.high < 0 else "undecidable"


@dataclass(frozen=True)
class PerformanceEvidence(Evidence):
    """Performance on held-out rows (`evaluation.performance.Performance`).

    Attributes:
        task: of the model.
        n: rows.
        metrics: by name; those that the gate uses are kept.
        comparison: with the champion; None for a first champion.
        rarest: rows of the rarest outcome (classification); None for regression.
    """

    task: Task
    n: int
    metrics: dict[str, MeasuredMetric]
    comparison: PairedDifference | None = None
    rarest: int | None = None

    def __post_init__(self) -> None:
        used = [name for name, _ in FLOORS[self.task]]
        missing = [name for name in used if name not in self.metrics]
        if missing:
            raise EvidenceError(f"found no metrics.{', '.join(missing)}")
        object.__setattr__(self, "metrics", {name: self.metrics[name] for name in used})


def decide(evidence: PerformanceEvidence, rule: PerformanceRule) -> Finding:
    """Fail below a floor, or when the challenger is worse than the champion by more than the margin."""
    names = [(name, getattr(rule, field)) for name, field in FLOORS[evidence.task]]
    floors = [(name, floor) for name, floor in names if floor is not None]
    main, threshold = floors[0] if floors else (names[0][0], None)
    checks: list[tuple[GateOutcome, str]] = [_floor(name, floor, evidence) for name, floor in floors]
    pair, verdict = evidence.comparison, "no champion"
    few = evidence.rarest is not None and evidence.rarest < rule.min_outcomes
    if few:
        reason = f"{evidence.rarest} held-out rows of the rarest outcome are fewer than {rule.min_outcomes}"
        checks = [("not_measurable", reason)]
    if few:
        verdict = "undecidable" if pair is not None else verdict
    elif pair is None:
        checks.append(("passed", "no champion to compare with"))
    else:
        verdict = pair.verdict(rule.champion_margin)
        checks.append(_against_champion(pair, rule))
    return Finding(
        outcome=worst([outcome for outcome, _ in checks]),
        rule=_rule_text(floors, rule),
        reason="; ".join(reason for _, reason in checks),
        value=evidence.metrics[main].low,
        threshold=threshold,
        details={"verdict": verdict},
    )


def _floor(name: str, floor: float, evidence: PerformanceEvidence) -> tuple[GateOutcome, str]:
    metric = evidence.metrics[name]
    if metric.low is None:
        return (
            "not_measurable",
            f"{name} could not be measured on {evidence.n} rows ({metric.note or 'no interval'})",
        )
    text = f"{name} {show(metric.value)}, lower bound {show(metric.low)}"
    return ("failed", f"{text}, is below {show(floor)}") if metric.low < floor else ("passed", text)


def _against_champion(pair: PairedDifference, rule: PerformanceRule) -> tuple[GateOutcome, str]:
    if rule.against_champion == "ignore":
        return "passed", "the policy does not compare with the champion"
    verdict = pair.verdict(rule.champion_margin)
    numbers = f"{pair.metric} {show(pair.difference)} ({show(pair.low)} to {show(pair.high)})"
    text = f"against the champion {verdict.replace('_', ' ')}: {numbers}{_attempt(pair, rule)}"
    if pair.attempt > rule.max_attempts:
        return "not_measurable", (
            f"{text}; these held-out rows are spent: retrain on a later period or on new rows, so that others are held out"
        )
    if verdict == "worse":
        return "failed", text
    if verdict == "undecidable":
        return "not_measurable", f"{text}; too few rows to decide"
    if rule.against_champion == "better" and verdict != "better":
        return "failed", f"{text}; the policy requires better"
    return "passed", text


def _attempt(pair: PairedDifference, rule: PerformanceRule) -> str:
    """Which attempt on these rows it was, its level, and rows that were left out."""
    if not pair.holdout:
        return ""
    text = f"; attempt {pair.attempt} of at most {rule.max_attempts} on these held-out rows, one-sided level {show(pair.alpha)}"
    if pair.fitted_rows:
        text += f", without {pair.fitted_rows} rows that the champion was fitted on"
    if pair.fitted_rows is None:
        text += "; which rows the champion was fitted on is not known, so that none could be left out"
    return text


def _rule_text(floors: list[tuple[str, float]], rule: PerformanceRule) -> str:
    text = ", ".join(f"{name}, lower bound, at least {show(floor)}" for name, floor in floors) or "no floor"
    text += f", on {rule.min_outcomes} rows or more of each outcome (classification)"
    if rule.against_champion != "ignore":
        required = rule.against_champion.replace("_", " ")
        text += (
            f"; against the champion {required} (margin {show(rule.champion_margin)}), "
            f"in at most {rule.max_attempts} attempts on the same held-out rows"
        )
    return text


GATE = Gate(
    "performance",
    "Is it good enough, and no worse than the champion?",
    PerformanceEvidence,
    PerformanceRule,
    decide,
    stage="evaluation",
)
