"""Looking after the registry and the calendar, and notifying people.

Belongs here: comparing the registry with the ledger, the audit of promotions, what time brings up, and notices of new records.
`reason_to_watch` is the cheap look that comes before. When it runs, and in which job, is `orchestration/`'s.
"""

from dataclasses import dataclass

from mlops_assets.governance.adoption import adopt
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import LedgerTampered
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.state.champion import CHAMPION_KINDS
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.notification.outbox import Outbox
from mlops_assets.pipeline import notices
from mlops_assets.pipeline.overdue import page_to_be_told, report_late, report_stale_page, to_be_told
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release import automation
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.interventions import InterventionRefused
from mlops_assets.release.opening import Opening
from mlops_assets.release.oversight import due
from mlops_assets.release.reconciliation import doubtful_models, repair
from mlops_assets.response.incidents import open_incident
from mlops_assets.setup import service_key


@dataclass(frozen=True)
class Watched:
    """What one look found and did.

    Attributes:
        last: number of the last record that was looked at.
        notices: how many are new.
        actions: what was done or found, a sentence each.
    """

    last: int
    notices: int
    actions: tuple[str, ...]

    @property
    def text(self) -> str:
        """In a sentence."""
        sent = f"{self.notices} new notices" if self.notices else "no new record to notify of"
        return "; ".join([sent, *self.actions])


def newest_record(platform: Platform) -> int:
    """Number of the last record, of whatever kind: the pages show them all. A first look starts here, and does not announce the
    past."""
    head = platform.ledger.head()
    return head.seq if head is not None else 0


@dataclass(frozen=True)
class Reason:
    """Why a look is needed.

    Attributes:
        text: in a sentence.
        again: whether the same text after a look is a new event, such as an alias that was moved again. A date that has passed
            stays passed.
    """

    text: str
    again: bool


def reason_to_watch(platform: Platform, since: int) -> Reason | None:
    """Why a look is needed now; None where nothing is new. It changes nothing and sends nothing.

    Args:
        platform: of the project.
        since: number of the last record that was looked at.
    """
    ledger = platform.ledger
    try:
        ledger.sealed_head()
    except LedgerTampered as error:
        return Reason(f"the ledger does not hold: {error}", again=False)
    news = []
    newest = newest_record(platform)
    if newest != since:
        news.append(f"records up to {newest} are new")
    try:
        doubtful = doubtful_models(ledger.state(), platform.registry.everything())
        news += [f"the registry differs from the ledger for {', '.join(sorted(doubtful))}"] if doubtful else []
    except LedgerTampered:
        raise
    except Exception as error:  # a registry that cannot be read keeps nobody from being notified of the rest
        news.append(f"the registry cannot be read: {error}")
    due_now = Outbox(platform.home.root).count_due(ledger.clock())
    news += [f"{due_now} notices are due"] if due_now else []
    state, now = ledger.state(), ledger.clock()
    dates = [
        f"{name}: {opening.summary}"
        for name, declaration in platform.project.declarations.items()
        for policy in (platform.policy_of(declaration),)
        for opening in due(state, policy, name, now)
        if _to_be_acted_on(platform, state.model(name), policy, opening)
    ]
    dates += to_be_told(platform, now)
    dates += [stale] if (stale := page_to_be_told(platform, since, now)) else []
    return Reason("; ".join([*news, *dates]), again=bool(news)) if news or dates else None


def _to_be_acted_on(platform: Platform, model: ModelState, policy: Policy, opening: Opening) -> bool:
    """Whether an incident is to be opened, or the service key may act and has not."""
    known = any(
        i.cause == opening.cause and (i.is_open or i.window == opening.occasion) for i in model.incidents.values()
    )
    if ("incident" in opening.actions or opening.act) and not known:
        return True
    may = automation.allowed(policy, opening) and service_key(platform) is not None
    return may and not automation.done(platform.ledger, model.name, opening)


def watch(platform: Platform, since: int) -> Watched:
    """Compare the registry with the ledger, put right what differs, do what policy leaves to the service key, and send
    notices of records after `since`.

    Raises:
        LedgerTampered: the ledger ends with what nobody who may seal it wrote; people are notified, and nothing is moved.
        RuntimeError: the registry could not be compared; everything else was done.
    """
    try:
        platform.ledger.sealed_head()
    except LedgerTampered as error:
        notices.send_damage(platform, str(error))
        raise
    # The number comes from Dagster: one beyond the ledger was written by somebody who would hide what is new.
    since = since if since <= newest_record(platform) else 0
    try:
        differing, unread = _reconciled(platform), None
    except LedgerTampered:
        raise
    except Exception as error:  # a registry that cannot be read keeps nobody from being notified of the rest
        differing, unread = 0, error
    doubtful = _audited(platform, since)
    now = platform.ledger.clock()
    actions = [*_overseen(platform), *report_late(platform, now), *report_stale_page(platform, since, now)]
    # Before an incident about a channel is opened: the next look tells people of that one.
    last = newest_record(platform)
    fresh, sent = notices.send(platform, since)
    problems = [one.text for one in sent.failed]
    if differing:
        actions.insert(0, f"the registry differed from the ledger in {differing} places and was put right")
    if doubtful:
        actions.insert(0, f"{doubtful} changes of champion do not rest on what they had to rest on")
    if unread is not None:
        raise RuntimeError(f"the registry could not be compared with the ledger: {unread}") from unread
    return Watched(last, fresh, (*actions, *problems))


def _reconciled(platform: Platform) -> int:
    """Put the registry right and open incidents about what differed; returns how much did."""
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
    changed = {r.model for r in platform.ledger.records(kind=CHAMPION_KINDS, after=since)}
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
    """Open incidents about what time brought up, after doing what the policy leaves to the service key.

    Returns:
        What was done, a sentence each.
    """
    done = []
    key, ledger = service_key(platform), platform.ledger
    for model in platform.project.declarations:
        policy = platform.policy(model)
        adopt(ledger, model, policy)
        for opening in due(ledger.state(), policy, model, ledger.clock()):
            act = _acted(platform, model, opening, key)
            done += [f"{model}: {act}"] if act else []
            if "incident" in opening.actions or opening.act:
                open_incident(
                    platform.ledger,
                    model,
                    kind=opening.kind,
                    severity=opening.severity,
                    summary=f"{opening.summary} ({act})" if act else opening.summary,
                    cause=opening.cause,
                    window=opening.occasion,
                    happened_at=opening.happened_at,
                    rule=opening.kind,
                )
    return done


def _acted(platform: Platform, model: str, opening: Opening, key: SigningKey | None) -> str:
    """What the service key did about it, or why it could not although the policy lets it; empty: a person must."""
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
