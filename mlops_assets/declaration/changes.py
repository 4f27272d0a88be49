"""What differs between the declaration that a version was made under and the one of today, as far as a training depends on it."""

from typing import Any

from mlops_assets.declaration.declaration import Declaration

TRAINED = ("task", "id", "event_time", "target", "features", "candidates", "decision_threshold", "training")
"""Parts of a declaration that another model comes of; the others are about its use, its rows and its card."""
TEXTS = {"description", "adverse_phrase"}


def retraining_note(made: Declaration, now: Declaration) -> str | None:
    """What a reviewer must know where a training would make another model now; None where it would not.

    Args:
        made: that the version was made under.
        now: as the model declares it today.
    """
    changed = [part for part in TRAINED if _of(made, part) != _of(now, part)]
    if made.origin is not now.origin:
        changed.append("origin")
    elif made.imported and now.imported and made.imported.sha256 != now.imported.sha256:
        changed.append("imported file")
    if not changed:
        return None
    said = [part.replace("_", " ") for part in changed if part != "features"]
    said += [f"input {name} was added" for name in now.features if name not in made.features]
    said += [f"input {name} was removed" for name in made.features if name not in now.features]
    both = set(made.features) & set(now.features)
    said += [f"input {n}" for n in sorted(both) if _feature(made, n) != _feature(now, n)]
    due = "a retraining" if now.trained_here else "a new version"
    return f"The declaration changed ({', '.join(said)}) after this version was made, so {due} is due."


def _of(declaration: Declaration, part: str) -> Any:
    if part == "features":
        return {name: _feature(declaration, name) for name in declaration.features}
    return getattr(declaration, part)


def _feature(declaration: Declaration, name: str) -> dict[str, Any]:
    return declaration.features[name].model_dump(exclude=TEXTS)
