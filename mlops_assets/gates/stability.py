"""Stability gate: training gives about the same model whatever the seed and the resample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, show
from mlops_assets.strictness import HigherInt, LowerFloat, LowerLimit, TrueStricter

KINDS = ("seeds", "resamples")
SAME = 1e-12
"""Metrics closer than this differ by rounding alone."""


class StabilityRule(GateRule):
    """The training gives about the same model whatever the seed and the resample."""

    required: TrueStricter = False
    """Whether a version needs this gate to become champion; otherwise its decision is recorded and shown only."""
    max_seed_spread: LowerFloat = Field(default=0.01, ge=0)
    """Largest standard deviation of performance (AUC or skill) over seeds, on the same rows."""
    max_resample_spread: LowerFloat = Field(default=0.05, ge=0)
    """Largest standard deviation of performance (AUC or skill) over bootstrap resamples of the rows."""
    max_churn: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest share of decisions that differ between two of the fits, over seeds and over resamples each."""
    min_repeats: HigherInt = Field(default=3, ge=2)
    """Fewest fits of each kind; fewer are not measured."""
    repeats: HigherInt = Field(default=4, ge=2)
    """Fits of each kind that are made."""
    rows: HigherInt = Field(default=2000, ge=100)
    """Most rows of each fit: fewer cost less and spread more."""


@dataclass(frozen=True)
class Fits(Evidence):
    """Fits that differ in one thing.

    Attributes:
        values: the metric of each fit; None: it failed.
        churn: share of decisions that differ between two fits; None without decisions.
    """

    values: tuple[float | None, ...]
    churn: float | None

    @property
    def known(self) -> list[float]:
        """Values of the fits that succeeded."""
        return [value for value in self.values if value is not None]

    @property
    def equal(self) -> bool:
        """Whether they are the same in the metric and in every decision."""
        return max(self.known) - min(self.known) < SAME and not self.churn


@dataclass(frozen=True)
class StabilityEvidence(Evidence):
    """Repeated fits over seeds and over resamples (`evaluation.stability.Stability`).

    Attributes:
        metric: AUC or skill.
        seeds: fits on the same rows with other seeds.
        resamples: fits on bootstrap resamples with one seed.
    """

    metric: str
    seeds: Fits
    resamples: Fits


def decide(evidence: StabilityEvidence, rule: StabilityRule) -> Finding:
    """Fail when the fits spread, or their decisions differ, too much.

    A spread is the standard deviation with n - 1. The value shown is the spread closest to its limit or farthest
    beyond it. Equal fits over seeds say that the training leaves nothing to chance, and leave the decision to the
    resamples; equal fits over resamples are no measurement, because other rows give another model.
    """
    metric, fits = evidence.metric, {"seeds": evidence.seeds, "resamples": evidence.resamples}
    limits = {"seeds": rule.max_seed_spread, "resamples": rule.max_resample_spread}
    spreads = {kind: _spread(fits[kind].known, rule.min_repeats) for kind in KINDS}
    nearest = max(KINDS, key=lambda kind: _excess(spreads[kind], limits[kind]))

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        text = (
            f"standard deviation of {metric} over {rule.min_repeats} fits or more at most "
            f"{show(limits['seeds'])} over seeds and {show(limits['resamples'])} over resamples"
        )
        if rule.max_churn is not None:
            text += f"; two fits decide at most {rule.max_churn:.0%} of rows differently"
        return Finding(
            outcome, text, reason, value=spreads[nearest], threshold=limits[nearest], details={"spreads": spreads}
        )

    texts = [_text(kind, metric, fits[kind], spread) for kind, spread in spreads.items() if spread is not None]
    faults = [f"spread over {kind} above {show(limits[kind])}" for kind in KINDS if _above(spreads[kind], limits[kind])]
    faults += [
        f"changed decisions over {kind} above {rule.max_churn:.0%}"
        for kind in KINDS
        if _above(fits[kind].churn, rule.max_churn)
    ]
    if faults:
        return finding("failed", f"{'; '.join(faults)}: {'; '.join(texts) or 'no spread was measured'}")
    unknown = [
        f"{len(fits[kind].known)} fits over {kind} are fewer than {rule.min_repeats}"
        for kind in KINDS
        if spreads[kind] is None
    ]
    if spreads["resamples"] is not None and fits["resamples"].equal:
        unknown.append("fits on different rows are all the same, so nothing was learned from the rows")
    if unknown:
        return finding("not_measurable", "; ".join([*unknown, *texts]))
    return finding("passed", "; ".join(texts))


def _spread(values: Sequence[float], least: int) -> float | None:
    if len(values) < max(least, 2):
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _excess(spread: float | None, limit: float) -> float:
    return -math.inf if spread is None else spread - limit


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def _text(kind: str, metric: str, fits: Fits, spread: float) -> str:
    if fits.equal:
        return f"over {kind} {len(fits.known)} fits are the same"
    changed = "" if fits.churn is None else f" and {fits.churn:.1%} of decisions change"
    return f"over {kind} {metric} spreads by {show(spread)} ({len(fits.known)} fits){changed}"


GATE = Gate(
    "stability",
    "Is the model the same whatever the seed?",
    StabilityEvidence,
    StabilityRule,
    decide,
    stage="evaluation",
)
