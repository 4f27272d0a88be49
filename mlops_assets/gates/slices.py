"""Slices gate: no segment may be served much worse than the whole.

A slice breaches when it is worse by more than the gap and chance does not explain that it is worse at all, with the
p-values adjusted for the number of slices tested together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, RuleOnDeclared, listed, show
from mlops_assets.strictness import HigherFloat, LowerFloat, LowerInt, TrueStricter


class SlicesRule(RuleOnDeclared):
    """No segment may be served much worse than the whole."""

    max_gap: LowerFloat = Field(default=0.1, ge=0)
    """Largest loss of a slice against the whole (AUC or skill)."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """A breach counts when its p-value, adjusted for the number of slices, is below this."""
    min_rows: LowerInt = Field(default=200, ge=1)
    """Slices with fewer rows are not measured."""
    include_found: TrueStricter = False
    """Whether the worst slices that a search found count like declared ones."""


@dataclass(frozen=True)
class SliceMeasure(Evidence):
    """One slice; numbers are None where it is too small, and `reason` says so.

    Attributes:
        slice: name, such as `sector = 44`.
        n: rows.
        value: of the metric.
        difference: slice minus whole; negative is worse.
        p_adjusted: one-sided, adjusted for the slices tested together.
        measurable: whether it was large enough.
        reason: why it was not measured.
    """

    slice: str
    n: int
    value: float | None
    difference: float | None
    p_adjusted: float | None
    measurable: bool
    reason: str


@dataclass(frozen=True)
class SlicesEvidence(Evidence):
    """Declared slices, and the worst that a search found (`evaluation.slices.SliceReport`); those are always shown, and
    count only where the policy says so.

    Attributes:
        metric: AUC or skill.
        overall: its value on all rows.
        declared: the declared slices.
        found: the worst that the search found.
    """

    metric: str
    overall: float | None
    declared: tuple[SliceMeasure, ...]
    found: tuple[SliceMeasure, ...]


def decide(evidence: SlicesEvidence, rule: SlicesRule) -> Finding:
    """Fail when a slice is worse than the whole by more than the gap, and significantly so."""
    slices = [*evidence.declared, *(evidence.found if rule.include_found else ())]
    large = [(s, s.difference) for s in slices if s.measurable and s.n >= rule.min_rows and s.difference is not None]
    large.sort(key=lambda pair: (pair[1], pair[0].slice))
    breaches = [(s, gap) for s, gap in large if -gap > rule.max_gap and (s.p_adjusted or 0.0) < rule.alpha]

    def finding(outcome: GateOutcome, reason: str, absent: bool = False) -> Finding:
        text = (
            f"{evidence.metric} of a slice of {rule.min_rows} rows or more at most {show(rule.max_gap)} below the "
            f"whole, significant at {show(rule.alpha)}"
        )
        value = -large[0][1] if large else None
        details = {"breaches": [s.slice for s, _ in breaches]}
        return Finding(outcome, text, reason, value, rule.max_gap, absent=absent, details=details)

    if not slices:
        return finding("not_measurable", "the declaration names no slice", absent=True)
    measured = [s for s, _ in large]
    left_out = _left_out([s for s in slices if s not in measured], rule.min_rows)
    if not large:
        return finding("not_measurable", f"none of {len(slices)} slices could be measured: {left_out}")
    rest = f"; not measured: {left_out}" if left_out else ""
    if breaches:
        texts = [f"{s.slice} ({show(s.value)} on {s.n} rows, {gap:+.3f})" for s, gap in breaches]
        return finding("failed", f"served worse than the whole ({show(evidence.overall)}): {listed(texts)}{rest}")
    lowest, gap = large[0]
    return finding("passed", f"the worst of {len(large)} slices is {lowest.slice} ({gap:+.3f}){rest}")


def _left_out(slices: Sequence[SliceMeasure], least: int) -> str:
    """Every slice that could not be measured, the largest first, with its size, and why where it is large enough."""
    ordered = sorted(slices, key=lambda s: (-s.n, s.slice))
    texts = [
        f"{s.slice} ({s.n} rows)" if s.n < least else f"{s.slice} ({s.n} rows, {s.reason or 'no value'})"
        for s in ordered
    ]
    return listed(texts, len(texts))


GATE = Gate(
    "slices", "Is a segment served much worse than the whole?", SlicesEvidence, SlicesRule, decide, stage="evaluation"
)
