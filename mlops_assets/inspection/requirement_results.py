"""Which requirements have their evidence, looked up across the stores: cards, the ledger, and the project's profiles."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mlops_assets import clock
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements.artefacts import Artefact, artefacts_of_card, artefacts_of_ledger
from mlops_assets.evidence.requirements.assessment import ClauseFinding, assess, conclusions_of
from mlops_assets.evidence.requirements.profiles import Profile, load_profiles, not_applicable
from mlops_assets.gates import completeness
from mlops_assets.ledger.events.versions import CardIssued
from mlops_assets.platform import Platform
from mlops_assets.project import ProjectError


def requirement_rows(
    platform: Platform, profile: str | None, model: str | None, at: datetime | None = None
) -> list[dict[str, Any]]:
    """Each clause that is required of each model, whether its evidence is present, missing or stale, and what was concluded.

    Args:
        platform: the project.
        profile: one profile; None: all.
        model: one model; None: all.
        at: time at which evidence must be fresh; default: now.

    Raises:
        ProjectError: no such profile or model.
    """
    profiles = profiles_of(platform)
    chosen = [_known(profiles, profile)] if profile is not None else list(profiles.values())
    names = [model] if model is not None else list(platform.project.declarations)
    rows = []
    for name in names:
        for one, findings, why in requirement_findings(platform, name, chosen, at):
            if why:
                # A profile that was asked for by name answers, one of all of them is left out.
                rows += [_not_applicable(name, one.profile, why)] if profile else []
            rows += [_row(name, one.profile, finding) for finding in findings]
    return rows


def requirement_findings(
    platform: Platform, model: str, profiles: list[Profile], at: datetime | None = None
) -> Iterator[tuple[Profile, tuple[ClauseFinding, ...], str]]:
    """Each profile with what was found of its clauses; without any, and with the reason, where it is not about the model."""
    declaration = platform.project.declaration(model)
    state = platform.ledger.state().model(model)
    version = state.subject_version.version if state.subject_version else ""
    artefacts = [*_card_artefacts(platform, model, version), *artefacts_of_ledger(state, version)]
    conclusions, vendor = conclusions_of(state, version), declaration.supplied is not None
    named = platform.policy(model).gates.of(completeness.GATE).blocking_profiles
    for profile in profiles:
        if why := not_applicable(profile, declaration, named):
            yield profile, (), why
        else:
            yield profile, assess(profile, artefacts, at or clock.now(), version, conclusions, vendor=vendor), ""


def clause_finding(platform: Platform, profile: str, clause: str, model: str) -> ClauseFinding:
    """What was found of one clause.

    Raises:
        ProjectError: no such profile, clause or model, or the profile is not about the model.
    """
    known = _known(profiles_of(platform), profile)
    ((_, findings, why),) = requirement_findings(platform, model, [known])
    if why:
        raise ProjectError(f"{profile} does not apply to {model}: {why}")
    found = next((f for f in findings if f.clause == clause), None)
    if found is None:
        raise ProjectError(f"{profile} has no clause {clause!r}; it has {', '.join(repr(c.id) for c in known.clauses)}")
    return found


def profiles_of(platform: Platform) -> dict[str, Profile]:
    """The project's requirement profiles by name."""
    return load_profiles(platform.project.config / "requirements")


def _known(profiles: dict[str, Profile], name: str) -> Profile:
    if name not in profiles:
        raise ProjectError(f"{name}: no such requirement profile; there are: {', '.join(profiles)}")
    return profiles[name]


def _row(model: str, profile: str, found: ClauseFinding) -> dict[str, Any]:
    conclusion = found.conclusion
    return {
        "model": model,
        "profile": profile,
        "clause": found.clause,
        "evidence": found.asked,
        "verdict": found.verdict,
        "lacking": [*found.missing, *(f"{artefact}: {reason}" for artefact, reason in found.stale)],
        "judged_by": "record" if found.by == "automatic" else "a person",
        "judgement": found.judged,
        "answered": found.answered,
        "conclusion": None if conclusion is None else {
            "outcome": conclusion.outcome, "person": conclusion.person, "role": conclusion.role,
            "rationale": conclusion.rationale, "record": conclusion.record, "counts": found.judgement == "concluded",
        },
        "found": [_pointer(artefact) for artefact in found.found],
        "reason": found.why,
    }  # fmt: skip


def _card_artefacts(platform: Platform, model: str, version: str) -> list[Artefact]:
    """What the issued card holds, read back from its own file."""
    card = platform.ledger.latest_of(CardIssued, model=model, subject=version) if version else None
    if card is None:
        return []
    path = platform.home.root / card.event.path / "card.json"
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    declaration = Declaration.model_validate(content["declaration"])
    inputs = CardInputs(declaration, version, card.happened_at, content["algorithm"], **content["evidence"])
    return artefacts_of_card(inputs, card.seq, card.event.digest, f"{card.event.path}/card.json")


def _not_applicable(model: str, profile: str, why: str) -> dict[str, Any]:
    return {
        "model": model, "profile": profile, "clause": "all", "evidence": "", "verdict": "not_applicable", "lacking": [],
        "judged_by": "", "judgement": "", "answered": True, "conclusion": None, "found": [], "reason": why,
    }  # fmt: skip


def _pointer(artefact: Artefact) -> dict[str, Any]:
    """Where an artefact is: record, file and digest, as far as it has them."""
    return {"artefact": artefact.name, "record": artefact.record, "file": artefact.file, "digest": artefact.digest}
