"""A governed machine-learning lifecycle as a Dagster asset graph."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_assets.orchestration.build import build_definitions
    from mlops_assets.orchestration.component import GovernedModel

__all__ = ["GovernedModel", "build_definitions"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Resolved at first use: the command line and the pure rooms must not pay for importing Dagster.
    if name == "GovernedModel":
        from mlops_assets.orchestration.component import GovernedModel

        return GovernedModel
    if name == "build_definitions":
        from mlops_assets.orchestration.build import build_definitions

        return build_definitions
    raise AttributeError(f"module 'mlops_assets' has no attribute {name!r}")
