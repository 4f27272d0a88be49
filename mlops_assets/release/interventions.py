"""What a person does to a model at once: rollback, suspension, resumption, retirement. Signed, recorded, then done.

Stopping a model is open to everybody who is enrolled for it; letting it decide again, or ending it, is not open to those who
built it. The policy in force may name roles and numbers of signatures for each; then the last of them takes effect.
Each statement names the state it changes, so that yesterday's signed rollback is worth nothing today.
"""

from collections.abc import Collection, Mapping
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.champion import Intervention, Resumption, Retirement, Rollback, Suspension
from mlops_assets.ledger.events.people import PersonEnrolled
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Conflict, Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.champion import CHAMPION_KINDS, ChampionState
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.release.champion import champion_state, lock_name
from mlops_assets.release.promotion import VerifyArtifact
from mlops_assets.release.reconciliation import put_right
from mlops_assets.release.registry import Registry


class InterventionRefused(MlopsAssetsError, ValueError):
    """The model is not in a state in which this can be done."""


def rollback(
    ledger: Ledger,
    registry: Registry,
    model: str,
    key: SigningKey,
    rationale: str,
    verify_artifact: VerifyArtifact,
    *,
    version: int | str | None = None,
    root: PublicKey | None = None,
) -> Record:
    """Let a former champion decide again.

    Args:
        ledger: to write to.
        registry: whose aliases follow.
        model: name.
        key: of anybody enrolled for the model.
        rationale: why, in a sentence.
        verify_artifact: as for `promote`.
        version: which; default: the one before the present champion. It must have been promoted once.
        root: root key, when known from outside the ledger.

    Raises:
        InterventionRefused: there is no former champion, it was never promoted, or its artifact is not what it was.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    with ledger.lock(lock_name(model)):
        now = _require(champion_state(ledger, model), "rolled back", ("active", "suspended"))
        target = int(version) if version is not None else now.former
        target = may_take_over(ledger, registry, now, target, verify_artifact)
        about = {"former": now.champion, "version": str(target)}
        # A suspended model starts deciding again with this: as for a resumption, its authors may not do that.
        barred = _authors(ledger, model, target) if now.status == "suspended" else ()
        return intervene(
            ledger, registry, now, Rollback, str(target), key, rationale, about=about, barred=barred, root=root
        )


def suspend(
    ledger: Ledger,
    registry: Registry,
    model: str,
    key: SigningKey,
    rationale: str,
    *,
    root: PublicKey | None = None,
) -> Record:
    """Stop the champion: nothing decides until it is resumed.

    Raises:
        InterventionRefused: there is no champion, or it is suspended already.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    with ledger.lock(lock_name(model)):
        now = _require(champion_state(ledger, model), "suspended", ("active",))
        return intervene(ledger, registry, now, Suspension, str(now.champion), key, rationale, root=root)


def resume(
    ledger: Ledger,
    registry: Registry,
    model: str,
    key: SigningKey,
    rationale: str,
    verify_artifact: VerifyArtifact,
    *,
    root: PublicKey | None = None,
) -> Record:
    """Let a suspended champion decide again; not for those who built it.

    Raises:
        InterventionRefused: it is not suspended, its validation was rejected, or its artifact is not what it was.
        NotAllowed: the key is not enrolled, not for this model, or an author's.
    """
    with ledger.lock(lock_name(model)):
        now = _require(champion_state(ledger, model), "resumed", ("suspended",))
        assert now.champion is not None
        _require_not_rejected(ledger, model, now.champion)
        _require_intact(ledger, model, now.champion, verify_artifact)
        barred = _authors(ledger, model, now.champion)
        return intervene(ledger, registry, now, Resumption, str(now.champion), key, rationale, barred=barred, root=root)


def retire(
    ledger: Ledger,
    registry: Registry,
    model: str,
    key: SigningKey,
    rationale: str,
    *,
    root: PublicKey | None = None,
) -> Record:
    """End a model for ever: no version of it decides or is promoted again. Not for those who built any version of it.

    Raises:
        InterventionRefused: it is retired already.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    with ledger.lock(lock_name(model)):
        now = _require(champion_state(ledger, model), "retired", ("none", "active", "suspended"))
        subject = str(now.champion) if now.champion is not None else ""
        barred = ledger.state(root=root).model(model).authors
        return intervene(ledger, registry, now, Retirement, subject, key, rationale, barred=barred, root=root)


def _require(now: ChampionState, done: str, statuses: Collection[str]) -> ChampionState:
    if now.status not in statuses:
        found = "has no champion" if now.status == "none" else f"is {now.status}"
        raise InterventionRefused(f"{now.model} {found} and cannot be {done}")
    return now


def may_take_over(
    ledger: Ledger, registry: Registry, now: ChampionState, target: int | None, verify_artifact: VerifyArtifact
) -> int:
    """The version that a rollback brings back, when it can be.

    Raises:
        InterventionRefused: there is no former champion, it was never promoted, or its artifact is not what it was.
    """
    model = now.model
    if target is None:
        raise InterventionRefused(f"{model} has no former champion to go back to; suspend it instead")
    if target == now.champion or target not in now.promoted:
        raise InterventionRefused(
            f"{model} version {target} cannot take over: promoted so far were "
            f"{', '.join(map(str, now.promoted))}, and {now.champion} is champion"
        )
    if target not in registry.versions(model):
        raise InterventionRefused(f"{model} version {target} was deleted from the registry")
    _require_not_rejected(ledger, model, target)
    _require_intact(ledger, model, target, verify_artifact)
    return target


def intervene(
    ledger: Ledger,
    registry: Registry,
    now: ChampionState,
    kind: type[Intervention],
    subject: str,
    key: SigningKey,
    rationale: str,
    *,
    about: Mapping[str, Any] | None = None,
    roles: Collection[str] | None = None,
    barred: Collection[str] = (),
    root: PublicKey | None = None,
) -> Record:
    """Sign and record one intervention, then let the registry follow; the caller holds the model's lock.

    Args:
        ledger: to write to.
        registry: whose aliases follow.
        now: the state it changes.
        kind: which intervention.
        subject: version concerned.
        key: of the signer.
        rationale: why.
        about: what else is signed.
        roles: one of which the signer must hold; None: those that the policy in force names, or any role of a person.
        barred: names that may not sign this.
        root: root key, when known from outside the ledger.

    Returns:
        The record. Where the policy in force requires more signatures, it changes nothing until they are there
        (`still_missing`).

    Raises:
        NotAllowed: the key is not enrolled, not for this model, an author's, or in no role that may sign this.
        InterventionRefused: the same person has signed it before, and others must.
    """
    if not rationale.strip():
        raise ValueError(f"a {kind.KIND} needs a rationale")
    known = ledger.state(root=root).model(now.model)
    if known.champion.seq != now.seq:
        raise Conflict(f"{now.model}: another process changed the champion; look again and decide again")
    signer = ledger.people(root).signer(key.public, now.model, ledger.clock()).person
    if signer in {r.event.person for r in known.signed(kind.KIND, subject)}:
        raise InterventionRefused(f"{signer} has signed this {kind.KIND} already; it waits for others")
    roles = roles or tuple(known.required_signatures(kind.KIND)) or None
    state = ledger.get(now.seq) if now.seq else ledger.latest_of(PersonEnrolled)
    body = sign_act(
        ledger,
        key,
        kind.PURPOSE,
        now.model,
        {"state": state.digest if state else "0" * 64},
        {**(about or {}), "subject": subject, "rationale": rationale.strip(), "follows": now.seq},
        roles=roles,
        barred=barred,
        root=root,
    )
    # Records that count for nothing have a number as well: what somebody forged keeps nobody from acting.
    expect = Expected(CHAMPION_KINDS, now.model, known.last_seq(*CHAMPION_KINDS))
    record = ledger.append(kind.model_validate(body), model=now.model, subject=subject, expect=expect)
    put_right(ledger, registry, now.model)
    return record


def still_missing(state: ModelState, record: Record[Intervention]) -> str:
    """Which signatures an intervention that was just recorded waits for, such as `1 as validator`; empty: it took effect."""
    if record.seq not in {waiting.seq for waiting in state.waiting}:
        return ""
    missing = state.missing_signatures(record.kind, record.subject)
    return ", ".join(f"{count} as {role}" for role, count in missing.items())


def _require_intact(ledger: Ledger, model: str, version: int, verify_artifact: VerifyArtifact) -> None:
    expected = registered(ledger.state().model(model), version).event.artifact_digest
    found = verify_artifact(model, version)
    if found != expected:
        raise InterventionRefused(f"{model} version {version}: artifact digest {found}, expected {expected}")


def _require_not_rejected(ledger: Ledger, model: str, version: int) -> None:
    rejected = ledger.state().model(model).version(version).rejected
    if rejected is not None:
        raise InterventionRefused(
            f"{model} version {version} was rejected in validation by {rejected.event.person} (record {rejected.seq}): it "
            "decides again only after another validation"
        )


def _authors(ledger: Ledger, model: str, version: int) -> frozenset[str]:
    return registered(ledger.state().model(model), version).event.authors
