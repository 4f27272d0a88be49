"""A project with its stores opened: what every stage, sensor and command works on.

Opening is lazy: a command that only reads the ledger never imports MLflow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.engine import make_url

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.stored_evidence import EvidenceBook
from mlops_assets.ledger.keys import SigningKey, key_id_of, key_path, load_or_new_key, public_path
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signing.client import RemoteKey
from mlops_assets.policy.policy import Policy, effective, load_policies
from mlops_assets.policy.reading import PolicyError
from mlops_assets.policy.tiering import Tiering, load_tiering
from mlops_assets.project import DeclaredModel, Project, SafeLoader, line_of
from mlops_assets.stores.home import Home, be_quiet
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.registry import Registry
from mlops_assets.stores.results import VersionResults, WindowResults

HEAD_KEY = "ledger"
"""Name of the key that signs the head of the ledger."""

ARTIFACT_KEY = "artifacts"
"""Name of the key that signs artifacts when they are registered."""


OPENED = ("lake", "registry", "evidence_book", "ledger")
"""The stores, as attributes of a platform."""


@dataclass(frozen=True)
class Platform:
    """Stores and rules of one project."""

    project: Project

    @classmethod
    def load(cls, defs: Path) -> "Platform":
        """The platform of the project with this `defs` folder; a model whose own policy is refused is a broken one."""
        be_quiet()
        return cls(hold_to_policy(Project.load(defs)))

    @property
    def home(self) -> Home:
        """Where the stores are."""
        return self.project.home

    @cached_property
    def lake(self) -> Lake:
        """Delta tables."""
        return Lake(self.home.lake)

    @cached_property
    def registry(self) -> Registry:
        """MLflow."""
        return Registry(self.home, self.evidence_book)

    @cached_property
    def evidence_book(self) -> EvidenceBook:
        """Digests of what stages store outside the ledger."""
        return EvidenceBook(lambda: self.ledger)

    def window_results(self, model: str, window: str) -> WindowResults:
        """Results of the stages of one window."""
        return WindowResults(self.home.reports, model, window, self.evidence_book)

    def version_results(self, run_id: str) -> VersionResults:
        """Results of the training with this MLflow run."""
        return VersionResults(self.registry, run_id)

    @cached_property
    def ledger(self) -> Ledger:
        """The record of what was decided.

        Raises:
            SimulatedClockError: it was begun under another kind of clock than this process has.
        """
        self.home.create()
        root = key_id_of(self.home.root_key) if self.home.root_key else None
        head = self.machine_key(HEAD_KEY)
        ledger = Ledger(
            self.home.ledger_url, head, self.home.anchors, root=root, cache=self.home.root / "ledger_state.json"
        )
        ledger.refuse_other_clock()
        return ledger

    def machine_key(self, name: str) -> SigningKey:
        """One of the machine's keys: the signer's where one is configured (`MLOPS_SIGNER`), otherwise a file, made if missing."""
        if self.home.signer is not None:
            return RemoteKey(self.home.signer, name, public_path(key_path(name, self.home.keys)))
        return load_or_new_key(name, self.home.keys)

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """Policy by tier."""
        return load_policies(self.project.config / "policy")

    @cached_property
    def tiering(self) -> Tiering:
        """Questions and rules by which tiers are assessed.

        Raises:
            PolicyError: the project has none, or they have mistakes.
        """
        return load_tiering(self.project.config)

    def stores(self) -> tuple[Any, ...]:
        """What says that two platforms have the same stores: addresses, and which files the ledger and its keys are now.

        A ledger that was restored is another file at the same address, and a head key that was renewed another key.
        """
        head = key_path(HEAD_KEY, self.home.keys)
        named = [
            head if self.home.signer is None else public_path(head),
            *([Path(self.home.root_key)] if self.home.root_key else []),
        ]
        address = make_url(self.home.ledger_url)
        if address.get_backend_name() == "sqlite" and address.database:
            named.append(Path(address.database))
        return (self.home, *(_identity(path) for path in named))

    def on_the_stores_of(self, other: "Platform") -> "Platform":
        """This project on the stores that another platform has opened: what was read of them stays known."""
        opened = {name: other.__dict__[name] for name in OPENED if name in other.__dict__}
        self.__dict__.update(opened)
        return self

    def policy(self, model: str) -> Policy:
        """The policy in force for a declared model."""
        return self.policy_of(self.project.declaration(model))

    def policy_of(self, declaration: Declaration) -> Policy:
        """The tier's policy, tightened where the declaration says so."""
        return effective(self.policies[declaration.tier.value], declaration.policy)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # A database is written to all the time; a key is written once.
    return status.st_dev, status.st_ino


def hold_to_policy(project: Project) -> Project:
    """The project with every model broken that asks for less than its tier does, whose tier has no policy, or that names a
    requirement profile which does not exist."""
    try:
        policies = load_policies(project.config / "policy")
        profiles = sorted(path.stem for path in (project.config / "requirements").glob("*.yaml"))
    except PolicyError as error:
        return replace(project, models=tuple(_refused(m, str(error)) for m in project.models))
    return replace(project, models=tuple(_held(model, policies, profiles) for model in project.models))


def _held(model: DeclaredModel, policies: Mapping[str, Policy], profiles: Sequence[str]) -> DeclaredModel:
    if model.declaration is None:
        return model
    tier = model.declaration.tier.value
    if tier not in policies:
        return _refused(model, f"tier: {tier!r} has no policy; found are {', '.join(policies)}", "tier")
    try:
        effective(policies[tier], model.declaration.policy)
    except PolicyError as error:
        return _refused(model, f"policy: {error}", "policy")
    if unknown := [name for name in model.declaration.requirements if name not in profiles]:
        reason = f"requirements: found {', '.join(unknown)}, expected some of {', '.join(profiles)}"
        return _refused(model, reason, "requirements")
    return model


def _refused(model: DeclaredModel, reason: str, field: str = "") -> DeclaredModel:
    if model.declaration is None:
        return model
    node = yaml.compose(model.path.read_text(encoding="utf-8"), Loader=SafeLoader)
    line = line_of(node, ("attributes", field) if field else ())
    lines = (f"{model.path}:{line}: {text}" for text in reason.splitlines())
    return replace(model, declaration=None, error="\n".join(lines))
