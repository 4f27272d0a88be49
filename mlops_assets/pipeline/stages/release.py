"""Stages from evidence to the version that decides: `model_card`, `approval`, `champion`."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlops_assets.evidence.card.card import Card, CardInputs
from mlops_assets.evidence.card.model_card import build_card, write_card
from mlops_assets.evidence.requirements import applicable, completeness_evidence, load_profiles
from mlops_assets.gates import completeness
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import exceptions, lifts
from mlops_assets.governance.findings import findings
from mlops_assets.governance.validations import standing_validation
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.ledger import Conflict, Record
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.data import current_snapshot
from mlops_assets.pipeline.stages.decisions import current_version, decided
from mlops_assets.pipeline.stages.window_reports import digest_file
from mlops_assets.release.champion import champion_state
from mlops_assets.release.ladder import climb
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets.response import retraining
from mlops_assets.training.reproducibility import environment

CARDS = "cards"


def model_card(context: StageContext) -> StageResult:
    """Write the card of the version from recorded evidence, and decide whether it answers what is asked."""
    platform = context.platform
    registered = current_version(context)
    inputs = card_inputs(context, registered)
    card = build_card(inputs)
    folder = platform.home.reports / CARDS / context.model / f"v{registered.subject}"
    paths = write_card(card, folder)
    for path in paths.values():
        platform.registry.log_file(registered.body["run_id"], path, "card")
    record_card(context, registered, card, folder)
    named = context.policy.gates.completeness.blocking_profiles
    profiles = applicable(load_profiles(platform.project.config / "requirements").values(), inputs, named)
    asked = completeness_evidence(profiles, inputs, card.digest)
    result = completeness.decide(asked, context.policy.gates.completeness)
    return StageResult(
        metadata={
            "version": int(registered.subject),
            "card": paths["html"],
            "card in MLflow": platform.registry.run_url(registered.body["run_id"]) + "/artifacts",
            "CycloneDX": paths["cyclonedx"],
            "card digest": card.digest,
            "evidence missing": list(card.missing) or None,
            "requirement profiles": [p.profile for p in profiles],
            "summary": paths["markdown"].read_text(encoding="utf-8")[:4000],
        },
        data_version=card.digest,
        decisions=decided(context, int(registered.subject), [result]),
    )


def record_card(context: StageContext, registered: Record, card: Card, folder: Path) -> None:
    """Record the card and each of its files; the same again writes nothing."""
    ledger, model, version = context.platform.ledger, context.model, registered.subject
    body = {
        "digest": card.digest,
        "path": str(folder.relative_to(context.platform.home.root)),
        "missing": list(card.missing),
        # People read the page, not the JSON that the digest is over.
        "files": {str(p.relative_to(folder)): digest_file(p) for p in sorted(folder.rglob("*")) if p.is_file()},
    }
    before = ledger.latest("card_issued", model=model, subject=version)
    if before is not None and before.body == body:
        return
    # Named by what it follows: the same card may be issued again after another one.
    name = f"card/{model}/{version}/{digest(body)}/after/{before.seq if before else 0}"
    ledger.append("card_issued", body, model=model, subject=version, key=name)


def card_inputs(context: StageContext, registered: Record) -> CardInputs:
    """Everything the card shows, from the ledger and the evidence of the version's run."""
    platform, declaration = context.platform, context.declaration
    run_id, version = registered.body["run_id"], int(registered.subject)
    evidence = {
        name: platform.registry.evidence(run_id, name)
        for name in ("candidates", "evaluation", "fairness", "explanations", "reference_profile")
    }
    snapshot = current_snapshot(context)
    evaluated = evidence["evaluation"]
    decisions = [
        {**r.body, "record": r.seq}
        for r in platform.ledger.records(kind="gate_decision", model=context.model, subject=registered.subject)
    ]
    return CardInputs(
        declaration=declaration,
        version=registered.subject,
        # The card is issued with the version: a time of its own would make every rendering another card.
        issued_at=registered.happened_at,
        algorithm=registered.body["algorithm"],
        snapshot={
            **{k: v for k, v in snapshot.body.items() if k not in ("screening", "contract")},
            "data_digest": snapshot.subject,
        },
        profile={"rows": evidence["reference_profile"]["rows"], "columns": evidence["reference_profile"]["columns"]},
        screening=snapshot.body["screening"],
        candidates=evidence["candidates"]["candidates"],
        performance=evaluated["performance"],
        comparison=evaluated["comparison"],
        slices=evaluated["slices"],
        calibration=evaluated["calibration"],
        robustness=evaluated["robustness"],
        fairness=evidence["fairness"],
        explanations=evidence["explanations"],
        decisions=decisions,
        policy=context.policy.model_dump(mode="json") | {"digest": context.policy.digest},
        exceptions=[
            {
                "gate": e.gate,
                "expires": e.expires,
                "role": e.role,
                "person": e.person,
                "reason": e.reason,
                "record": e.seq,
            }
            for e in exceptions(platform.ledger, context.policy, context.model)
            if e.status == "active" and e.version in (None, registered.subject)
        ],
        findings=[
            {
                "id": f.id,
                "severity": f.severity,
                "summary": f.summary,
                "owner": f.owner,
                "due": f.due,
                "closed": f.closed_at,
            }
            for f in findings(platform.ledger, context.model)
        ],
        environment={
            **environment(),
            "code_version": registered.body["code_version"],
            "digest": registered.body["environment_digest"],
        },
        digests={
            "artifact": registered.body["artifact_digest"],
            "data": registered.body["data_digest"],
            "declaration": registered.body["declaration_digest"],
            "policy": context.policy.digest,
        },
        lineage={
            "source": "/".join(declaration.source.key),
            "source path": declaration.source.path or declaration.source.sql,
            "mlflow run": run_id,
            "registered model": f"models:/{context.model}/{version}",
            "ledger record": registered.seq,
        },
        monitoring_plan=monitoring_plan(context),
        validation=_validation(context, registered.subject),
        risk_register=[r.model_dump() for r in declaration.card.risks] or None,
        changes=earlier_versions(context, version),
    )


def monitoring_plan(context: StageContext) -> dict[str, Any]:
    """How the model will be watched, in words and numbers."""
    declaration, policy = context.declaration, context.policy
    if not declaration.has_time:
        return {"windows": "none: the data has no time order, so no drift is claimed"}
    return {
        "windows": f"one a {declaration.monitoring.cadence.value}",
        "outcomes": f"mature after {declaration.target.matures_after}"
        if declaration.target.matures_after
        else "as soon as a window ends",
        "statistics": "PSI net of noise and of what periods of the reference differ by, chi-square and Kolmogorov-Smirnov "
        "p-values, false discovery rate over columns",
        "thresholds": policy.monitoring.model_dump(mode="json"),
        "actions": policy.response.model_dump(mode="json"),
        "retraining": policy.retraining.model_dump(mode="json"),
    }


def earlier_versions(context: StageContext, version: int) -> list[dict[str, Any]]:
    """Versions before this one and why each was trained."""
    return [
        {
            "version": r.subject,
            "algorithm": r.body["algorithm"],
            "request": r.body["request"] or "first training",
            "registered": r.happened_at.date().isoformat(),
        }
        for r in context.platform.ledger.records(kind="version_registered", model=context.model)
        if int(r.subject) < version
    ]


def approval(context: StageContext) -> StageResult:
    """Look every signature up again and show what is missing; waiting for people is no failure."""
    registered = current_version(context)
    state = approval_state(context.platform.ledger, context.policy, context.model, registered.subject)
    gates = _standing(context, registered.subject)
    return StageResult(
        metadata={
            "version": int(registered.subject),
            "state": state.status,
            "signed by": [{"person": p, "role": r, "record": s} for p, r, s in state.counted] or None,
            "rejected by": [{"person": p, "role": r, "record": s} for p, r, s in state.rejections] or None,
            "missing": [{"role": role, "signatures": count} for role, count in state.missing] or None,
            "not counted": [{"record": s, "person": p, "why": w} for s, p, w in state.refused] or None,
            "to supply what is missing": f"```\n{state.command}\n```" if state.command else None,
            "policy": _policy_in_force(context),
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


def _policy_in_force(context: StageContext) -> str:
    stands = adoption(context.platform.ledger, context.model, context.policy)
    if stands.waiting:
        asked = " or ".join(stands.roles)
        return (
            f"{context.policy.digest[:12]} is not in force until {asked} signs it: mlops policy adopt {context.model}"
        )
    since = f", in force since {stands.record.recorded_at.date()} (record {stands.record.seq})" if stands.record else ""
    return context.policy.digest[:12] + since


def champion(context: StageContext) -> StageResult:
    """Promote the version if everything its policy asks for stands now; otherwise say what does not."""
    platform = context.platform
    registered = current_version(context)
    version = int(registered.subject)
    before = champion_state(platform.ledger, context.model)
    note, why = "", None
    step = climb(platform.ledger, context.policy, context.model, version)
    if version in before.promoted:
        note = f"version {version} was promoted before"
    elif step.waiting and refused_for_good(context, registered.subject):
        note = f"version {version} was refused before it could climb"
        why = [{"reason": f"gate {g.gate}: {g.reason}"} for g in _standing(context, registered.subject).blocking]
        close_request(context, registered, version, "refused", "; ".join(str(w["reason"]) for w in why))
    elif step.waiting:
        note, why = f"version {version} is on the ladder: {step.reason}", None
    else:
        try:
            promoted = promote(
                platform.ledger, platform.registry, context.policy, context.model, version,
                lambda model, number: verify_artifact(platform, model, number),
            )  # fmt: skip
            note = f"version {version} was promoted (record {promoted.record.seq})"
            close_request(context, registered, version, "promoted")
        except Conflict as overtaken:
            note, why = f"version {version} was not promoted: {overtaken}", None
        except PromotionRefused as refusal:
            if refused_for_good(context, registered.subject):
                close_request(context, registered, version, "refused", "; ".join(refusal.reasons))
            note, why = f"version {version} was not promoted", [{"reason": reason} for reason in refusal.reasons]
    now = champion_state(platform.ledger, context.model)
    return StageResult(
        metadata={
            "version": now.deciding,
            "former": now.former,
            "status": now.status,
            "what happened": note,
            "why not": why,
            "since": _iso(now.since),
        },
    )


def refused_for_good(context: StageContext, version: str) -> bool:
    """Whether gates or people said no; a version that merely waits for signatures is not refused."""
    rejected = approval_state(context.platform.ledger, context.policy, context.model, version).status == "rejected"
    return rejected or not _standing(context, version).ok


def close_request(
    context: StageContext, registered: Record, version: int, outcome: Literal["promoted", "refused"], note: str = ""
) -> None:
    """Close the retraining request that the version answers, so that a later verdict may ask again."""
    if not registered.body["request"]:
        return
    ledger = context.platform.ledger
    request = ledger.latest("retraining_request", model=context.model, subject=registered.body["request"])
    if request is not None:
        retraining.close(ledger, request, outcome, version=version, note=note)


def _validation(context: StageContext, version: str) -> dict[str, Any] | None:
    found = standing_validation(context.platform.ledger, context.model, version)
    return found.to_dict() if found is not None else None


def _standing(context: StageContext, version: str) -> Any:
    ledger, policy = context.platform.ledger, context.policy
    return standing(ledger, context.model, version, policy, lifts=lifts(ledger, policy, context.model, version))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
