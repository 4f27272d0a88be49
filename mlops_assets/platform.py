"""A project with its stores opened: what every stage, sensor and command works on.

Opening is lazy: a command that only reads the ledger never imports MLflow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlops_assets.declaration import Declaration
from mlops_assets.governance.keys import load_or_new_key
from mlops_assets.governance.ledger import Ledger
from mlops_assets.governance.policy import Policy, effective, load_policies
from mlops_assets.project import Project
from mlops_assets.stores.home import Home, be_quiet
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.registry import Registry

HEAD_KEY = "ledger"
"""Name of the key that signs the head of the ledger."""


@dataclass(frozen=True)
class Platform:
    """Stores and rules of one project."""

    project: Project

    @classmethod
    def load(cls, defs: Path) -> "Platform":
        """The platform of the project with this `defs` folder."""
        be_quiet()
        return cls(Project.load(defs))

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
        return Registry(self.home)

    @cached_property
    def ledger(self) -> Ledger:
        """The record of what was decided."""
        self.home.create()
        return Ledger(self.home.ledger_url, load_or_new_key(HEAD_KEY, self.home.keys), self.home.anchors)

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """Policy by tier."""
        return load_policies(self.project.defs / "policy")

    def policy(self, model: str) -> Policy:
        """The policy in force for a declared model."""
        return self.policy_of(self.project.declaration(model))

    def policy_of(self, declaration: Declaration) -> Policy:
        """The tier's policy, tightened where the declaration says so."""
        return effective(self.policies[declaration.tier.value], declaration.policy)
