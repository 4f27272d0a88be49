"""What time does to a champion: a validation or exception that ended, a finding nobody closed, a probation not passed.

Says which incidents should stand; opening them, once for one cause, is `response.incidents`'.
"""

from datetime import datetime, timedelta

from mlops_assets.governance.findings import findings
from mlops_assets.governance.validations import standing_validation
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.policy.policy import Action, Policy, Response
from mlops_assets.release.champion import ChampionState, champion_state
from mlops_assets.release.loosening import ended_exceptions, loosened_policy
from mlops_assets.release.opening import PROBATION_FAILED, Opening

VALIDATION_EXPIRED = "validation_expired"
FINDING_OVERDUE = "finding_overdue"
SUSPENSION_DUE = "suspension_due"
SEVERITIES = ("none", "watch", "act", "critical")


def due(
    ledger: Ledger, policy: Policy, model: str, *, at: datetime | None = None, root: PublicKey | None = None
) -> list[Opening]:
    """Everything about `model` that somebody should have acted on by now, in order of when it came up.

    Args:
        ledger: to read.
        policy: the model's effective policy.
        model: name.
        at: default now.
        root: root key, when known from outside the ledger.
    """
    when = at or ledger.clock()
    now = champion_state(ledger, model)
    found = [
        *_expired(ledger, policy, now, when, root),
        *_failed_probation(ledger, policy, now),
        *_suspending_verdict(ledger, policy, now),
        *loosened_policy(ledger, model, root),
        *ended_exceptions(ledger, policy, now, when, root),
    ]
    for finding in findings(ledger, model, root=root):
        if finding.open and finding.overdue(when):
            summary = f"finding {finding.id} ({finding.severity}) was due on {iso(finding.due)}: {finding.summary}"
            severity = "act" if finding.severity in ("high", "critical") else "watch"
            found.append(
                Opening(
                    FINDING_OVERDUE,
                    severity,
                    f"{summary}; {finding.owner} must answer",
                    f"{FINDING_OVERDUE}:{finding.id}",
                    finding.id,
                    finding.due,
                    ("incident",),
                )
            )
    return sorted(found, key=lambda opening: (opening.happened_at, opening.cause))


def valid_until(
    ledger: Ledger, policy: Policy, now: ChampionState, root: PublicKey | None = None, known_at: datetime | None = None
) -> tuple[datetime | None, str]:
    """Until when the validation of a model's champion holds, and what it is; None without a champion.

    Where no validation was recorded, the signatures that first promoted the version are its validation. With `known_at`,
    as the ledger stood then.
    """
    if now.champion is None:
        return None, "no champion"
    standing = standing_validation(ledger, now.model, now.champion, root=root, known_at=known_at)
    if standing is not None:
        return standing.ends(policy), f"the validation of version {now.champion} (record {standing.seq})"
    promoted = ledger.records(kind="promotion", model=now.model, subject=str(now.champion), known_at=known_at)
    if not promoted:
        return None, f"version {now.champion} was never promoted"
    ends = promoted[-1].recorded_at + timedelta(days=policy.validity_days)
    return ends, f"the approval of version {now.champion} (record {promoted[-1].seq})"


def _expired(
    ledger: Ledger, policy: Policy, now: ChampionState, when: datetime, root: PublicKey | None
) -> list[Opening]:
    ends, what = valid_until(ledger, policy, now, root)
    actions: tuple[Action, ...] = tuple(a for a in policy.response.validation_expired if a != "none")
    if now.status != "active" or ends is None or when < ends or not actions:
        return []
    summary = f"{what} expired on {iso(ends)}: let a validator judge it again"
    if "suspend" in actions:
        summary += f'; the policy asks for suspension: mlops suspend {now.model} --key PEM --rationale "…"'
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


def _failed_probation(ledger: Ledger, policy: Policy, now: ChampionState) -> list[Opening]:
    """The first window on probation that was too bad."""
    rule = policy.release
    if now.status != "active" or now.former is None or rule.rollback_on == "never":
        return []
    last = ledger.latest(("promotion", "rollback"), model=now.model)
    if last is None or last.kind != "promotion":
        return []
    verdicts: dict[str, Record] = {}
    for record in ledger.records(kind="health_verdict", model=now.model):
        # A window judged again counts once, as it was judged last.
        if record.seq > last.seq and str(record.body.get("version")) == str(now.champion):
            verdicts[record.subject] = record
    limit = SEVERITIES.index(rule.rollback_on)
    for window in sorted(verdicts)[: rule.probation_windows]:
        record = verdicts[window]
        severity = str(record.body.get("severity"))
        if severity in SEVERITIES and SEVERITIES.index(severity) >= limit:
            summary = (
                f"version {now.champion} is on probation and its window {window} is at {severity} (record {record.seq}): "
                f'mlops rollback {now.model} --key PEM --rationale "…" brings version {now.former} back'
            )
            cause = f"{PROBATION_FAILED}:{now.champion}"
            actions: tuple[Action, ...] = ("incident",)
            return [
                Opening(PROBATION_FAILED, severity, summary, cause, window, record.recorded_at, actions, record.seq)
            ]
    return []


def _suspending_verdict(ledger: Ledger, policy: Policy, now: ChampionState) -> list[Opening]:
    """The first verdict on the champion, since it last came to decide, for whose kind the policy asks for suspension."""
    if now.status != "active" or not any("suspend" in policy.actions(kind) for kind in Response.model_fields):
        return []
    latest: dict[str, Record] = {}
    for record in ledger.records(kind="health_verdict", model=now.model):
        if record.seq > now.seq and str(record.body.get("version")) == str(now.champion):
            latest[record.subject] = record
    for window in sorted(latest):
        body = latest[window].body
        kind, severity = str(body.get("kind")), str(body.get("severity"))
        if severity not in ("act", "critical") or kind == "none" or "suspend" not in policy.actions(kind):
            continue
        summary = (
            f"window {window} of version {now.champion} shows {kind} at {severity} (record {latest[window].seq}), for "
            f'which the policy asks for suspension: mlops suspend {now.model} --key PEM --rationale "…"'
        )
        at = latest[window].recorded_at
        cause = f"{SUSPENSION_DUE}:{kind}:{now.champion}"
        actions = policy.actions(kind)
        return [Opening(SUSPENSION_DUE, severity, summary, cause, window, at, actions, latest[window].seq)]
    return []
