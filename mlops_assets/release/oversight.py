"""What time does to a champion: a validation or exception that ended, a finding nobody closed, a probation not passed.

Says which incidents should stand; opening them, once for one cause, is `response.incidents`'.
"""

from datetime import datetime, timedelta

from mlops_assets.governance.validations import standing_validation
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.policy.policy import Action, Policy, Response
from mlops_assets.release.loosening import ended_exceptions, loosened_policy
from mlops_assets.release.opening import PROBATION_FAILED, Opening

VALIDATION_EXPIRED = "validation_expired"
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


def valid_until(model: ModelState, policy: Policy) -> tuple[datetime | None, str]:
    """Until when the validation of a model's champion holds, and what it is; None without a champion.

    Where no validation was recorded, the signatures that first promoted the version are its validation.
    """
    version = model.champion.champion
    if version is None:
        return None, "no champion"
    standing = standing_validation(model, version)
    if standing is not None:
        return standing.ends(policy), f"the validation of version {version} (record {standing.seq})"
    promoted = model.version(version).promotions
    if not promoted:
        return None, f"version {version} was never promoted"
    ends = promoted[-1].recorded_at + timedelta(days=policy.validity_days)
    return ends, f"the approval of version {version} (record {promoted[-1].seq})"


def _expired(model: ModelState, policy: Policy, when: datetime) -> list[Opening]:
    now = model.champion
    ends, what = valid_until(model, policy)
    actions: tuple[Action, ...] = tuple(a for a in policy.response.validation_expired if a != "none")
    if now.status != "active" or ends is None or when < ends or not actions:
        return []
    summary = f"{what} expired on {iso(ends)}: let a validator judge it again"
    if "suspend" in actions:
        summary += f'; the policy requires suspension: mlops suspend {now.model} --key PEM --rationale "…"'
    return [
        Opening(
            VALIDATION_EXPIRED,
            "watch" if actions == ("watch",) else "act",
            summary,
            VALIDATION_EXPIRED,
            f"{now.champion}/{ends.date().isoformat()}",
            ends,
            actions,
            now.seq,
        )
    ]


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
