"""The shipped questions of a tier assessment with answers for each tier, and a declaration to assess."""

from pathlib import Path
from typing import Any

import mlops_assets
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.tiers import TierAnswer
from mlops_assets.ledger.tiering import assessed_parts
from mlops_assets.policy.tiering import Tiering, load_tiering

TIERING: Tiering = load_tiering(Path(mlops_assets.__file__).parent / "config")


def answers(tier: str, why: str = "as the second line sees it") -> dict[str, TierAnswer]:
    """Answers from which the tier follows."""
    given = TIERING.example(tier)
    assert given is not None
    return {name: TierAnswer(answer=answer, why=why) for name, answer in given.items()}


def declared(name: str, **fields: Any) -> Declaration:
    """A declaration of tier low."""
    content: dict[str, Any] = {
        "name": name, "purpose": "Order of the reminder calls.", "owner": "team:receivables", "developers": ["Developer"],
        "tier": "low", "task": "binary", "source": {"path": "data/loans.parquet"}, "id": "id",
        "target": {"column": "late", "positive": 1, "favourable": "negative"}, "features": {"amount": "numeric"},
    }  # fmt: skip
    return Declaration.model_validate({**content, **fields})


def statement(declaration: dict[str, Any], tier: str, expires: Any, follows: int = 0, **fields: Any) -> dict[str, Any]:
    """What an assessor signs beside model, person, role and time."""
    return {
        "tier": tier,
        "answers": {name: one.model_dump() for name, one in answers(tier).items()},
        "rules": TIERING.model_dump(mode="json"),
        "rules_digest": TIERING.digest,
        "purpose": declaration.get("purpose") or "",
        "parts": assessed_parts(declaration),
        "expires": iso(expires),
        "follows": follows,
        **fields,
    }
