"""What each version of a model is now: champion, former champion, refused, waiting for approval, in shadow.

Belongs here: one status and one reason for each registered version, read from the records and the policy in force. Not
here: the decision itself, which `release.promotion` makes again from the records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approval_subject import NotRegistered
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.tiers import tier_standing
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import VersionState
from mlops_assets.policy.policy import Policy
from mlops_assets.release.ladder import climb

Status = Literal[
    "champion",
    "suspended",
    "former champion",
    "refused",
    "rejected",
    "blocked",
    "waiting for assessment",
    "waiting for approval",
    "waiting for policy",
    "sent back",
    "in shadow",
    "in canary",
    "in an A/B test",
    "waiting for a step's signature",
    "ready",
    "superseded",
    "not released",
    "retired",
]


@dataclass(frozen=True)
class VersionStatus:
    """What one version is now.

    Attributes:
        version: number in the registry.
        status: in the words of `Status`.
        reason: why, in one sentence.
        missing: approvals that the policy still requires, as role and count.
        commands: the lines that supply what is missing; empty when nobody has to act.
        tests: what was tested beside a champion: for each window `window`, `champion`, `outcome`, `record`, and `checks` with
            `name`, `outcome` and `reason`.
    """

    version: str
    status: Status
    reason: str
    missing: tuple[tuple[str, int], ...] = ()
    commands: tuple[str, ...] = ()
    tests: tuple[Mapping[str, Any], ...] = ()


def required_gates(policy: Any | None) -> frozenset[str]:
    """Gates that a version must pass under the policy; empty where no policy is known."""
    return frozenset(policy.gates.required) if policy is not None else frozenset()


def version_statuses(ledger: Ledger, policy: Any | None, state: ModelState) -> dict[str, VersionStatus]:
    """Status of every registered version by number, oldest first.

    Args:
        ledger: to look signatures and gates up in.
        policy: the model's effective policy, or None where it is not known.
        state: what is recorded about the model.
    """
    registered = [name for name, known in state.versions.items() if known.registration is not None]
    newest = registered[-1] if registered else ""
    return {
        name: replace(_status(ledger, policy, state, known, newest), tests=tests_beside(known))
        for name, known in state.versions.items()
        if name in registered
    }


def tests_beside(known: VersionState) -> tuple[Mapping[str, Any], ...]:
    """What was tested of a version in each window beside a champion, oldest window first."""
    return tuple(
        {
            "window": window,
            "champion": test.champion,
            "outcome": test.outcome.replace("_", " "),
            "record": test.seq,
            "checks": [
                {"name": c.name.replace("_", " "), "outcome": c.outcome.replace("_", " "), "reason": c.reason}
                for c in test.tests
            ],
        }
        for window, test in sorted(known.ladder_tests.items())
    )


def _status(ledger: Ledger, policy: Any | None, state: ModelState, known: VersionState, newest: str) -> VersionStatus:
    version = known.version
    if state.champion.status == "retired":
        return VersionStatus(version, "retired", "The model is retired.")
    if version == state.champion.version:
        if state.suspension is not None:
            return VersionStatus(version, "suspended", "The champion is suspended: no version decides.")
        return VersionStatus(version, "champion", "This version decides.")
    if known.promotions:
        return VersionStatus(version, "former champion", "Another version was promoted after it.")
    refused = _refused(known, policy)
    if version != newest:
        if refused:
            return VersionStatus(version, "refused", refused)
        return VersionStatus(version, "superseded", f"Version {newest} was registered before this one was released.")
    if isinstance(policy, Policy):
        try:
            return _waiting(ledger, policy, state.name, version)
        except NotRegistered:
            pass
    return VersionStatus(version, "refused" if refused else "not released", refused or "It was never promoted.")


def _refused(known: VersionState, policy: Any | None) -> str:
    """The required gates that failed, in a sentence; empty where none did."""
    required = required_gates(policy)
    failed = [
        gate
        for gate, decision in known.decided().items()
        if decision.outcome == "failed" and (not required or gate in required)
    ]
    return _gates("refused by", failed)


def _waiting(ledger: Ledger, policy: Policy, model: str, version: str) -> VersionStatus:
    """What keeps the newest version from release; the first obstacle alone, in the order in which promotion meets it."""
    state, now = ledger.state(), ledger.clock()
    known = state.model(model)
    gates = standing(known, version, policy, lifts=lifts(known, policy, version, now), at=now)
    failed = [g.gate for g in gates.blocking if g.state == "failed"]
    if failed:
        return VersionStatus(version, "refused", _gates("refused by", failed))
    if gates.blocking:
        open_gates = [g.gate for g in gates.blocking]
        return VersionStatus(version, "blocked", _gates("blocked: no passing decision of", open_gates))
    registration = known.version(version).registration
    tier = tier_standing(known, policy, registration.event.declaration if registration else {}, now)
    if tier.too_low:
        return VersionStatus(
            version, "waiting for assessment", f"{_sentence(tier.objection)}.", commands=(tier.command,)
        )
    approvals = approval_state(state, policy, model, version, now)
    if approvals.status == "rejected":
        people = ", ".join(f"{person} ({role})" for person, role, _ in approvals.rejections)
        return VersionStatus(version, "rejected", f"Rejected by {people}.")
    if approvals.missing:
        roles = ", ".join(f"{count} × {role}" if count > 1 else role for role, count in approvals.missing)
        lines = tuple(approvals.command.splitlines())
        return VersionStatus(version, "waiting for approval", f"Signatures missing: {roles}.", approvals.missing, lines)
    adopted = adoption(known, policy)
    if adopted.waiting:
        roles = " or ".join(adopted.roles)
        line = f'mlops policy adopt {model} --key KEY.pem --rationale "…"'
        return VersionStatus(
            version, "waiting for policy", f"The policy is not in force until {roles} signs it.", commands=(line,)
        )
    step = climb(known, policy, version)
    if step.name == "sent_back":
        return VersionStatus(version, "sent back", f"{_sentence(step.reason)}.")
    if step.to_sign:
        line = f'mlops advance {model} {version} --key KEY.pem --rationale "…"'
        return VersionStatus(version, "waiting for a step's signature", f"{_sentence(step.reason)}.", commands=(line,))
    if step.waiting:
        names: dict[str, Status] = {"shadow": "in shadow", "canary": "in canary", "ab": "in an A/B test"}
        return VersionStatus(version, names[step.name], f"{_sentence(step.reason)}.")
    return VersionStatus(version, "ready", "Nothing is missing; the sensor release promotes it at its next look.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _gates(what: str, gates: list[str]) -> str:
    if not gates:
        return ""
    names = ", ".join(gate.replace("_", " ") for gate in gates)
    sentence = f"{what} gate{'' if len(gates) == 1 else 's'} {names}."
    return sentence[:1].upper() + sentence[1:]


def waiting(statuses: Mapping[str, VersionStatus]) -> VersionStatus | None:
    """The newest version, where a person has to act before it can be released."""
    found = list(statuses.values())
    return found[-1] if found and found[-1].commands else None
