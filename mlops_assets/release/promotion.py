"""Promotion: the one way a version becomes champion.

Whatever asks for it (a Dagster asset, a sensor, the command line), this function looks everything up again: the whole
ledger, the artifact, every gate's decision, every signature, the windows it was seen in. It trusts no run that was green and no alias. What it
writes first is the ledger; the registry's alias follows and is put right by `release.reconciliation.repair` when a
crash came between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approval_subject import NotRegistered, approval_subject, registered
from mlops_assets.governance.approvals import ApprovalState, approval_state
from mlops_assets.governance.copies import copies
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import blocking
from mlops_assets.governance.tiers import tier_standing
from mlops_assets.governance.validations import objections, standing_validation
from mlops_assets.governance.verification import head_key_problems
from mlops_assets.ledger.events.champion import Approver, CopyOf, ExceptionUsed, LadderStep, StepSigned
from mlops_assets.ledger.events.champion import Promotion as PromotionEvent
from mlops_assets.ledger.events.judgements import (
    Approval,
    ExceptionGranted,
    ExceptionWithdrawn,
    FindingClosed,
    FindingRecorded,
    GateDecided,
    PolicyAdopted,
    ValidationRecorded,
)
from mlops_assets.ledger.events.tiers import TierAssessed
from mlops_assets.ledger.events.versions import CardIssued, VersionRegistered
from mlops_assets.ledger.events.windows import LadderTested, WindowScored
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, LedgerTampered
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.state.champion import CHAMPION_KINDS
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import lock_name
from mlops_assets.release.ladder import climb
from mlops_assets.release.reconciliation import put_right
from mlops_assets.release.registry import Registry

VerifyArtifact = Callable[[str, int], str]
"""Given model and version: checks the signature of the stored artifact and returns the SHA-256 of its content as it is
now; raises when the signature does not hold or the artifact is gone."""


class PromotionRefused(MlopsAssetsError, ValueError):
    """A version may not become champion; `reasons` says why, each by itself."""

    def __init__(self, model: str, version: int, reasons: Sequence[str]):
        self.model, self.version, self.reasons = model, version, tuple(reasons)
        super().__init__(f"{model} version {version} was not promoted: {'; '.join(self.reasons)}")


@dataclass(frozen=True)
class Promotion:
    """A version that is champion.

    Attributes:
        model: name.
        version: champion.
        former: champion before, or None for the first.
        record: the `promotion` record.
        repeated: whether it was champion already, and nothing was written.
    """

    model: str
    version: int
    former: int | None
    record: Record
    repeated: bool


EVIDENCE = (
    *CHAMPION_KINDS,
    VersionRegistered.KIND,
    GateDecided.KIND,
    CardIssued.KIND,
    Approval.KIND,
    ExceptionGranted.KIND,
    ExceptionWithdrawn.KIND,
    FindingRecorded.KIND,
    FindingClosed.KIND,
    ValidationRecorded.KIND,
    PolicyAdopted.KIND,
    TierAssessed.KIND,
    LadderTested.KIND,
    StepSigned.KIND,
    WindowScored.KIND,
)
"""Records about a model that a promotion rests on: none may come between looking them up and writing it. The same holds
for those about people (`ledger.people.KINDS`), whose keys say what the signatures among them are worth."""


def promote(
    ledger: Ledger,
    registry: Registry,
    policy: Policy,
    model: str,
    version: int | str,
    verify_artifact: VerifyArtifact,
    *,
    root: PublicKey | None = None,
) -> Promotion:
    """Make `version` the champion of `model`, if everything that its policy asks for stands now.

    Safe to call again: for the version that is champion already it only puts the registry right.

    Args:
        ledger: what was decided.
        registry: whose aliases follow.
        policy: the model's effective policy.
        model: name.
        version: in the registry.
        verify_artifact: see `VerifyArtifact`.
        root: root key, when known from outside the ledger.

    Raises:
        PromotionRefused: with every reason.
        Conflict: something that it rests on was recorded while it was looked up, or another process changed the
            champion past this function; look again.
        LockTimeout: another promotion of the model does not end.
    """
    version = int(version)
    with ledger.lock(lock_name(model)):
        # Signing takes no lock: a rejection written between looking and promoting must make us look again.
        expect = [_unchanged(ledger, EVIDENCE, model), _unchanged(ledger, PEOPLE_KINDS, "")]
        reasons = [f"the ledger is not whole: {problem}" for problem in _damage(ledger, root)[:3]]
        if reasons:
            raise PromotionRefused(model, version, reasons)
        state = ledger.state(root=root, fresh=True)
        now = state.model(model).champion
        reasons = _objections(state.model(model), registry, version, verify_artifact)
        if now.status in ("suspended", "retired"):
            reasons.append(f"the model is {now.status}")
        if now.status == "active" and now.champion == version and not reasons:
            record = ledger.latest(("promotion", "rollback"), model=model)
            assert record is not None
            put_right(ledger, registry, model)
            return Promotion(model, version, now.former, record, repeated=True)
        if reasons:
            raise PromotionRefused(model, version, reasons)
        event, reasons = _evidence(state, policy, model, version, ledger.clock())
        if reasons:
            raise PromotionRefused(model, version, reasons)
        record = ledger.append(
            event,
            model=model,
            subject=str(version),
            key=f"promotion/{model}/{version}/after/{now.seq}",
            expect=expect,
        )
        put_right(ledger, registry, model)
        return Promotion(model, version, now.champion, record, repeated=False)


def missing(state: LedgerState, policy: Policy, name: str, version: int | str, at: datetime) -> list[str]:
    """What keeps the version from promotion as far as the ledger alone says; `promote` looks at artifact and registry too."""
    status = state.model(name).champion.status
    stopped = [f"the model is {status}"] if status in ("suspended", "retired") else []
    return [*stopped, *_evidence(state, policy, name, int(version), at)[1]]


def _unchanged(ledger: Ledger, kinds: tuple[str, ...], model: str) -> Expected:
    seen = ledger.latest(kinds, model=model)
    return Expected(kinds, model, seen.seq if seen else 0)


def _objections(model: ModelState, registry: Registry, version: int, verify_artifact: VerifyArtifact) -> list[str]:
    """What prevents the promotion whatever the policy: a missing version, an altered artifact."""
    try:
        registration = registered(model, version)
    except (NotRegistered, LedgerTampered) as error:
        return [str(error)]
    if version not in registry.versions(model.name):
        return [f"the registry has no version {version}: it was deleted there"]
    try:
        found = verify_artifact(model.name, version)
    except Exception as error:  # whatever it is that cannot be checked is not promoted
        return [f"the artifact could not be verified: {error}"]
    expected = registration.event.artifact_digest
    if found != expected:
        return [f"the artifact has digest {found}, expected {expected} as registered (record {registration.seq})"]
    return []


def _damage(ledger: Ledger, root: PublicKey | None) -> list[str]:
    try:
        people = ledger.people(root)
        found = [*ledger.verify(trusted=people.ledger_keys()), *head_key_problems(ledger, people)]
        # A tail that is not sealed yet is no damage: the next append with the head key seals it.
        return [str(p) for p in found if p.code not in ("unsealed", "head_unchecked")]
    except LedgerTampered as error:
        return [str(error)]


def _evidence(
    state: LedgerState, policy: Policy, name: str, version: int, at: datetime
) -> tuple[PromotionEvent, list[str]]:
    """The promotion with all it rests on, and what is missing for it."""
    model = state.model(name)
    gates = standing(model, version, policy, lifts=lifts(model, policy, version, at), at=at)
    approvals = approval_state(state, policy, name, version)
    reasons = [f"gate {gate.gate} is {gate.state}: {gate.reason}" for gate in gates.blocking]
    adopted = adoption(model, policy)
    if adopted.waiting:
        roles = " or ".join(adopted.roles)
        reasons.append(
            f"the policy {policy.digest[:12]} is not in force until {roles} signs it: mlops policy adopt {name}"
        )
    registration = registered(model, version).event
    tier = tier_standing(model, policy, registration.declaration, at)
    reasons += [tier.objection] if tier.objection else []
    reasons += _missing_approvals(approvals)
    reasons += [f"finding {f.id} ({f.severity}) is open: {f.summary}" for f in blocking(model, policy, version)]
    validation = standing_validation(model, version)
    reasons += objections(validation, policy, at)
    step = climb(model, policy, version)
    reasons += [step.objection] if step.objection else []
    used = [(gate.gate, gate.lift) for gate in gates.excepted if gate.lift is not None]
    event = PromotionEvent(
        former=model.champion.champion,
        digests=dict(approval_subject(model, version, policy.digest).subjects),
        policy_digest=policy.digest,
        # Whole, so that the decision can be made again from this record when the files have long changed.
        policy=policy.model_dump(mode="json"),
        decisions=gates.decisions,
        exceptions=tuple(ExceptionUsed(gate=gate, seq=lift.seq, expires=lift.expires) for gate, lift in used),
        approvals=tuple(seq for _, _, seq in approvals.counted),
        approvers=tuple(Approver(person=person, role=role) for person, role, _ in approvals.counted),
        validation=validation.seq if validation is not None else None,
        assessment=tier.counted,
        copies=tuple(
            CopyOf(model=copy.model, ended=copy.ended, record=copy.record, same=copy.same)
            for copy in copies(state, name, registration.declaration, registration.data_digest)
        ),
        ladder=LadderStep(step=step.name, reason=step.reason),
    )
    return event, reasons


def _missing_approvals(approvals: ApprovalState) -> list[str]:
    if approvals.status == "rejected":
        return [f"{person} rejected it as {role} (record {seq})" for person, role, seq in approvals.rejections]
    if approvals.status == "approved":
        return []
    missing = ", ".join(f"{count} as {role}" for role, count in approvals.missing)
    ignored = "".join(f"; not counted: record {seq} by {who}: {why}" for seq, who, why in approvals.refused)
    return [f"approvals are missing: {missing}{ignored}"]
