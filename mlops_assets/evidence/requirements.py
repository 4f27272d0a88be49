"""Requirement profiles: what a rule requires, which artefact answers it, and whether that artefact is there and fresh.

A profile is one YAML in `config/requirements/`. It is data because rules change under our feet: each says its status,
from when it applies, what replaced it, and what it rests on. The words here are "evidence present", "missing" and
"stale": an artefact that is there says nothing about whether a supervisor would be satisfied with it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.reading import moment
from mlops_assets.ledger.state.model import ModelState

Verdict = Literal["present", "missing", "stale", "not_applicable"]
Stage = Literal["card", "approval", "operation"]

ARTEFACTS: dict[str, tuple[str, Stage]] = {
    "adverse_action_notice": ("Notices of adverse action, with their dates", "operation"),
    "alternatives": ("Alternatives considered", "card"),
    "approval": ("Signed approvals", "approval"),
    "calibration": ("Calibration", "card"),
    "change_log": ("Change log", "card"),
    "conformity_attachment": ("Declaration of conformity and list of standards", "approval"),
    "data_profile": ("Profile of the training data", "card"),
    "decision_log": ("Log of decisions and predictions", "operation"),
    "digests": ("Digests of data, artifact and declaration", "card"),
    "drift_report": ("Monitoring verdicts", "operation"),
    "evaluation": ("Evaluation on rows not fitted on", "card"),
    "exceptions": ("Register of exceptions", "card"),
    "fairness": ("Fairness by group", "card"),
    "feature_list": ("List of inputs", "card"),
    "human_oversight": ("Human oversight", "card"),
    "incidents": ("Register of incidents", "card"),
    "input_checks": ("Checks of the inputs", "card"),
    "intended_use": ("Intended use", "card"),
    "inventory": ("Inventory entry", "card"),
    "limitations": ("Assumptions and limitations", "card"),
    "lineage": ("Lineage", "card"),
    "ml_bom": ("Machine-learning bill of materials", "card"),
    "model_card": ("Model card", "card"),
    "monitoring_plan": ("Monitoring plan", "card"),
    "owners": ("Owner and developers", "card"),
    "proxy_test": ("Test for proxies of protected attributes", "card"),
    "reason_codes": ("Reason codes", "card"),
    "reason_fidelity": ("Faithfulness of the reason codes", "card"),
    "retention_policy": ("Retention policy", "card"),
    "risk_register": ("Risk register", "approval"),
    "robustness": ("Robustness", "card"),
    "signature": ("Signature of the artifact", "approval"),
    "slices": ("Performance by segment", "card"),
    "tier": ("Risk tier", "card"),
    "validation_due": ("Date until which the validation counts", "approval"),
    "validation_report": ("Validation report", "approval"),
}
"""Artefact to its name for people, and the stage at which it can first be there: with the card, with the approval that
follows it, or only in operation. A gate before approval asks for the first alone."""


class Part(BaseModel):
    """Unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Clause(Part):
    """One thing a rule asks."""

    id: str = Field(min_length=1)
    """The rule's own numbering."""
    evidence: str = Field(min_length=3)
    """What is asked, in few words of our own."""
    artefacts: tuple[str, ...] = Field(min_length=1)
    """What answers it: all of them are needed."""
    by: Literal["automatic", "human", "both"]
    """Who supplies it."""
    from_memory: bool = False
    """Whether the wording rests on memory and was not read."""
    max_age_days: int | None = Field(default=None, ge=1)
    """Older artefacts are stale; nothing: only an artefact's own expiry counts."""
    vendor_only: bool = False
    """Whether the clause is about models of vendors only; those declared here are the bank's own."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = [a for a in self.artefacts if a not in ARTEFACTS]
        if unknown:
            raise ValueError(f"found artefact {', '.join(unknown)}, expected some of {', '.join(ARTEFACTS)}")
        return self


class Scope(Part):
    """Which models the profile is about."""

    tasks: tuple[Literal["binary", "multiclass", "regression"], ...] = ("binary", "multiclass", "regression")
    """Tasks it applies to."""
    credit_decision: bool = False
    """Whether it is about decisions on credit to persons only; the bank says which models those are."""


class Profile(Part):
    """One rule."""

    profile: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name; the file's."""
    title: str
    """Title."""
    jurisdiction: str
    """Where it applies."""
    status: str
    """In force, adopted, proposed, rescinded …"""
    effective_from: date
    """From when it applies."""
    supersedes: tuple[str, ...] = ()
    """What it replaced."""
    superseded_by: str | None = None
    """What replaced it; nothing while it stands."""
    binding: bool
    """Whether it binds by itself."""
    binding_note: str = ""
    """For whom, and with which limits."""
    source: str = Field(min_length=5)
    """What the clauses were read in."""
    applies_to: Scope = Field(default_factory=Scope)
    """Which models it is about."""
    clauses: tuple[Clause, ...] = Field(min_length=1)
    """What it asks."""


class ProfileError(MlopsAssetsError, ValueError):
    """A profile that cannot be read; the text names file, field, what was found and what was expected."""


@dataclass(frozen=True)
class Artefact:
    """One artefact that exists.

    Attributes:
        name: One of `ARTEFACTS`.
        digest: SHA-256, where it has one.
        produced_at: When it was made.
        valid_until: From when it no longer counts.
        of_version: Version it is about; "" for what belongs to the model.
        record: Number of the ledger record that holds or names it; None where there is none.
        file: File that holds it; "" where it is in the record.
    """

    name: str
    digest: str = ""
    produced_at: datetime | None = None
    valid_until: datetime | None = None
    of_version: str = ""
    record: int | None = None
    file: str = ""


@dataclass(frozen=True)
class ClauseFinding:
    """Whether one clause has its evidence.

    Attributes:
        clause: The clause's id.
        asked: What it asks.
        verdict: `present` only if every artefact is there and fresh; `not_applicable` where the clause is not about this
            model.
        missing: Artefacts that are not there.
        stale: Artefacts that are there and no longer count, with the reason.
        found: Artefacts that are there and fresh.
        why: Why the clause does not apply; "" where it does.
        by: Who supplies it.
        stage: The latest stage of its artefacts: a clause of stage `operation` cannot be answered before use.
    """

    profile: str
    clause: str
    asked: str
    verdict: Verdict
    missing: tuple[str, ...]
    stale: tuple[tuple[str, str], ...]
    by: str
    stage: Stage
    found: tuple[Artefact, ...] = ()
    why: str = ""

    @property
    def words(self) -> str:
        """`evidence present`, `evidence missing`, `evidence stale` or `not applicable`; and who must judge it."""
        if self.verdict == "not_applicable":
            return "not applicable"
        judged = "; a person must judge it" if self.verdict == "present" and self.by != "automatic" else ""
        return f"evidence {self.verdict}{judged}"


def read_profile(path: Path) -> Profile:
    """Read one profile.

    Raises:
        ProfileError: The file is no profile, or its name is not the profile's.
    """
    import yaml

    try:
        profile = Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(str(p) for p in e['loc'])}: {e['msg']}, found {e['input']!r}" for e in error.errors()
        ]
        raise ProfileError("\n".join(lines)) from None
    if profile.profile != path.stem:
        raise ProfileError(f"{path}: found profile {profile.profile!r}, expected {path.stem!r} as the file is named")
    return profile


def load_profiles(folder: Path) -> dict[str, Profile]:
    """Every profile in a folder, by name."""
    return {p.profile: p for p in (read_profile(path) for path in sorted(folder.glob("*.yaml")))}


def assess(
    profile: Profile, artefacts: Iterable[Artefact], at: datetime, version: str = ""
) -> tuple[ClauseFinding, ...]:
    """Whether each clause of a profile has its evidence, in the profile's order.

    Args:
        profile: What is asked.
        artefacts: What exists; of several of one name the freshest counts.
        at: The moment of the question (UTC).
        version: An artefact about another version is stale; "" asks about the model only.
    """
    present: dict[str, list[Artefact]] = {}
    for artefact in artefacts:
        present.setdefault(artefact.name, []).append(artefact)
    return tuple(_assess_clause(profile.profile, clause, present, at, version) for clause in profile.clauses)


def counts(findings: Iterable[ClauseFinding]) -> dict[str, int]:
    """How many clauses have their evidence present, missing or stale, and how many do not apply."""
    found = [f.verdict for f in findings]
    return {verdict: found.count(verdict) for verdict in ("present", "missing", "stale", "not_applicable")}


def due_at_card(findings: Iterable[ClauseFinding]) -> tuple[ClauseFinding, ...]:
    """The clauses whose evidence can be asked for before approval, for the gate that decides on the card."""
    return tuple(f for f in findings if f.stage == "card" and f.verdict != "not_applicable")


def applicable(profiles: Iterable[Profile], inputs: CardInputs, names: Sequence[str] | None = None) -> list[Profile]:
    """The profiles that are about this model: by task, and those on credit decisions only where the bank names them.

    Args:
        profiles: All that were loaded.
        inputs: Whose card is asked.
        names: Profiles that the bank's policy names; they apply whatever their scope says about credit.
    """
    return [p for p in profiles if not not_applicable(p, inputs.declaration.task.value, names or ())]


def not_applicable(profile: Profile, task: str, names: Collection[str]) -> str:
    """Why a profile is not about a model; "" where it is.

    Args:
        profile: What is required.
        task: The model's task.
        names: Profiles that the model's policy names; nobody but the bank knows which models decide on credit.
    """
    if task not in profile.applies_to.tasks:
        return f"the profile is about {', '.join(profile.applies_to.tasks)} models, and this is a {task} model"
    if profile.superseded_by is not None:
        return f"it was replaced by {profile.superseded_by}"
    if profile.applies_to.credit_decision and profile.profile not in names:
        return (
            "it is about decisions on credit; where this model makes them, name the profile under "
            "gates.completeness.blocking_profiles in the model's policy"
        )
    return ""


def completeness_evidence(
    profiles: Iterable[Profile], inputs: CardInputs, card_digest: str | None
) -> dict[str, object]:
    """What the completeness gate decides on: each clause that can be asked before approval, and whether it is answered.

    Args:
        profiles: Those that apply.
        inputs: What the card was made from.
        card_digest: The card's digest; None when there is no card.
    """
    artefacts = artefacts_of_card(inputs)
    asked = [
        {"profile": f.profile, "item": f"{f.clause}: {f.asked}", "status": f.verdict, "missing": list(f.missing)}
        for p in profiles
        for f in due_at_card(assess(p, artefacts, inputs.issued_at, inputs.version))
    ]
    return {"asked": asked, "card_digest": card_digest}


def _assess_clause(
    profile: str, clause: Clause, present: Mapping[str, Sequence[Artefact]], at: datetime, version: str
) -> ClauseFinding:
    missing, stale, found = [], [], []
    for name in clause.artefacts:
        known = present.get(name, ())
        reasons = [_staleness(a, clause.max_age_days, at, version) for a in known]
        fresh = [a for a, reason in zip(known, reasons, strict=True) if not reason]
        found += fresh[-1:]
        if not reasons:
            missing.append(name)
        elif all(reasons):
            stale.append((name, str(reasons[-1])))
    stages = [ARTEFACTS[name][1] for name in clause.artefacts]
    stage: Stage = "operation" if "operation" in stages else "approval" if "approval" in stages else "card"
    if clause.vendor_only:
        why = "it is about models of vendors, and this one is the bank's own"
        return ClauseFinding(profile, clause.id, clause.evidence, "not_applicable", (), (), clause.by, stage, why=why)
    verdict: Verdict = "missing" if missing else "stale" if stale else "present"
    return ClauseFinding(
        profile, clause.id, clause.evidence, verdict, tuple(missing), tuple(stale), clause.by, stage, tuple(found)
    )


def _staleness(artefact: Artefact, max_age_days: int | None, at: datetime, version: str) -> str | None:
    """Why an artefact no longer counts, or None."""
    if version and artefact.of_version and artefact.of_version != version:
        return f"is about version {artefact.of_version}, asked was version {version}"
    if artefact.valid_until is not None and at >= artefact.valid_until:
        return f"was valid until {artefact.valid_until:%Y-%m-%d}"
    if max_age_days is not None:
        if artefact.produced_at is None:
            return f"has no date, and may be at most {max_age_days} days old"
        if (at - artefact.produced_at).days > max_age_days:
            return f"is of {artefact.produced_at:%Y-%m-%d}, and may be at most {max_age_days} days old"
    return None


def artefacts_of_card(
    inputs: CardInputs, record: int | None = None, digest: str = "", file: str = ""
) -> list[Artefact]:
    """What a card's inputs hold, as artefacts: only what was really supplied counts.

    Args:
        inputs: What the card was made from.
        record, digest, file: Number of the record that issued the card, its digest, and where it is; none before it is
            issued.
    """
    d, at, version = inputs.declaration, inputs.issued_at, inputs.version
    codes = (inputs.explanations or {}).get("reason_codes") or {}
    present = {
        "alternatives": bool(inputs.candidates) and len(inputs.candidates or ()) > 1,
        "calibration": bool(inputs.calibration),
        "change_log": inputs.changes is not None,
        "data_profile": inputs.profile is not None and inputs.snapshot is not None,
        "digests": bool(inputs.digests),
        "evaluation": bool((inputs.performance or {}).get("metrics")),
        "exceptions": inputs.exceptions is not None,
        "fairness": inputs.fairness is not None or not d.protected,
        "feature_list": bool(d.features),
        "human_oversight": bool(d.card.human_oversight),
        "incidents": True,  # the ledger keeps them; an empty register is a register
        "input_checks": inputs.snapshot is not None and inputs.snapshot.get("quarantined") is not None,
        "intended_use": bool(d.intended_use),
        "inventory": True,  # a declared model is in the inventory by itself
        "limitations": bool(d.card.limitations),
        "lineage": bool(inputs.lineage),
        "ml_bom": bool((inputs.environment or {}).get("packages")),
        "model_card": True,
        "monitoring_plan": inputs.monitoring_plan is not None or not d.has_time,
        "owners": bool(d.owner and d.developers),
        "proxy_test": not d.protected or proxies_measured(inputs.screening, [p.column for p in d.protected]),
        "reason_codes": bool(codes.get("explained")),
        "reason_fidelity": codes.get("faithful_share") is not None or bool(codes.get("faithful")),
        "retention_policy": (inputs.policy or {}).get("retention_days") is not None,
        "risk_register": bool(inputs.risk_register),
        "robustness": inputs.robustness is not None,
        "slices": inputs.slices is not None or not d.slices,
        "tier": True,
    }
    place = {"digest": digest, "of_version": version, "record": record, "file": file}
    found = [Artefact(name, produced_at=at, **place) for name, there in present.items() if there]
    if inputs.validation:
        until = moment(inputs.validation.get("valid_until"))
        found.append(Artefact("validation_report", produced_at=at, valid_until=until, **place))
        if until is not None:
            found.append(Artefact("validation_due", valid_until=until, **place))
    return found


def proxies_measured(screening: Mapping[str, Any] | None, protected: Sequence[str]) -> bool:
    """Whether every protected attribute was tested for proxies, with a result."""
    tested = {row.get("attribute") for row in (screening or {}).get("proxies") or () if row.get("auc") is not None}
    return set(protected) <= tested


def artefacts_of_ledger(state: ModelState, version: str) -> list[Artefact]:
    """What the ledger adds once a version is signed, decided on and used."""
    known = state.version(version)
    found = [
        Artefact("approval", given.record.digest, given.record.happened_at, of_version=version, record=given.record.seq)
        for given in known.approvals
        if given.record.event.decision == "approve"
    ]
    registered = known.registration
    if registered is not None and registered.event.signature:
        found.append(
            Artefact("signature", registered.digest, registered.happened_at, of_version=version, record=registered.seq)
        )
    if known.validations:
        last = known.validations[-1]
        place = {"of_version": version, "record": last.seq, "valid_until": last.event.valid_until}
        found += [
            Artefact(name, last.digest, last.happened_at, **place) for name in ("validation_report", "validation_due")
        ]
    mine = [v for v in state.window_verdicts.values() if v.version == version]
    if mine:
        verdict = mine[-1]
        found.append(Artefact("drift_report", produced_at=verdict.happened_at, of_version=version, record=verdict.seq))
    if state.scored:
        scored = max(state.scored.values(), key=lambda scored: scored.seq)
        found.append(Artefact("decision_log", produced_at=scored.recorded_at, record=scored.seq))
    return found
