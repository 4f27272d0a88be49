"""Stages from evidence to the version that decides: `model_card`, `approval`, `champion`."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.card.card import Card, CardInputs
from mlops_assets.evidence.card.model_card import build_card, write_card
from mlops_assets.evidence.requirements.assessment import completeness_evidence, conclusions_of
from mlops_assets.evidence.requirements.profiles import applicable, load_profiles
from mlops_assets.gates import completeness
from mlops_assets.gates.gate import GateInputs
from mlops_assets.gates.registry import decide_stage
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.copies import copies
from mlops_assets.governance.decisions import Standing, standing
from mlops_assets.governance.exceptions import lifts, objection
from mlops_assets.governance.tiers import tier_standing
from mlops_assets.governance.validations import standing_validation
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import CardIssued, SnapshotTaken, VersionRegistered
from mlops_assets.ledger.ledger import Conflict, Ledger, Record
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.decisions import current_snapshot, current_version, record_decisions
from mlops_assets.pipeline.training_results import CANDIDATES, EVALUATION, EXPLANATIONS, FAIRNESS, REFERENCE_PROFILE
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import champion_state
from mlops_assets.release.ladder import climb
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets.response import retraining
from mlops_assets.training.reproducibility import environment

CARDS = "cards"


def model_card(context: StageContext) -> StageResult:
    """Write the card of the version from recorded evidence, and decide whether it meets the requirement profiles."""
    platform, policy = context.platform, context.policy
    ledger = platform.ledger
    registered = current_version(ledger, context.declaration, context.request)
    snapshot = current_snapshot(ledger, context.declaration, context.request)
    inputs = card_inputs(platform, context.declaration, policy, registered, snapshot)
    card = build_card(inputs)
    folder = platform.home.reports / CARDS / context.model / f"v{registered.subject}"
    paths = write_card(card, folder)
    for path in paths.values():
        platform.registry.log_file(registered.event.run_id, path, "card")
    record_card(ledger, registered, card, folder, platform.home.root)
    named = policy.gates.of(completeness.GATE).blocking_profiles
    profiles = applicable(load_profiles(platform.project.config / "requirements").values(), context.declaration, named)
    evidence = completeness_evidence(profiles, inputs, card.digest)
    given = GateInputs(context.declaration, {"completeness": evidence}, version=int(registered.subject))
    results = decide_stage("model_card", given, policy.gates)
    return StageResult(
        metadata={
            "version": int(registered.subject),
            "card": paths["html"],
            "card in MLflow": platform.registry.run_url(registered.event.run_id) + "/artifacts",
            "CycloneDX": paths["cyclonedx"],
            "card digest": card.digest,
            "evidence missing": list(card.missing) or None,
            "requirement profiles": [p.profile for p in profiles],
            "summary": paths["markdown"].read_text(encoding="utf-8")[:4000],
        },
        data_version=card.digest,
        decisions=record_decisions(ledger, policy, context.model, int(registered.subject), results),
    )


def record_card(ledger: Ledger, registered: Record[VersionRegistered], card: Card, folder: Path, home: Path) -> None:
    """Record the card and each of its files; the same again writes nothing.

    Args:
        ledger: to write to.
        registered: the version's registration.
        card: as it was built.
        folder: with its files.
        home: that the recorded path is relative to.
    """
    model, version = registered.model, registered.subject
    event = CardIssued(
        digest=card.digest,
        path=str(folder.relative_to(home)),
        missing=tuple(card.missing),
        # People read the page, not the JSON that the digest is over.
        files={
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        },
    )
    before = ledger.latest_of(CardIssued, model=model, subject=version)
    if before is not None and before.event == event:
        return
    # Named by what it follows: the same card may be issued again after another one.
    name = f"card/{model}/{version}/{digest(event.body())}/after/{before.seq if before else 0}"
    ledger.append(event, model=model, subject=version, key=name)


def card_inputs(
    platform: Platform,
    declaration: Declaration,
    policy: Policy,
    registered: Record[VersionRegistered],
    snapshot: Record[SnapshotTaken],
) -> CardInputs:
    """Everything the card shows, from the ledger and the evidence of the version's run."""
    ledger, model, version = platform.ledger, declaration.name, registered.subject
    results = platform.version_results(registered.event.run_id)
    evaluated, explained = results.read(EVALUATION), results.read(EXPLANATIONS)
    profile = results.read(REFERENCE_PROFILE).to_dict()
    return CardInputs(
        declaration=declaration,
        version=version,
        # The card is issued with the version: a time of its own would make every rendering another card.
        issued_at=registered.happened_at,
        algorithm=registered.event.algorithm,
        snapshot={
            **{k: v for k, v in snapshot.event.body().items() if k not in ("screening", "contract", "schema_version")},
            "data_digest": snapshot.subject,
        },
        profile={"rows": profile["rows"], "columns": profile["columns"]},
        screening=snapshot.event.screening,
        candidates=results.read(CANDIDATES).candidates,
        performance=evaluated.performance,
        comparison=evaluated.comparison,
        slices=evaluated.slices,
        calibration=evaluated.calibration,
        robustness=evaluated.robustness,
        fairness=results.read(FAIRNESS),
        explanations={"importance": explained.importance, "reason_codes": explained.reason_codes},
        decisions=[{**r.event.body(), "record": r.seq} for r in ledger.of(GateDecided, model=model, subject=version)],
        policy=policy.model_dump(mode="json") | {"digest": policy.digest},
        tier=tier_on_record(ledger, policy, registered),
        copies=copies_on_record(ledger, registered),
        exceptions=exceptions_in_force(ledger, policy, model, version),
        findings=findings_on_record(ledger, model),
        environment={
            **environment(declaration),
            "code_version": registered.event.code_version,
            "digest": registered.event.environment_digest,
        },
        digests={
            "artifact": registered.event.artifact_digest,
            "data": registered.event.data_digest,
            "declaration": registered.event.declaration_digest,
            "policy": policy.digest,
        },
        lineage={
            "source": "/".join(declaration.source.key),
            "source path": declaration.source.sql or declaration.source.described,
            "mlflow run": registered.event.run_id,
            "registered model": f"models:/{model}/{version}",
            "ledger record": registered.seq,
        },
        monitoring_plan=monitoring_plan(declaration, policy),
        validation=validation_on_record(ledger, model, version),
        conclusions=[asdict(one) for one in conclusions_of(ledger.state().model(model), version)],
        risk_register=[r.model_dump() for r in declaration.card.risks] or None,
        changes=earlier_versions(ledger, model, int(version)),
    )


def tier_on_record(ledger: Ledger, policy: Policy, registered: Record[VersionRegistered]) -> dict[str, Any]:
    """The tier of the version's model and its assessment, as they stand now."""
    model, declaration = ledger.state().model(registered.model), registered.event.declaration
    return tier_standing(model, policy, declaration, ledger.clock()).to_dict()


def copies_on_record(ledger: Ledger, registered: Record[VersionRegistered]) -> list[dict[str, Any]]:
    """Retired or refused models with the rows and the target of the version."""
    event = registered.event
    found = copies(ledger.state(), registered.model, event.declaration, event.data_digest)
    return [copy.to_dict() for copy in found]


def exceptions_in_force(ledger: Ledger, policy: Policy, model: str, version: str) -> list[dict[str, Any]]:
    """Exceptions that apply to the version now."""
    shown = ("gate", "expires", "role", "person", "reason")
    return [
        {**{name: getattr(e, name) for name in shown}, "record": e.seq}
        for e in ledger.state().model(model).exceptions_in_force(ledger.clock())
        if not objection(policy, e) and e.version in (None, version)
    ]


def findings_on_record(ledger: Ledger, model: str) -> list[dict[str, Any]]:
    """Findings about the model, open and closed."""
    shown = ("id", "severity", "summary", "owner", "due")
    known = ledger.state().model(model).findings.values()
    return [{**{name: getattr(f, name) for name in shown}, "closed": f.closed_at} for f in known]


def validation_on_record(ledger: Ledger, model: str, version: str) -> dict[str, Any] | None:
    """The validation that counts for the version; None where there is none."""
    found = standing_validation(ledger.state().model(model), version)
    return found.to_dict() if found is not None else None


def monitoring_plan(declaration: Declaration, policy: Policy) -> dict[str, Any]:
    """How the model will be watched, in words and numbers."""
    if not declaration.has_time:
        return {"windows": "none: the data has no time order, so no drift is claimed"}
    return {
        "windows": f"one for each {declaration.monitoring.cadence.value}",
        "outcomes": f"mature after {declaration.target.matures_after}"
        if declaration.target.matures_after
        else "as soon as a window ends",
        "statistics": "PSI net of noise and of what periods of the reference differ by, chi-square and Kolmogorov-Smirnov "
        "p-values, false discovery rate over columns",
        "thresholds": policy.monitoring.model_dump(mode="json"),
        "actions": policy.response.model_dump(mode="json"),
        "retraining": policy.retraining.model_dump(mode="json"),
        "next version": policy.release.model_dump(mode="json"),
    }


def earlier_versions(ledger: Ledger, model: str, version: int) -> list[dict[str, Any]]:
    """Versions before this one and why each was trained."""
    return [
        {
            "version": r.subject,
            "algorithm": r.event.algorithm,
            "request": r.event.request or "first training",
            "registered": r.happened_at.date().isoformat(),
        }
        for r in ledger.of(VersionRegistered, model=model)
        if int(r.subject) < version
    ]


def approval(context: StageContext) -> StageResult:
    """Look every signature up again and show what is missing; waiting for people is no failure."""
    ledger, policy, model = context.platform.ledger, context.policy, context.model
    registered = current_version(ledger, context.declaration, context.request)
    state = approval_state(ledger.state(), policy, model, registered.subject, ledger.clock())
    gates = gates_now(ledger, policy, model, registered.subject)
    return StageResult(
        metadata={
            "version": int(registered.subject),
            "state": state.status,
            "signed by": [{"person": p, "role": r, "record": s} for p, r, s in state.counted] or None,
            "rejected by": [{"person": p, "role": r, "record": s} for p, r, s in state.rejections] or None,
            "missing": [{"role": role, "signatures": count} for role, count in state.missing] or None,
            "not counted": [{"record": s, "person": p, "why": w} for s, p, w in state.refused] or None,
            "to supply what is missing": f"```\n{state.command}\n```" if state.command else None,
            "policy": policy_in_force(ledger, policy, model),
            "tier": tier_on_record(ledger, policy, registered)["objection"] or f"{policy.tier}, as required",
            "gates that block": [{"gate": g.gate, "state": g.state, "why": g.reason} for g in gates.blocking] or None,
            "gates under exception": [
                {
                    "gate": g.gate,
                    "until": g.lift.expires.date().isoformat() if g.lift else None,
                    "why": g.lift.reason if g.lift else "",
                }
                for g in gates.excepted
            ]
            or None,
        },
        data_version=f"{registered.subject}:{state.status}:{len(state.counted)}",
    )


def policy_in_force(ledger: Ledger, policy: Policy, model: str) -> str:
    """Whether the policy is in force, and since when."""
    adopted = adoption(ledger.state().model(model), policy)
    if adopted.waiting:
        roles = " or ".join(adopted.roles)
        return f"{policy.digest[:12]} is not in force until {roles} signs it: mlops policy adopt {model}"
    record = adopted.record
    return policy.digest[:12] + (
        f", in force since {record.recorded_at.date()} (record {record.seq})" if record else ""
    )


def champion(context: StageContext) -> StageResult:
    """Promote the version if everything its policy requires is there now; otherwise show what is missing."""
    ledger, model = context.platform.ledger, context.model
    registered = current_version(ledger, context.declaration, context.request)
    note, reasons = try_promotion(context.platform, context.policy, registered)
    now = champion_state(ledger, model)
    return StageResult(
        metadata={
            "version": now.deciding,
            "former": now.former,
            "status": now.status,
            "what happened": note,
            "why not": [{"reason": reason} for reason in reasons] or None,
            "since": now.since.isoformat(timespec="seconds") if now.since else None,
        },
    )


def try_promotion(platform: Platform, policy: Policy, registered: Record) -> tuple[str, Sequence[str]]:
    """Promote a version where nothing is missing, and close the request that it answers once it is decided.

    Returns:
        What happened, and the reasons where the version was not promoted.
    """
    ledger, model, version = platform.ledger, registered.model, int(registered.subject)
    if version in champion_state(ledger, model).promoted:
        return f"version {version} was promoted before", ()
    step = climb(ledger.state().model(model), policy, version)
    if step.waiting and refused_for_good(ledger, policy, registered):
        reasons = [f"gate {g.gate}: {g.reason}" for g in gates_now(ledger, policy, model, registered.subject).blocking]
        close_request(ledger, registered, "refused", "; ".join(reasons))
        return f"version {version} was refused in shadow", reasons
    if step.name == "sent_back":
        close_request(ledger, registered, "refused", step.reason)
        return f"version {version} was sent back", (step.reason,)
    if step.waiting:
        return f"version {version} is on the ladder: {step.reason}", ()
    try:
        promoted = promote(
            ledger,
            platform.registry,
            policy,
            model,
            version,
            lambda name, number: verify_artifact(platform, name, number),
        )
    except Conflict as overtaken:
        return f"version {version} was not promoted: {overtaken}", ()
    except PromotionRefused as refusal:
        if refused_for_good(ledger, policy, registered):
            close_request(ledger, registered, "refused", "; ".join(refusal.reasons))
        return f"version {version} was not promoted", refusal.reasons
    close_request(ledger, registered, "promoted")
    return f"version {version} was promoted (record {promoted.record.seq})", ()


def refused_for_good(ledger: Ledger, policy: Policy, registered: Record) -> bool:
    """Whether gates or people refused it; a version that merely waits for signatures is not refused."""
    model, version = registered.model, registered.subject
    rejected = approval_state(ledger.state(), policy, model, version).status == "rejected"
    return rejected or not gates_now(ledger, policy, model, version).ok


def close_request(
    ledger: Ledger, registered: Record[VersionRegistered], result: Literal["promoted", "refused"], note: str = ""
) -> None:
    """Close the retraining request that the version answers, so that a later verdict may request another."""
    request = ledger.state().model(registered.model).requests.get(registered.event.request or "")
    if request is not None:
        retraining.close(ledger, request.record, result, version=int(registered.subject), note=note)


def gates_now(ledger: Ledger, policy: Policy, model: str, version: str) -> Standing:
    """The state of every required gate of the version, exceptions in force included."""
    known, now = ledger.state().model(model), ledger.clock()
    return standing(known, version, policy, lifts=lifts(known, policy, version, now), at=now)
