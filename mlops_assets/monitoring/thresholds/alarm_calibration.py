"""Thresholds for a stated rate of false alarms, from windows without change, and what they would have meant.

Belongs here: the proposal, its rate with an interval, the delay it costs, and what it would have done to the recorded
windows. Not here: where windows come from (`resampled_windows.py`, or the model's history), and adopting a proposal: a
policy is changed by people.

A false alarm is a window without change whose verdict is worth acting on. How large a change must be to be worth a word
at all is not for chance to say: nothing below the policy's `_watch` is proposed as worth acting on. Persistence (k of n windows) makes them rarer
still; how much is not known, because real windows follow each other, so it is not counted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mlops_assets.monitoring.thresholds.alarm_statistics import STATISTICS, Statistic
from mlops_assets.monitoring.thresholds.life_delays import LifeDelay
from mlops_assets.monitoring.thresholds.resampled_windows import Change, Statistics
from mlops_assets.monitoring.verdict.persistence import expected_delay
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

LEAST_HISTORY = 12
"""Real windows without change from which on they decide alone; fewer have a veto over what is drawn."""
VETO = 0.05
"""A threshold is out of the question when real windows alarm so often that the asked rate would hardly ever bring it."""
WINDOWS_A_YEAR = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}
Side = Literal["stricter", "laxer", "as it is"]
Truth = Literal["changed", "unchanged", "unknown"]


@dataclass(frozen=True)
class RecordedWindow:
    """One window of the model's history.

    Attributes:
        window: its start.
        severity, kind: of its verdict.
        disposition: of its alarm: true, false, expected or data_fault; None where there was none, or it is open.
        values: statistics by name; None where not measured.
        held: worth acting on, and only watched because persistence asks for more windows.
    """

    window: str
    severity: str
    kind: str
    disposition: str | None
    values: Statistics
    held: bool = False

    @property
    def truth(self) -> Truth:
        """Whether something had changed, as far as people said so: a window that raised no alarm had not."""
        if self.disposition is not None:
            return "changed" if self.disposition in ("true", "data_fault") else "unchanged"
        return "unknown" if self.held or self.severity in ("act", "critical", "not_measurable") else "unchanged"


@dataclass(frozen=True)
class Threshold:
    """What is proposed for one statistic.

    Attributes:
        name: of the policy's field: `<name>_act`.
        meaning: in words, with the unit.
        now: `<name>_act` in force for the model.
        proposed: smallest one, from `<name>_watch` on, that keeps to the rate.
        side: of the proposal against the tier's policy.
        basis: `history` or `resampled`.
        windows: without change, that it was chosen on.
        real: recorded windows without change; where the basis is `resampled`, too few to decide and enough to object.
        false_now, false_proposed: expected false alarms of this statistic a year.
        low, high: 95 % interval of `false_proposed` (Clopper-Pearson).
        kept: whether the asked rate is kept by any threshold that was tried.
    """

    name: str
    meaning: str
    now: float
    proposed: float
    side: Side
    basis: Literal["history", "resampled"]
    windows: int
    real: int
    false_now: float
    false_proposed: float
    low: float
    high: float
    kept: bool


@dataclass(frozen=True)
class Delay:
    """How soon a change of a given size is acted on.

    Attributes:
        change, size: what was changed, and how far.
        seen_now, seen: share of windows that show it, under the thresholds in force and under those proposed.
        windows_now, windows: expected number of windows until it is acted on, persistence included; None: never.
    """

    change: str
    size: str
    seen_now: float
    seen: float
    windows_now: float | None
    windows: float | None


@dataclass(frozen=True)
class Replayed:
    """What the thresholds would have meant for one recorded window.

    Attributes:
        window, severity, kind, disposition: as recorded.
        truth: changed, unchanged or unknown.
        now, proposed: whether its statistics, before persistence, are worth acting on.
        effect: `kept`, `lost` or `new` alarm, or empty.
    """

    window: str
    severity: str
    kind: str
    disposition: str | None
    truth: Truth
    now: bool
    proposed: bool
    effect: str


@dataclass(frozen=True)
class Proposal:
    """Thresholds, and what they are worth.

    Attributes:
        model: whose.
        asked: false alarms a year.
        windows_a_year: by the model's cadence.
        thresholds: one a statistic that could be measured.
        delays: by change and size.
        history: every recorded window.
        notes: what is to be known: what could not be measured, and why.
        yaml: lines to adopt it with.
        lives: when small lasting changes are first reported.
    """

    model: str
    asked: float
    windows_a_year: int
    thresholds: tuple[Threshold, ...]
    delays: tuple[Delay, ...]
    history: tuple[Replayed, ...]
    notes: tuple[str, ...]
    yaml: str
    lives: tuple[LifeDelay, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def propose(
    model: str,
    history: Sequence[RecordedWindow],
    resampled: Sequence[Statistics],
    changes: Sequence[Change],
    in_force: MonitoringThresholds,
    tier: MonitoringThresholds,
    *,
    tier_name: str,
    windows_a_year: int,
    false_alarms: float = 1.0,
    notes: Sequence[str] = (),
) -> Proposal:
    """Find the smallest thresholds that keep to the rate.

    Each statistic gets an equal part of the false alarms that are allowed, so that all together keep to them.

    Args:
        model: whose.
        history: recorded windows, in order of time.
        resampled: statistics of windows without change, drawn from the reference.
        changes: windows drawn with a change.
        in_force: `monitoring` of the policy in force for the model.
        tier: the same of its tier.
        tier_name: high, medium or low.
        windows_a_year: by cadence.
        false_alarms: highest expected number a year.
        notes: to be handed on.

    Raises:
        ValueError: a rate that is not positive.
    """
    check_rate(false_alarms, windows_a_year)
    samples = {s.name: _sample(s.name, history, resampled) for s in STATISTICS}
    used = [s for s in STATISTICS if samples[s.name].values]
    rate = false_alarms / windows_a_year / max(len(used), 1)
    thresholds = tuple(_threshold(s, samples[s.name], rate, in_force, tier, windows_a_year) for s in used)
    # What could not be calibrated stays in force.
    now: dict[str, float] = {s.name: getattr(in_force, f"{s.name}_act") for s in STATISTICS}
    proposed = now | {t.name: t.proposed for t in thresholds}
    k, n = in_force.persistence_k, in_force.persistence_n
    delays = tuple(_delay(change, now, proposed, k, n) for change in changes)
    return Proposal(
        model=model,
        asked=false_alarms,
        windows_a_year=windows_a_year,
        thresholds=thresholds,
        delays=delays,
        history=tuple(_replayed(window, now, proposed) for window in history),
        notes=(*notes, *_unsure(thresholds, rate)),
        yaml=_yaml(model, tier_name, thresholds),
    )


def check_rate(false_alarms: float, windows_a_year: int) -> None:
    """Refuse a rate that makes no sense.

    Raises:
        ValueError: it is not positive, or more than there are windows.
    """
    if not 0 < false_alarms <= windows_a_year:
        raise ValueError(f"found {false_alarms:g} false alarms a year, expected more than 0, at most {windows_a_year}")


@dataclass(frozen=True)
class _Sample:
    """Values of a statistic in windows without change: those that decide, and the real ones among or beside them."""

    values: list[float]
    real: list[float]

    @property
    def basis(self) -> Literal["history", "resampled"]:
        return "history" if len(self.real) >= LEAST_HISTORY else "resampled"

    def keeps(self, step: float, rate: float) -> bool:
        """Whether a threshold keeps to the rate, and real windows do not surely contradict that."""
        return _share(self.values, step) <= rate + 1e-9 and not self._refuted(step, rate)

    def _refuted(self, step: float, rate: float) -> bool:
        from scipy.stats import binom

        hits = sum(value >= step for value in self.real)
        return self.basis == "resampled" and hits > 0 and float(binom.sf(hits - 1, len(self.real), rate)) < VETO


def _sample(name: str, history: Sequence[RecordedWindow], resampled: Sequence[Statistics]) -> _Sample:
    real = [v for w in history if w.truth == "unchanged" and (v := w.values.get(name)) is not None]
    drawn = [v for w in resampled if (v := w.get(name)) is not None]
    return _Sample(real if len(real) >= LEAST_HISTORY else drawn, real)


def _threshold(
    statistic: Statistic,
    sample: _Sample,
    rate: float,
    in_force: MonitoringThresholds,
    tier: MonitoringThresholds,
    windows_a_year: int,
) -> Threshold:
    values = sample.values
    now, tiers = (getattr(r, f"{statistic.name}_act") for r in (in_force, tier))
    least = getattr(in_force, f"{statistic.name}_watch")
    steps = sorted({*(step for step in statistic.grid if step > least), least, now})
    fitting = [step for step in steps if sample.keeps(step, rate)]
    chosen = fitting[0] if fitting else steps[-1]
    hits = sum(value >= chosen for value in values)
    low, high = clopper_pearson(hits, len(values))
    side: Side = "as it is" if chosen == now else "stricter" if chosen <= tiers else "laxer"
    return Threshold(
        name=statistic.name,
        meaning=statistic.meaning,
        now=now,
        proposed=chosen,
        side=side,
        basis=sample.basis,
        windows=len(values),
        real=len(sample.real),
        false_now=_share(values, now) * windows_a_year,
        false_proposed=hits / len(values) * windows_a_year,
        low=low * windows_a_year,
        high=high * windows_a_year,
        kept=bool(fitting),
    )


def _share(values: Sequence[float], step: float) -> float:
    return sum(value >= step for value in values) / len(values)


def _alarms(values: Statistics, thresholds: Mapping[str, float]) -> bool:
    return any((values.get(name) or 0.0) >= step for name, step in thresholds.items())


def _delay(change: Change, now: Mapping[str, float], proposed: Mapping[str, float], k: int, n: int) -> Delay:
    seen_now, seen = (
        sum(_alarms(values, thresholds) for values in change.windows) / len(change.windows)
        for thresholds in (now, proposed)
    )
    return Delay(change.what, change.size, seen_now, seen, expected_delay(seen_now, k, n), expected_delay(seen, k, n))


def _replayed(window: RecordedWindow, now: Mapping[str, float], proposed: Mapping[str, float]) -> Replayed:
    # A broken feed alarms whatever these thresholds are.
    broken = window.kind == "data_quality" and window.severity in ("act", "critical")
    before, after = broken or _alarms(window.values, now), broken or _alarms(window.values, proposed)
    effect = "kept" if before and after else "lost" if before else "new" if after else ""
    return Replayed(
        window.window, window.severity, window.kind, window.disposition, window.truth, before, after, effect
    )


def _unsure(thresholds: Sequence[Threshold], rate: float) -> list[str]:
    found = []
    fewest = min((t.windows for t in thresholds), default=0)
    if fewest and rate < 1 / fewest:
        found.append(
            f"{fewest} windows cannot show a rate of {rate:.2%} a window and statistic: the thresholds are those that "
            "none of them reached, and the upper ends of the intervals say how sure that is"
        )
    found += [
        f"no {t.name}_act that was tried keeps to the rate: larger windows are needed" for t in thresholds if not t.kept
    ]
    if any(t.basis == "resampled" for t in thresholds):
        found.append(
            "windows drawn from the reference know no seasons: real ones differ more, and alarm more often; those there "
            "are without change have only kept thresholds from being proposed that they contradict"
        )
    if any(t.basis == "history" for t in thresholds):
        found.append("rates on the history are those of the windows that the thresholds were chosen on")
    return found


def _yaml(model: str, tier: str, thresholds: Sequence[Threshold]) -> str:
    """Lines for the declaration where the proposal is within the tier's policy; for the tier's file where it is laxer."""
    lines: list[str] = []
    stricter = [t for t in thresholds if t.side == "stricter"]
    laxer = [t for t in thresholds if t.side == "laxer"]
    if stricter:
        lines += [f"# {model}'s declaration, stricter than its tier or as strict:", "policy:", "  monitoring:"]
        lines += [f"    {t.name}_act: {t.proposed:g}" for t in stricter]
    if laxer:
        lines += [
            f"# config/policy/{tier}.yaml, laxer: a model may not be laxer than its tier, so this holds for all of the tier:",
            "monitoring:",
        ]
        lines += [f"  {t.name}_act: {t.proposed:g}" for t in laxer]
    return "\n".join(lines)


def clopper_pearson(hits: int, of: int) -> tuple[float, float]:
    """Exact 95 % interval of a share (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return low, high
