"""Which risk tier follows from the answers of an assessment, and what an assessment is about, from recorded content alone.

Whoever reads an assessment computes both again: the fold, promotion, the audit. Not here: the bank's questions and rules as
a file (`policy.tiering`), and whether an assessment counts for a version (`governance.tiers`).
"""

from collections.abc import Mapping
from typing import Any

from mlops_assets.ledger.canonical import digest

TIERS = ("low", "medium", "high")
"""Risk tiers, from the one that requires least to the one that requires most."""
HIGHEST = TIERS[-1]


def rank(tier: str) -> int:
    """Place of a tier among `TIERS`; a tier that does not exist is below all of them."""
    return TIERS.index(tier) if tier in TIERS else -1


def tier_of(rules: Mapping[str, Any], answers: Mapping[str, str]) -> str:
    """The highest tier of the rules that apply to the answers; `otherwise` where none applies.

    Args:
        rules: `questions` by name with their possible `answers`; `rules`, each with a `tier` and, under `when`, the answers
            of each question for which it applies; `otherwise`, a tier.
        answers: one for each question.

    Raises:
        ValueError: a question has no answer or one that it does not offer, an answer belongs to no question, or the rules
            cannot be read.
    """
    try:
        questions = {name: tuple(question["answers"]) for name, question in rules["questions"].items()}
        for name in answers:
            if name not in questions:
                raise ValueError(f"found an answer to {name!r}, expected one of the questions {', '.join(questions)}")
        for name, offered in questions.items():
            if answers.get(name) not in offered:
                found = repr(answers[name]) if answers.get(name) else "no answer"
                raise ValueError(f"{name}: found {found}, expected one of {', '.join(offered)}")
        applying = [
            rule["tier"]
            for rule in rules["rules"]
            if all(answers[name] in accepted for name, accepted in rule["when"].items())
        ]
        return max([rules["otherwise"], *applying], key=rank)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the rules of the tiers cannot be read: {error!r}") from None


def assessed_parts(declaration: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each part of a declaration that an assessment is about: purpose, population and use.

    Empty fields count like absent ones, so that a release which adds an optional field changes no digest.

    Args:
        declaration: as a version's registration records it.
    """
    source = declaration.get("source") or {}
    card = declaration.get("card") or {}
    origin = ("path", "sql", "connection", "reader", "settings", "asset")
    parts = {
        "purpose": {"purpose": declaration.get("purpose")},
        "population": {"id": declaration.get("id"), **{name: source.get(name) for name in origin}},
        "use": {
            **{name: declaration.get(name) for name in ("intended_use", "task", "target")},
            "out_of_scope": card.get("out_of_scope"),
        },
    }
    return {name: digest(_without_empty(part)) for name, part in parts.items()}


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        cleaned = {name: _without_empty(inner) for name, inner in value.items()}
        return {name: inner for name, inner in cleaned.items() if inner not in (None, "", [], {}, ())}
    return [_without_empty(inner) for inner in value] if isinstance(value, list | tuple) else value
