"""What the ledger holds about one version, as the digests that a signature about it is over.

Everything here is looked up in the ledger's state, never taken from a caller: a signature over these digests counts for no
other version, for no other training of the same version, and no longer once a gate has decided anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import LedgerTampered
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import Decision


class NotRegistered(MlopsAssetsError, LookupError):
    """The ledger knows no such version."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class ApprovalSubject:
    """One version under one policy.

    Attributes:
        model: name.
        version: as in the registry.
        registration: its `version_registered` record.
        policy_digest: of the policy whose decisions are meant.
        decisions: the latest decision of each gate under that policy.
        subjects: name to SHA-256: what a signature is over.
        authors: who built it, in lower case: none of them may judge it.
    """

    model: str
    version: str
    registration: Record[VersionRegistered]
    policy_digest: str
    decisions: Mapping[str, Decision]
    subjects: Mapping[str, str]
    authors: frozenset[str]


def approval_subject(model: ModelState, version: str | int, policy_digest: str | None = None) -> ApprovalSubject:
    """Look up everything that a judgement about `version` rests on.

    Args:
        model: its state.
        version: as in the registry.
        policy_digest: default: that of the version's latest gate decision.

    Raises:
        NotRegistered: there is no such version, or no gate has decided on it.
        LedgerTampered: the version was registered twice with different artifacts.
    """
    registration, known = registered(model, version), model.version(version)
    policy_digest = policy_digest or known.latest_policy
    if not policy_digest:
        raise NotRegistered(f"{model.name} version {version}: no gate has decided yet, so there is nothing to judge")
    event, decisions = registration.event, known.decided(policy_digest)
    digests = {
        "artifact": event.artifact_digest,
        "data": event.data_digest,
        "declaration": event.declaration_digest,
        "features": event.features_digest,
        "card": known.card.event.digest if known.card is not None else None,
    }
    subjects = {
        "registration": registration.digest,
        "policy": policy_digest,
        **{name: value for name, value in digests.items() if value},
        **{f"gate:{gate}": decision.digest for gate, decision in decisions.items()},
    }
    return ApprovalSubject(
        model.name, str(version), registration, policy_digest, decisions, subjects, event.authors
    )  # fmt: skip


def registered(model: ModelState, version: str | int) -> Record[VersionRegistered]:
    """The registration of a version.

    Raises:
        NotRegistered: there is none.
        LedgerTampered: there are several, with different artifacts: a version number names one artifact for ever.
    """
    known = model.version(version)
    if known.registration is None:
        raise NotRegistered(f"{model.name} version {version}: the ledger has no registration of it")
    if known.conflicting:
        raise LedgerTampered(
            f"{model.name} version {version} was registered with different artifacts "
            f"(records {', '.join(map(str, known.conflicting))}); register a new version instead"
        )
    return known.registration
