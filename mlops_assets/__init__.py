"""A governed machine-learning lifecycle as a Dagster asset graph."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_assets.api import drift, load, status, trace
    from mlops_assets.orchestration.build import build_definitions, code_locations, load_definitions
    from mlops_assets.orchestration.component import GovernedModel

__all__ = [
    "GovernedModel",
    "build_definitions",
    "code_locations",
    "drift",
    "load",
    "load_definitions",
    "status",
    "trace",
]

_HOME = {
    "GovernedModel": "mlops_assets.orchestration.component",
    **dict.fromkeys(("build_definitions", "code_locations", "load_definitions"), "mlops_assets.orchestration.build"),
    **dict.fromkeys(("drift", "load", "status", "trace"), "mlops_assets.api"),
}
"""Where each name is defined. It is imported at first use: the command line must not pay for importing Dagster."""


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mlops_assets' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
