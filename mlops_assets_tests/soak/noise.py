"""Loop safety: simulated years of noise, and of change without end, through the parts that decide what happens next.

    python -m mlops_assets_tests.soak.noise [--models 10] [--years 20]

Noise: each month every model has a window that is drawn as its reference was. Comparison, triage, persistence, control over the
fleet, incidents and retraining requests are those of the product, on a real ledger; what a message is sent of is counted. At most
the share `monitoring.alpha` of months may alarm anybody. Change without end: every window asks for a retraining, under each tier's
policy. In any 365 days no more requests may be made than `budget_per_year`, none within `cooldown_windows`, and one cause
has one incident while it is open. Ends with 1 where that does not hold.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.events.response import IncidentOpened, RetrainingRequested
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.fleet_control import hold_to_fleet, over_fleet, window_p_value
from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import ANSWERED, triage
from mlops_assets.pipeline.notices import RECORDS
from mlops_assets.policy.policy import Policy, load_policies
from mlops_assets.response import retraining
from mlops_assets.response.incidents import open_incident
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, build_profile
from mlops_assets_tests.soak.bank import ROOT

COLUMNS, REFERENCE_ROWS, ROWS = 6, 2000, 600
FIRST = date(2001, 1, 1)
ROLES = dict.fromkeys([f"n{i}" for i in range(COLUMNS)], "numeric")


@dataclass
class Clock:
    """Shows the end of the window that is judged."""

    day: date = FIRST

    def __call__(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, 8, tzinfo=UTC)


def drawn(rows: int, draw: np.random.Generator) -> pl.DataFrame:
    """Rows of one unchanging world: columns that go together, two of them with heavy tails."""
    common = draw.normal(size=rows)
    values = {f"n{i}": 0.5 * common + draw.normal(size=rows) for i in range(COLUMNS - 2)}
    values |= {f"n{i}": draw.lognormal(0, 1, rows) for i in range(COLUMNS - 2, COLUMNS)}
    return pl.DataFrame(values)


def noise(ledger: Ledger, clock: Clock, policy: Policy, models: int, months: int, seed: int = 41) -> dict[str, float]:
    """Live through months in which nothing changes; numbers of what happened."""
    draw, alarmed = np.random.default_rng(seed), 0
    actions = {kind: policy.actions(kind) for kind in ANSWERED}
    references = [drawn(REFERENCE_ROWS, draw) for _ in range(models)]
    profiles: list[Profile] = [build_profile(rows, ROLES) for rows in references]
    earlier: list[list[Earlier]] = [[] for _ in range(models)]
    for month in range(months):
        start = _month(month)
        clock.day = _month(month + 1)
        p_values: list[float | None] = []
        asked = False
        for i in range(models):
            rows = drawn(ROWS, draw)
            drift = compare(
                profiles[i],
                count_window(rows, profiles[i]),
                policy.monitoring,
                sample=rows,
                reference_sample=references[i],
            )
            own = window_p_value(drift, None)
            control = over_fleet(own, p_values, models)
            p_values.append(own)
            health = hold_to_fleet(
                triage(drift, None, earlier[i], policy.monitoring, actions), control, policy.monitoring.alpha
            )
            earlier[i].append(Earlier(start.isoformat(), health.raw))
            asked |= at_least(health.severity, "act")
            name = f"model_{i:02d}"
            if "incident" in health.actions:
                open_incident(
                    ledger, name, kind=health.kind, severity=health.severity, summary="noise", window=start.isoformat()
                )
            if "retrain" in health.actions:
                ask(ledger, policy, name, health.kind, start, clock.day, Cadence.MONTH)
        alarmed += asked
    return {
        "months with an alarm": alarmed,
        "incidents": len(ledger.of(IncidentOpened)),
        "retrainings": len(ledger.of(RetrainingRequested)),
        "messages": len(ledger.records(kind=RECORDS)),
    }


def endless(
    ledger: Ledger, clock: Clock, policy: Policy, model: str, windows: Sequence[date], cadence: Cadence
) -> list[date]:
    """Every window asks to retrain, and each request is answered at once; the windows whose wish was granted."""
    granted = []
    for start, end in pairwise(windows):
        clock.day = end
        open_incident(
            ledger,
            model,
            kind="concept_drift",
            severity="act",
            summary="it goes on",
            window=start.isoformat(),
            cause="v1",
        )
        if ask(ledger, policy, model, "concept_drift", start, end, cadence):
            granted.append(start)
    return granted


def ask(ledger: Ledger, policy: Policy, model: str, kind: str, start: date, end: date, cadence: Cadence) -> bool:
    """Wish for a retraining, as a verdict does; a request that is made is answered by a challenger at once."""
    found = retraining.consider(
        ledger, policy, model, cause="its windows", kind=kind, window=start, until=end, cadence=cadence
    )
    if found.status != "requested":
        return False
    assert found.request is not None
    retraining.close(ledger, found.request, "challenger", version=1)
    return True


def held(granted: Sequence[date], policy: Policy, cadence: Cadence) -> list[str]:
    """What the requests break of the policy's budget and cool-down."""
    wrong = []
    for start in granted:
        year = [one for one in granted if start - retraining.BUDGET_PERIOD < one <= start]
        if len(year) > policy.retraining.budget_per_year:
            wrong.append(f"{len(year)} requests in the 365 days up to {start}")
    for before, after in pairwise(granted):
        passed = retraining.windows_between(before, after, cadence)
        if passed <= policy.retraining.cooldown_windows:
            wrong.append(f"{passed} windows between {before} and {after}")
    return wrong


def _month(number: int) -> date:
    return date(FIRST.year + number // 12, number % 12 + 1, 1)


def _windows(cadence: Cadence, years: int) -> list[date]:
    """Starts of the windows of so many years, and of the one after."""
    last = date(FIRST.year + years, 1, 1)
    if cadence is Cadence.QUARTER:
        return [_month(number) for number in range(0, 12 * years + 1, 3)]
    if cadence is Cadence.MONTH:
        return [_month(number) for number in range(12 * years + 1)]
    return [FIRST + timedelta(weeks=number) for number in range((last - FIRST).days // 7 + 1)]


def main() -> int:
    """Print what happened beside what may happen; 1 where it is more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--years", type=int, default=20)
    options = parser.parse_args()
    policies, failed = load_policies(ROOT / "mlops_assets" / "config" / "policy"), False
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        policy, clock = policies["medium"], Clock()
        ledger = Ledger(f"sqlite:///{Path(folder)}/noise.db", clock=clock)
        months = 12 * options.years
        found = noise(ledger, clock, policy, options.models, months)
        level = policy.monitoring.alpha
        most = months * level + 3 * (months * level) ** 0.5
        failed |= found["months with an alarm"] > most
        print(
            f"{options.models} models, {months} months without a change, at most {most:.1f} months may alarm (level {level:g}):"
        )
        print("  " + ", ".join(f"{count} {what}" for what, count in found.items()))
        for tier, policy in policies.items():
            for cadence, years in ((Cadence.QUARTER, options.years), (Cadence.MONTH, options.years), (Cadence.WEEK, 5)):
                name, clock = f"{tier}_{cadence.value}", Clock()
                ledger = Ledger(f"sqlite:///{Path(folder)}/{name}.db", clock=clock)
                windows = _windows(cadence, years)
                granted = endless(ledger, clock, policy, name, windows, cadence)
                wrong, opened = held(granted, policy, cadence), len(ledger.of(IncidentOpened))
                failed |= bool(wrong) or opened != 1 or not granted
                print(
                    f"tier {tier}, {len(windows) - 1} {cadence.value}s that all change: {len(granted)} retrainings in {years} years "
                    f"(at most {policy.retraining.budget_per_year} in 365 days, cool-down {policy.retraining.cooldown_windows}), "
                    f"{opened} incident, {len(ledger.records(kind=RECORDS))} messages{'; BROKEN: ' + wrong[0] if wrong else ''}"
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
