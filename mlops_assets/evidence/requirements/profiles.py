"""Requirement profiles: what a rule requires, and which models it is about.

A profile is one YAML in `config/requirements/`. It is data because rules change: each says its status, from when it applies,
what replaced it, and what it rests on.
"""

from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evidence.requirements.artefacts import ARTEFACTS
from mlops_assets.policy.reading import PolicyError, read_document


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
    """Whether the clause is about models of vendors only; those with `origin: external` or `imported`."""

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


def read_profile(path: Path) -> Profile:
    """Read one profile.

    Raises:
        ProfileError: The file is no profile, or its name is not the profile's.
    """
    try:
        profile = read_document(path, Profile)
    except PolicyError as error:
        raise ProfileError(str(error)) from None
    if profile.profile != path.stem:
        raise ProfileError(f"{path}: found profile {profile.profile!r}, expected {path.stem!r} as the file is named")
    return profile


def load_profiles(folder: Path) -> dict[str, Profile]:
    """Every profile in a folder, by name."""
    return {p.profile: p for p in (read_profile(path) for path in sorted(folder.glob("*.yaml")))}


def applicable(profiles: Iterable[Profile], declaration: Declaration, named: Collection[str] = ()) -> list[Profile]:
    """The profiles that are about this model: by task, and those on credit decisions only where the bank names them.

    Args:
        profiles: all that were loaded.
        declaration: of the model; its `requirements` name profiles.
        named: profiles that its policy names as well.
    """
    return [p for p in profiles if not not_applicable(p, declaration, named)]


def not_applicable(profile: Profile, declaration: Declaration, named: Collection[str] = ()) -> str:
    """Why a profile is not about a model; "" where it is. Nobody but the bank knows which models decide on credit.

    Args:
        profile: what is required.
        declaration: of the model; its `requirements` name profiles.
        named: profiles that its policy names as well.
    """
    task = declaration.task.value
    if task not in profile.applies_to.tasks:
        return f"the profile is about {', '.join(profile.applies_to.tasks)} models, and this is a {task} model"
    if profile.superseded_by is not None:
        return f"it was replaced by {profile.superseded_by}"
    if profile.applies_to.credit_decision and profile.profile not in (*declaration.requirements, *named):
        return (
            "it is about decisions on credit; where this model makes them, name the profile under `requirements` in the "
            "declaration"
        )
    return ""
