"""Which declared model governs something that was found, and how that is known.

Nothing is guessed from contents: a declaration names the file, its digest, the registered model, the code or the name, or a
person said so with a signature.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.discovery.registries import is_registry, shown_address
from mlops_assets.discovery.search import LLM, Found, slug
from mlops_assets.ledger.state.discovery import Discovered
from mlops_assets.project import DeclaredModel
from mlops_assets.registration import target_of


@dataclass(frozen=True)
class Governed:
    """The declared model that governs something, and how that is known; empty where none does."""

    by: str = ""
    how: str = ""


@dataclass(frozen=True)
class Declared:
    """What the declarations of a project say about models that exist.

    Attributes:
        root: of the project.
        own_registry: address of the project's own registry.
        models: declared, with the files they were read from.
    """

    root: Path
    own_registry: str
    models: Sequence[DeclaredModel]

    @property
    def names(self) -> frozenset[str]:
        """Names of the models whose declaration can be read."""
        return frozenset(model.name for model in self.models if model.declaration is not None)

    def governing(self, found: Found, before: Discovered | None = None) -> Governed:
        """The model that governs what was found.

        Args:
            found: by a search.
            before: what is recorded about it; a person may have assigned it.
        """
        for model in self.models:
            declaration = model.declaration
            how = self._how(found, model, declaration) if declaration is not None else ""
            if how:
                return Governed(model.name, how)
        assigned = before.assigned if before else None
        if assigned is not None and assigned.model in self.names:
            return Governed(assigned.model, f"assigned by {assigned.person}: {assigned.reason}")
        return Governed()

    def _how(self, found: Found, model: DeclaredModel, declaration: Declaration) -> str:
        if found.registered is not None:
            return self._registered(found, declaration)
        if found.form == "inventory entry":
            same = slug(found.signs.facts["name"]) == model.name
            return "the inventory lists it under the model's name" if same else ""
        path = self.root / found.place.removesuffix(LLM)
        if model.path.parent != path and path.is_relative_to(model.path.parent):
            return "it is in the folder of the model's declaration"
        imported = declaration.imported
        if imported is not None and not imported.in_mlflow:
            if _same_file(self.root / imported.artifact, path):
                return "the declaration imports this file"
            if imported.sha256 and imported.sha256 == found.digest:
                return "the declaration imports a file of this digest"
        if any(_same_file(file, path) for file in self._modules(declaration)):
            return "the declaration names its code"
        return ""

    def _registered(self, found: Found, declaration: Declaration) -> str:
        assert found.registered is not None
        address, _, name = found.place.partition("#")
        if name == declaration.name and _same_registry(address, self.own_registry):
            return "it is in the project's own registry"
        external, imported = declaration.external, declaration.imported
        watched = external.registry if external else None
        if watched and watched.name == name and _same_registry(address, watched.tracking_uri):
            return "the declaration names it as its supplier's registered model"
        if imported and imported.artifact.startswith(f"models:/{name}/"):
            server = imported.tracking_uri or self.own_registry
            if _same_registry(address, server):
                return "the declaration imports a version of it"
        return ""

    def _modules(self, declaration: Declaration) -> list[Path]:
        """Files of the project's own code that the declaration names as `module:function`."""
        named = [target_of("candidates", one.algorithm) or one.algorithm for one in declaration.candidates]
        modules = {text.partition(":")[0] for text in named if ":" in text}
        return [self.root.joinpath(*module.split(".")).with_suffix(".py") for module in sorted(modules)]


def _same_registry(one: str, other: str) -> bool:
    return bool(other) and is_registry(other) and shown_address(one) == shown_address(other)


def _same_file(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)
