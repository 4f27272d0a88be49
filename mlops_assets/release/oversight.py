"""What time and judgements do to a champion: a validation that ended or rejected it, an exception that ended, an open finding,
a failed probation.

Says which incidents should stand; opening them, once for one cause, is `response.incidents`'.
"""

from datetime import datetime, timedelta

from mlops_assets.governance.validations import Validation, standing_validation
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.policy.policy import Action, Policy, Response
from mlops_assets.release.loosening import ended_exceptions, loosened_policy
from mlops_assets.release.opening import PROBATION_FAILED, Opening

VALIDATION_EXPIRED = "validation_expired"
VALIDATION_MISSING = "validation_missing"
VALIDATION_REJECTED = "validation_rejected"
REJECTION_TERM_ENDED = "rejection_term_ended"
FINDING_OVERDUE = "finding_overdue"
SUSPENSION_DUE = "suspension_due"
SEVERITIES = ("none", "watch", "act", "critical")


def due(state: LedgerState, policy: Policy, name: str, when: datetime) -> list[Opening]:
    """Everything about a model that somebody should have acted on by `when`, in order of when it came up.

    Args:
        state: of the ledger.
        policy: the model's effective policy.
        name: of the model.
        when: the present time.
    """
    model = state.model(name)
    found = [
        *_expired(model, policy, when),
        *_rejected(model, policy, when),
        *_failed_probation(model, policy),
        *_suspending_verdict(model, policy),
        *loosened_policy(model, state.people),
        *ended_exceptions(model, policy, when),
    ]
    for finding in model.open_findings:
        if finding.overdue(when):
            summary = f"finding {finding.id} ({finding.severity}) was due on {iso(finding.due)}: {finding.summary}"
            severity = "act" if finding.severity in ("high", "critical") else "watch"
            found.append(
                Opening(
                    FINDING_OVERDUE,
                    severity,
                    f"{summary}; {finding.owner} must answer",
                    f"{FINDING_OVERDUE}:{finding.id}",
                    # A date that was extended and passed again is another occasion.
                    f"{finding.id}/{finding.due.date().isoformat()}",
                    finding.due,
                    ("incident",),
                )
            )
    return sorted(found, key=lambda opening: (opening.happened_at, opening.cause))


def review_due(model: ModelState, policy: Policy) -> tuple[datetime | None, str]:
    """By when a validator must judge a model's champion (again), and why; None where no date is recorded.

    The date is that of the validation, or, for a version that was never validated, `validity_days` after its promotion. A
    rejected validation has no end: `_rejected` says what follows from it.
    """
    version = model.champion.champion
    if version is None:
        return None, "no version is champion"
    standing = standing_validation(model, version)
    if standing is not None and standing.outcome == "rejected":
        return None, f"version {version} was rejected in validation (record {standing.seq})"
    if standing is not None:
        ends = standing.ends(policy)
        return ends, f"the validation of version {version} (record {standing.seq}) expired on {iso(ends)}"
    promoted = model.version(version).promotions
    if not promoted:
        return None, f"version {version} was never promoted"
    what = (
        f"version {version} was promoted {policy.validity_days} days ago (record {promoted[-1].seq}), and no validation of "
        "it is on record"
    )
    return promoted[-1].recorded_at + timedelta(days=policy.validity_days), what


def _expired(model: ModelState, policy: Policy, when: datetime) -> list[Opening]:
    now = model.champion
    ends, what = review_due(model, policy)
    actions: tuple[Action, ...] = tuple(a for a in policy.response.validation_expired if a != "none")
    if now.status != "active" or ends is None or when < ends or not actions:
        return []
    summary = f"{what}: let a validator judge it{' again' if model.version(now.champion or 0).validations else ''}"
    if "suspend" in actions:
        summary += f"; the policy requires suspension: {_suspend_command(now.model)}"
    kind = VALIDATION_EXPIRED if model.version(now.champion or 0).validations else VALIDATION_MISSING
    severity = "watch" if actions == ("watch",) else "act"
    occasion = f"{now.champion}/{ends.date().isoformat()}"
    return [Opening(kind, severity, summary, kind, occasion, ends, actions, now.seq)]


def rejection_term(model: ModelState, policy: Policy) -> tuple[Validation, datetime] | None:
    """The validation that rejected the champion, and until when it may go on deciding; None without one."""
    version = model.champion.champion
    standing = standing_validation(model, version) if version is not None else None
    if standing is None or standing.outcome != "rejected":
        return None
    return standing, standing.recorded_at + timedelta(days=policy.validation.rejection_term_days)


def _rejected(model: ModelState, policy: Policy, when: datetime) -> list[Opening]:
    """A champion whose validation was rejected: an incident at once, and its suspension at the end of the policy's term."""
    now, found = model.champion, rejection_term(model, policy)
    if now.status != "active" or found is None:
        return []
    standing, ends = found
    summary = (
        f"{standing.person} rejected version {now.champion} in validation (record {standing.seq}): {standing.summary}"
    )
    occasion = str(standing.seq)
    if when < ends:
        summary += f"; replace it, or let it be validated again, by {iso(ends)}: then the policy requires suspension"
        cause = f"{VALIDATION_REJECTED}:{now.champion}"
        actions: tuple[Action, ...] = ("incident",)
        return [
            Opening(VALIDATION_REJECTED, "act", summary, cause, occasion, standing.recorded_at, actions, standing.seq)
        ]
    summary += f"; the policy requires suspension: {_suspend_command(now.model)}"
    cause = f"{REJECTION_TERM_ENDED}:{now.champion}"
    actions = ("incident", "suspend")
    return [Opening(VALIDATION_REJECTED, "critical", summary, cause, occasion, ends, actions, standing.seq)]


def _suspend_command(model: str) -> str:
    return f'mlops suspend {model} --key PEM --rationale "…"'


def _failed_probation(model: ModelState, policy: Policy) -> list[Opening]:
    """The first window on probation that was too bad."""
    rule, now = policy.release, model.champion
    if now.status != "active" or now.former is None or rule.rollback_on == "never":
        return []
    last = model.changes[-1] if model.changes else None
    if last is None or last.kind != Promotion.KIND:
        return []
    limit = SEVERITIES.index(rule.rollback_on)
    # A window judged again counts once, as it was judged last.
    for verdict in _verdicts_since(model, last.seq)[: rule.probation_windows]:
        if verdict.severity in SEVERITIES and SEVERITIES.index(verdict.severity) >= limit:
            summary = (
                f"version {now.champion} is on probation and its window {verdict.window} is at {verdict.severity} (record "
                f'{verdict.seq}): mlops rollback {now.model} --key PEM --rationale "…" brings version {now.former} back'
            )
            cause = f"{PROBATION_FAILED}:{now.champion}"
            at = verdict.recorded_at
            actions: tuple[Action, ...] = ("incident",)
            return [
                Opening(PROBATION_FAILED, verdict.severity, summary, cause, verdict.window, at, actions, verdict.seq)
            ]
    return []


def _suspending_verdict(model: ModelState, policy: Policy) -> list[Opening]:
    """The first verdict on the champion, since it last came to decide, for whose kind the policy requires suspension."""
    now = model.champion
    if now.status != "active" or not any("suspend" in policy.actions(kind) for kind in Response.model_fields):
        return []
    for verdict in _verdicts_since(model, now.seq):
        kind, severity = verdict.kind, verdict.severity
        if severity not in ("act", "critical") or kind == "none" or "suspend" not in policy.actions(kind):
            continue
        summary = (
            f"window {verdict.window} of version {now.champion} shows {kind} at {severity} (record {verdict.seq}), for "
            f'which the policy requires suspension: mlops suspend {now.model} --key PEM --rationale "…"'
        )
        cause = f"{SUSPENSION_DUE}:{kind}:{now.champion}"
        actions = policy.actions(kind)
        return [
            Opening(SUSPENSION_DUE, severity, summary, cause, verdict.window, verdict.recorded_at, actions, verdict.seq)
        ]
    return []


def _verdicts_since(model: ModelState, seq: int) -> list[WindowVerdict]:
    """The last verdict on each window of the champion that was recorded after record `seq`, in order of window."""
    champion = str(model.champion.champion)
    return [v for v in model.window_verdicts.values() if v.seq > seq and v.version == champion]
