"""Promotion: the one way a version becomes champion.

Whatever asks for it (a Dagster asset, a sensor, the command line), this function looks everything up again: the whole
ledger, the artifact, every gate's decision, every signature, the windows it was seen in. It trusts no run that was green and no alias. What it
writes first is the ledger; the registry's alias follows and is put right by `release.reconciliation.repair` when a
crash came between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approval_subject import NotRegistered, approval_subject
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import blocking
from mlops_assets.governance.validations import objections, standing_validation
from mlops_assets.governance.verification import head_key_problems
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Expected, Ledger, LedgerTampered, Record
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import KINDS, champion_state, lock_name
from mlops_assets.release.ladder import climb
from mlops_assets.release.reconciliation import put_right
from mlops_assets.release.registry import Registry

VerifyArtifact = Callable[[str, int], str]
"""Given model and version: checks the signature of the stored artifact and returns the SHA-256 of its content as it is
now; raises when the signature does not hold or the artifact is gone."""


class PromotionRefused(ValueError):
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
    *KINDS,
    *("version_registered", "gate_decision", "card_issued", "approval", "exception_granted", "exception_withdrawn"),
    *("finding_recorded", "finding_closed", "validation_recorded", "policy_adopted", "window_scored"),
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
        now = champion_state(ledger, model)
        reasons = _objections(ledger, registry, model, version, verify_artifact, root)
        if now.status in ("suspended", "retired"):
            reasons.append(f"the model is {now.status}")
        if now.status == "active" and now.champion == version and not reasons:
            record = ledger.latest(("promotion", "rollback"), model=model)
            assert record is not None
            put_right(ledger, registry, model)
            return Promotion(model, version, now.former, record, repeated=True)
        body, more = _evidence(ledger, policy, model, version, root) if not reasons else ({}, [])
        if reasons or more:
            raise PromotionRefused(model, version, [*reasons, *more])
        record = ledger.append(
            "promotion",
            {"former": now.champion, **body},
            model=model,
            subject=str(version),
            key=f"promotion/{model}/{version}/after/{now.seq}",
            expect=expect,
        )
        put_right(ledger, registry, model)
        return Promotion(model, version, now.champion, record, repeated=False)


def _unchanged(ledger: Ledger, kinds: tuple[str, ...], model: str) -> Expected:
    seen = ledger.latest(kinds, model=model)
    return Expected(kinds, model, seen.seq if seen else 0)


def _objections(
    ledger: Ledger,
    registry: Registry,
    model: str,
    version: int,
    verify_artifact: VerifyArtifact,
    root: PublicKey | None,
) -> list[str]:
    """What speaks against the version whatever the policy: a broken ledger, a missing version, an altered artifact."""
    reasons = [f"the ledger is not whole: {problem}" for problem in _damage(ledger, root)[:3]]
    if reasons:
        return reasons
    try:
        registration = approval_subject(ledger, model, version, "0" * 64).registration
    except (NotRegistered, LedgerTampered) as error:
        return [str(error)]
    if version not in registry.versions(model):
        return [f"the registry has no version {version}: it was deleted there"]
    try:
        found = verify_artifact(model, version)
    except Exception as error:  # whatever it is that cannot be checked is not promoted
        return [f"the artifact could not be verified: {error}"]
    expected = registration.body.get("artifact_digest")
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
    ledger: Ledger, policy: Policy, model: str, version: int, root: PublicKey | None
) -> tuple[dict[str, Any], list[str]]:
    """What the promotion rests on, for its record; and what is lacking."""
    lifted = lifts(ledger, policy, model, version, root=root)
    gates = standing(ledger, model, version, policy, lifts=lifted, at=ledger.clock())
    approvals = approval_state(ledger, policy, model, version, root=root)
    about = approval_subject(ledger, model, version, policy.digest)
    reasons = [f"gate {gate.gate} is {gate.state}: {gate.reason}" for gate in gates.blocking]
    adopted = adoption(ledger, model, policy, root=root)
    if adopted.waiting:
        asked = " or ".join(adopted.roles)
        reasons.append(
            f"the policy {policy.digest[:12]} is not in force until {asked} signs it: mlops policy adopt {model}"
        )
    if approvals.status == "rejected":
        reasons += [f"{person} rejected it as {role} (record {seq})" for person, role, seq in approvals.rejections]
    elif approvals.status == "pending":
        lacking = ", ".join(f"{count} as {role}" for role, count in approvals.missing)
        ignored = "".join(f"; not counted: record {seq} by {who}: {why}" for seq, who, why in approvals.refused)
        reasons.append(f"approvals are missing: {lacking}{ignored}")
    reasons += [
        f"finding {f.id} ({f.severity}) is open: {f.summary}" for f in blocking(ledger, policy, model, version, root)
    ]
    validation = standing_validation(ledger, model, version, root=root)
    reasons += objections(validation, policy, ledger.clock())
    step = climb(ledger, policy, model, version)
    if step.waiting:
        reasons.append(f"it is on the ladder ({step.name}): {step.reason}")
    body = {
        "digests": about.subjects,
        "policy_digest": policy.digest,
        # Whole, so that the decision can be made again from this record when the files have long changed.
        "policy": policy.model_dump(mode="json"),
        "decisions": list(gates.decisions),
        "exceptions": [
            {"gate": gate.gate, "seq": gate.lift.seq, "expires": gate.lift.expires}
            for gate in gates.excepted
            if gate.lift is not None
        ],
        "approvals": [seq for _, _, seq in approvals.counted],
        "approvers": [{"person": person, "role": role} for person, role, _ in approvals.counted],
        "validation": validation.seq if validation is not None else None,
        "ladder": {"step": step.name, "reason": step.reason},
    }
    return body, reasons
