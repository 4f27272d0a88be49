"""What promotion needs of a model registry, and nothing more; `stores.registry` is MLflow's."""

from collections.abc import Mapping
from typing import Protocol

from mlops_assets.ledger.events.versions import VersionRegistered

CHAMPION = "champion"
FORMER = "former_champion"
CHALLENGER = "challenger"

TAGGED_DIGESTS = ("artifact_digest", "data_digest", "declaration_digest", "training_key")
"""Fields of a `version_registered` record that the registry shows as tags `mlops.<field>`, and that are reconciled."""


class Registry(Protocol):
    """Versions with tags, and aliases that point at them."""

    def versions(self, model: str) -> Mapping[int, Mapping[str, str]]:
        """Tags of every version that exists, by number."""
        ...

    def aliases(self, model: str) -> Mapping[str, int]:
        """Version by alias."""
        ...

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        ...

    def delete_alias(self, model: str, alias: str) -> None:
        """Remove an alias; one that is not there is no error."""
        ...

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Write one tag of a version."""
        ...


def version_tags(registered: VersionRegistered) -> dict[str, str]:
    """The tags that a registered version must carry."""
    return {f"mlops.{name}": str(getattr(registered, name)) for name in TAGGED_DIGESTS}
