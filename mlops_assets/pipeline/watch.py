"""Looking after the registry and the calendar, and telling people: what the `incidents` sensor does at each tick."""

from mlops_assets.governance.adoption import adopt
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.events.champion import Promotion, Retirement, Rollback, Suspension
from mlops_assets.ledger.events.response import IncidentOpened, RetrainingRequested
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import LedgerTampered
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.state.champion import CHAMPION_KINDS
from mlops_assets.platform import Platform
from mlops_assets.release import automation
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.interventions import InterventionRefused
from mlops_assets.release.opening import Opening
from mlops_assets.release.oversight import due
from mlops_assets.release.reconciliation import doubtful_models, repair
from mlops_assets.response.incidents import open_incident
from mlops_assets.response.notification import FileNotifier, LogNotifier, damage_notice, send_all, tell
from mlops_assets.setup import service_key

NOTIFIED = (
    IncidentOpened.KIND,
    RetrainingRequested.KIND,
    Promotion.KIND,
    Rollback.KIND,
    Suspension.KIND,
    Retirement.KIND,
)
"""Kinds of records that people are notified of."""


def watch(platform: Platform, since: int) -> tuple[int, str]:
    """Compare the registry with the ledger, put right what differs, do what policy leaves to the service key, and send
    notices of records after `since`.

    Returns:
        Number of the last record told, and what was done, in a sentence.

    Raises:
        LedgerTampered: the ledger ends with what nobody who may seal it wrote; people are told, and nothing is moved.
    """
    ledger = platform.ledger
    notifiers = [LogNotifier(), FileNotifier(platform.home.root / "notices.jsonl")]
    try:
        ledger.sealed_head()
    except LedgerTampered as error:
        send_all(notifiers, [damage_notice(str(error), ledger.clock())])
        raise
    newest = ledger.latest(NOTIFIED + CHAMPION_KINDS)
    # The cursor is Dagster's: one beyond the ledger was written by somebody who would not have us look.
    since = since if newest is not None and since <= newest.seq else 0
    try:
        differing, unread = _reconciled(platform), None
    except LedgerTampered:
        raise
    except Exception as error:  # a registry that cannot be read keeps nobody from being told of the rest
        differing, unread = 0, error
    doubtful = _audited(platform, since)
    acted = _overseen(platform)
    fresh = [r for r in ledger.records(kind=NOTIFIED) if r.seq > since]
    problems = tell(notifiers, fresh)
    last = fresh[-1].seq if fresh else since
    said = [f"{len(fresh)} notices sent" if fresh else "nothing new to tell"]
    if differing:
        said.append(f"the registry differed from the ledger in {differing} places and was put right")
    if doubtful:
        said.append(f"{doubtful} changes of champion do not rest on what they had to rest on")
    if unread is not None:
        raise RuntimeError(f"the registry could not be compared with the ledger: {unread}") from unread
    return last, "; ".join([*said, *acted, *problems])


def _reconciled(platform: Platform) -> int:
    """Put the registry right and raise what differed; returns how much did."""
    found = 0
    for model in doubtful_models(platform.ledger.state(), platform.registry.everything()):
        for difference in repair(platform.ledger, platform.registry, model):
            found += 1
            open_incident(
                platform.ledger,
                model,
                kind="registry_changed",
                severity="act",
                summary=difference.message,
                cause=f"registry:{difference.kind}:{difference.name}",
                rule="reconciliation",
            )
    return found


def _audited(platform: Platform, since: int) -> int:
    """Decide changes of champion since the last look again: a record written past `promote` must not decide unseen."""
    changed = {r.model for r in platform.ledger.records(kind=CHAMPION_KINDS) if r.seq > since}
    found = 0
    for model in sorted(changed):
        for problem in audit_promotions(platform.ledger, model=model):
            found += 1
            open_incident(
                platform.ledger,
                model,
                kind="unfounded_champion",
                severity="critical",
                summary=f'{problem.message}; mlops suspend {model} --key PEM --rationale "…" stops it',
                cause=f"unfounded_champion:{problem.seq}",
                rule="audit",
            )
    return found


def _overseen(platform: Platform) -> list[str]:
    """Raise what time brought up, after doing what the policy leaves to the service key; returns what was done."""
    done = []
    key, ledger = service_key(platform), platform.ledger
    for model in platform.project.declarations:
        policy = platform.policy(model)
        adopt(ledger, model, policy)
        for opening in due(ledger.state(), policy, model, ledger.clock()):
            said = _acted(platform, model, opening, key)
            done += [f"{model}: {said}"] if said else []
            if "incident" in opening.actions or opening.act:
                open_incident(
                    platform.ledger,
                    model,
                    kind=opening.kind,
                    severity=opening.severity,
                    summary=f"{opening.summary} ({said})" if said else opening.summary,
                    cause=opening.cause,
                    window=opening.occasion,
                    happened_at=opening.happened_at,
                    rule=opening.kind,
                )
    return done


def _acted(platform: Platform, model: str, opening: Opening, key: SigningKey | None) -> str:
    """What the service key did about it, or why it could not although the policy lets it; empty: a person is asked."""
    policy = platform.policy(model)
    if not automation.allowed(policy, opening):
        return ""
    if key is None:
        return "the policy lets the service key do it, and there is none: mlops setup --service-key"
    try:
        record = automation.act(
            platform.ledger, platform.registry, policy, model, opening, key,
            lambda name, version: verify_artifact(platform, name, version),
        )  # fmt: skip
    except (InterventionRefused, NotAllowed) as error:
        return f"the service key could not: {error}"
    return f"done at once by the service key: {record.kind}, record {record.seq}" if record else ""
