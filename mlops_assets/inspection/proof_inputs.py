"""What the proof metrics are computed from, looked up across ledger, declarations, policies and cards.

Not here: the figures (`evidence.proof`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time

from mlops_assets.datasets.windows import declared_windows
from mlops_assets.evidence.attention import unjudged_windows
from mlops_assets.evidence.coverage import coverage
from mlops_assets.evidence.proof import CardNeeds, Period, ProofInputs, ProofMetric, proof
from mlops_assets.governance.discoveries import rule_in
from mlops_assets.inspection.requirement_results import profiles_of, requirement_findings
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import incidents


def proof_metrics(platform: Platform, since: datetime | None = None) -> tuple[Period, list[ProofMetric]]:
    """The proof metrics of a project, and the period that they are about.

    Args:
        platform: the project.
        since: start of the period; default: the first record of the ledger.
    """
    ledger = platform.ledger
    first = next(iter(ledger.records()), None)
    now = ledger.clock()
    period = Period(since or (first.recorded_at if first else now), now)
    state = ledger.state()
    found = ProofInputs(
        states=[model for model in state if model.versions],
        snapshots=frozenset(record.seq for record in ledger.of(SnapshotTaken)),
        fleet_incidents=[one for one in incidents(state) if not one.model],
        verdicts=ledger.of(HealthVerdict),
        unjudged=_unjudged(platform, state, now),
        levels={name: platform.policy(name).service_levels for name in platform.project.declarations},
        coverage=coverage(state.fleet, now, rule_in(platform.project.config)),
        cards=list(_cards(platform, state)),
    )
    return period, proof(found, period)


def _unjudged(platform: Platform, state: LedgerState, now: datetime) -> dict[str, list[tuple[str, datetime]]]:
    """By model, the windows that ended and have no verdict, with the day after their end."""
    found = {}
    for name, declaration in platform.project.declarations.items():
        waiting = set(unjudged_windows(declaration, state.model(name), now.date()))
        if waiting:
            windows = declared_windows(declaration, now.date())
            found[name] = [(w.key, datetime.combine(w.end, time(), UTC)) for w in windows if w.key in waiting]
    return found


def _cards(platform: Platform, state: LedgerState) -> Iterable[CardNeeds]:
    """What the cards of the versions in use lack of what the profiles ask of a card."""
    profiles = list(profiles_of(platform).values())
    for name in platform.project.declarations:
        model = state.model(name)
        if model.champion.deciding is None:
            continue
        version = str(model.champion.deciding)
        card = model.version(version).card
        lacking = [
            f"{profile.profile} {finding.clause}: {', '.join([*finding.missing, *(one for one, _ in finding.stale)])}"
            for profile, findings, _ in requirement_findings(platform, name, profiles)
            for finding in findings
            if finding.stage == "card" and (finding.missing or finding.stale)
        ]
        yield CardNeeds(name, version, tuple(lacking) if card else ("no card was issued",), (card.seq,) if card else ())
