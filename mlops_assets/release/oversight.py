"""What time does to a champion: a validation that ended, a finding nobody closed, a probation it did not pass.

Says which incidents should stand; opening them, once for one cause, is `response.incidents`'.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops_assets.governance.canonical import iso
from mlops_assets.governance.findings import findings
from mlops_assets.governance.keys import PublicKey
from mlops_assets.governance.ledger import Ledger, Record
from mlops_assets.governance.policy import Action, Policy
from mlops_assets.governance.validations import standing_validation
from mlops_assets.release.champion import Reign, reign

VALIDATION_EXPIRED = "validation_expired"
FINDING_OVERDUE = "finding_overdue"
PROBATION_FAILED = "probation_failed"
SEVERITIES = ("none", "watch", "act", "critical")


@dataclass(frozen=True)
class Opening:
    """An incident that should stand.

    Attributes:
        kind: `validation_expired`, `finding_overdue` or `probation_failed`.
        severity: `watch`, `act` or `critical`.
        summary: in a sentence.
        cause: what it is about; incidents of one cause are one while open.
        occasion: names this time; a closed incident is not opened again for the same one.
        happened_at: when the date passed.
        actions: what the policy wants done.
    """

    kind: str
    severity: str
    summary: str
    cause: str
    occasion: str
    happened_at: datetime
    actions: tuple[Action, ...]


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
    now = reign(ledger, model)
    found = [*_expired(ledger, policy, now, when, root), *_failed_probation(ledger, policy, now)]
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
    ledger: Ledger, policy: Policy, now: Reign, root: PublicKey | None = None
) -> tuple[datetime | None, str]:
    """Until when the validation of a model's champion holds, and what it is; None without a champion.

    Where no validation was recorded, the signatures that first promoted the version are its validation.
    """
    if now.champion is None:
        return None, "no champion"
    standing = standing_validation(ledger, now.model, now.champion, root=root)
    if standing is not None:
        return standing.ends(policy), f"the validation of version {now.champion} (record {standing.seq})"
    promoted = ledger.records(kind="promotion", model=now.model, subject=str(now.champion))
    if not promoted:
        return None, f"version {now.champion} was never promoted"
    ends = promoted[-1].recorded_at + timedelta(days=policy.validity_days)
    return ends, f"the approval of version {now.champion} (record {promoted[-1].seq})"


def _expired(ledger: Ledger, policy: Policy, now: Reign, when: datetime, root: PublicKey | None) -> list[Opening]:
    ends, what = valid_until(ledger, policy, now, root)
    actions: tuple[Action, ...] = tuple(a for a in policy.response.validation_expired if a != "none")
    if now.status != "active" or ends is None or when < ends or not actions:
        return []
    summary = f"{what} expired on {iso(ends)}: let a validator judge it again"
    return [
        Opening(
            VALIDATION_EXPIRED,
            "watch" if actions == ("watch",) else "act",
            summary,
            VALIDATION_EXPIRED,
            f"{now.champion}/{ends.date().isoformat()}",
            ends,
            actions,
        )
    ]


def _failed_probation(ledger: Ledger, policy: Policy, now: Reign) -> list[Opening]:
    """The first window on probation that was too bad; going back stays a signed act of a person."""
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
            return [Opening(PROBATION_FAILED, severity, summary, cause, window, record.recorded_at, ("incident",))]
    return []
