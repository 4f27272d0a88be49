"""A policy as a record holds it, whichever release wrote it.

Records outlive releases: fields are added, renamed and removed. The digest of a recorded policy is therefore that of what
was recorded, and what this release does not know of it is left out, so that an upgrade makes no old decision look wrong.
Not here: policies in files, where an unknown field is a mistake (`policy_reading`).
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.gates.registry import GATES
from mlops_assets.ledger.canonical import digest
from mlops_assets.policy.policy import Policy

ATTEMPTS = 20
"""Each removes every mistake found; what is inside of something that was refused is only seen at the next."""


class UnreadablePolicy(MlopsAssetsError, ValueError):
    """A record's policy cannot be read, or is not the one whose digest the record names."""


def recorded_policy(recorded: Mapping[str, Any] | None, policy_digest: str | None) -> Policy:
    """The policy that a record holds.

    A gate that did not exist then is not required; a field that did not exist then has its default. The policy's digest is
    the recorded one, so that decisions made under it are found.

    Args:
        recorded: the whole policy as the record holds it.
        policy_digest: that the record names.

    Raises:
        UnreadablePolicy: there is none, its digest is another, or even its tier or approvals cannot be read.
    """
    if recorded is None:
        raise UnreadablePolicy("it holds no policy")
    if digest(recorded) != policy_digest:
        raise UnreadablePolicy("the policy in it is not the one whose digest it names")
    content: dict[str, Any] = deepcopy(dict(recorded))
    unknown_then = {name: {"required": False} for name in GATES}
    content["gates"] = {**unknown_then, **content.get("gates", {})}
    for _ in range(ATTEMPTS):
        try:
            policy = Policy.model_validate(content)
        except ValidationError as error:
            refused = [e["loc"] for e in error.errors()]
            if not _leave_out(content, refused):
                raise UnreadablePolicy(f"it holds no readable policy: {error.errors()[0]['msg']}") from error
        else:
            # The field is computed once and then kept here: the recorded one takes its place.
            vars(policy)["digest"] = policy_digest
            return policy
    raise UnreadablePolicy(f"it holds no readable policy: more than {ATTEMPTS} mistakes inside of each other")


def _leave_out(content: dict[str, Any], places: Sequence[tuple[int | str, ...]]) -> bool:
    """Remove what is at each of the places; whether anything was."""
    removed = False
    # From the back, so that removing one entry of a list does not move the others that are to go.
    for *way, last in sorted((p for p in set(places) if p), key=lambda p: [str(k).zfill(6) for k in p], reverse=True):
        parent: Any = content
        try:
            for key in way:
                parent = parent[key]
            del parent[last]
        except (KeyError, IndexError, TypeError):
            continue  # a field that is missing, or an option of a type: nothing that could be left out
        removed = True
    return removed
