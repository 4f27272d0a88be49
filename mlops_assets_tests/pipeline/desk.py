"""What a stage's function takes from a context, where it needs no lake and no registry."""

from dataclasses import dataclass
from typing import Any

from mlops_assets.declaration.declaration import Declaration


@dataclass
class Desk:
    """A context with a ledger, a declaration and a retraining request."""

    platform: Any
    declaration: Declaration
    request: str | None
    model: str
