"""How the fairness and the label-bias gate judge a limit on the disparity between groups.

Pass and fail are both claims with a stated error rate (`statistics/group_limits.py`); what the data support neither of is
not measurable. Does not belong here: which groups and which limits there are (`fairness.py`, `label_bias.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlops_assets.gates.gate import GateOutcome, listed, show
from mlops_assets.statistics.group_limits import Disparity, Groups, Scale, compare_groups


@dataclass(frozen=True)
class Levels:
    """Error rates: of failing although every pair of groups is within every limit (`fail`, over all limits of a gate
    together), and of passing although some pair is beyond a limit (`within`)."""

    fail: float
    within: float


@dataclass(frozen=True)
class GroupLimit:
    """One limit on the groups of one attribute.

    Attributes:
        attribute: protected attribute.
        metric: in words, such as `ratio of favourable-label rates`.
        scale: whether the limit is a smallest ratio or a largest difference.
        limit: see `scale`.
        tables: rates or means that must all keep the limit; empty: `problem` says why there are none.
        problem: why nothing could be compared.
        small: groups that were not measured, with their sizes.
    """

    attribute: str
    metric: str
    scale: Scale
    limit: float
    tables: tuple[Groups, ...]
    problem: str = ""
    small: tuple[str, ...] = ()


@dataclass(frozen=True)
class LimitFinding:
    """What the data say of one limit; the p-values are adjusted for all tests of the gate."""

    attribute: str
    metric: str
    outcome: GateOutcome
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_beyond: float | None = None
    p_within: float | None = None
    fails_from: float | None = None
    passes_from: float | None = None
    too_small: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the details of a decision."""
        return {**asdict(self), "too_small": list(self.too_small)}


def judge_limits(limits: Sequence[GroupLimit], levels: Levels) -> list[LimitFinding]:
    """A finding for each limit; the chance that any fails wrongly is at most `levels.fail`."""
    tests = sum(bool(limit.tables) for limit in limits)
    return [_judge(limit, tests, levels) for limit in limits]


def text_of(findings: Sequence[LimitFinding], outcome: GateOutcome) -> str:
    """The findings that led to the outcome, each with the groups that were not measured."""
    return listed([f.reason for f in findings if f.outcome == outcome], 4)


def _judge(limit: GroupLimit, tests: int, levels: Levels) -> LimitFinding:
    left_out = f"; not measured: {listed(limit.small)}" if limit.small else ""
    if not limit.tables:
        reason = f"{limit.attribute}: {limit.problem}{left_out}"
        return LimitFinding(limit.attribute, limit.metric, "not_measurable", reason, too_small=limit.small)
    factor = tests * len(limit.tables)
    found = [
        compare_groups(table, limit.scale, limit.limit, alpha=levels.fail / factor, alpha_within=levels.within)
        for table in limit.tables
    ]
    # The table nearest to its limit, or farthest beyond it, is the one that decides and is shown.
    shown = min(found, key=lambda disparity: (disparity.p_beyond, -disparity.p_within))
    p_beyond, p_within = min(1.0, factor * shown.p_beyond), max(d.p_within for d in found)
    outcome: GateOutcome = (
        "failed" if p_beyond < levels.fail else "passed" if p_within < levels.within else "not_measurable"
    )
    return LimitFinding(
        attribute=limit.attribute,
        metric=limit.metric,
        outcome=outcome,
        reason=f"{limit.attribute}: {_sentence(limit, shown, outcome, p_beyond, p_within)}{left_out}",
        value=shown.extremes.value,
        low=shown.extremes.low,
        high=shown.extremes.high,
        p_beyond=p_beyond,
        p_within=p_within,
        fails_from=shown.fails_from,
        passes_from=shown.passes_from,
        too_small=limit.small,
    )


def _sentence(limit: GroupLimit, found: Disparity, outcome: GateOutcome, p_beyond: float, p_within: float) -> str:
    side = "at least" if limit.scale == "ratio" else "at most"
    widest = found.extremes
    value = "unknown" if widest.value is None else f"{widest.value:.3f}"
    between = (
        f"{limit.metric} {value} ({widest.lowest} against {widest.highest}, 95 % interval {widest.low:.3f} to "
        f"{widest.high:.3f}), {side} {show(limit.limit)} required"
    )
    if outcome == "failed":
        return f"{between}: beyond the limit (p {p_beyond:.2g})"
    if outcome == "passed":
        return f"{between}: within the limit (p {p_within:.2g}; {_power(limit, found)})"
    return f"{between}: too few rows to tell (p {p_within:.2g} for within, {p_beyond:.2g} for beyond; {_power(limit, found)})"


def _power(limit: GroupLimit, found: Disparity) -> str:
    """What groups of these sizes can show."""
    worse, better = ("below", "from") if limit.scale == "ratio" else ("above", "up to")
    fails = (
        f"no {limit.scale} fails"
        if found.fails_from is None
        else f"a {limit.scale} {worse} {found.fails_from:.2f} fails"
    )
    passes = "none passes" if found.passes_from is None else f"one {better} {found.passes_from:.2f} passes"
    return f"at these sizes {fails} and {passes} with probability 80 %"
