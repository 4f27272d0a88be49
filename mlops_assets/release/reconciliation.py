"""The registry against the ledger: what differs, and putting it right.

The ledger says which version decides; aliases and tags in the registry are its picture. Anybody with the registry's
own client can change the picture, so it is compared, and what was changed outside is named before it is put back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.release.champion import aliases, lock_name, verified_champion_state
from mlops_assets.release.registry import CHALLENGER, CHAMPION, FORMER, Registry, version_tags

Versions = Mapping[int, Mapping[str, str]]
Aliases = Mapping[str, int]
Kind = Literal[
    "alias_moved", "alias_missing", "alias_unexpected", "version_deleted", "version_unregistered", "tag_edited"
]


@dataclass(frozen=True)
class Discrepancy:
    """One difference between registry and ledger.

    Attributes:
        kind: of difference.
        model: name.
        name: alias, version or tag that differs.
        expected: what the ledger says, or None.
        found: what the registry says, or None.
        message: the difference in a sentence.
        repairable: whether `repair` can put it right; a deleted version cannot be brought back.
    """

    kind: Kind
    model: str
    name: str
    expected: str | None
    found: str | None
    message: str
    repairable: bool = True


def reconcile(ledger: Ledger, registry: Registry, model: str) -> list[Discrepancy]:
    """Every difference between the registry and the ledger for one model; [] when they agree.

    A promotion under way looks like a moved alias for a moment: hold the model's lock, or look twice, before an
    incident is made of it; `repair` holds it.
    """
    return _differences(ledger.state().model(model), registry.versions(model), registry.aliases(model))


def doubtful_models(state: LedgerState, everything: Mapping[str, tuple[Versions, Aliases]]) -> list[str]:
    """Models that look different in the registry, from one look at both; each must be looked at again by `repair`.

    Args:
        state: of the ledger.
        everything: tags of every version, and aliases, of each model in the registry.
    """
    return [
        model.name
        for model in state
        if _registrations(model) and _differences(model, *everything.get(model.name, ({}, {})))
    ]


def repair(ledger: Ledger, registry: Registry, model: str) -> list[Discrepancy]:
    """Finish what a crash interrupted and put back what was changed outside; returns what differed before.

    Safe to call at any time, and by several processes at once.

    Raises:
        LedgerTampered: the ledger that says what is right does not hold; nothing is moved.
    """
    with ledger.lock(lock_name(model)):
        found = reconcile(ledger, registry, model)
        if found:
            put_right(ledger, registry, model)
        return found


def put_right(ledger: Ledger, registry: Registry, model: str) -> None:
    """Make aliases and tags what the ledger says; the caller holds the model's lock."""
    versions = registry.versions(model)
    expected = {alias: v for alias, v in aliases(verified_champion_state(ledger, model)).items() if v in versions}
    present = registry.aliases(model)
    for alias in (CHAMPION, FORMER):
        if alias in expected and present.get(alias) != expected[alias]:
            registry.set_alias(model, alias, expected[alias])
        elif alias not in expected and alias in present:
            registry.delete_alias(model, alias)
    if CHALLENGER in present and present[CHALLENGER] == expected.get(CHAMPION):
        registry.delete_alias(model, CHALLENGER)
    for version, registered in _registrations(ledger.state().model(model)).items():
        for key, value in version_tags(registered).items():
            if version in versions and versions[version].get(key) != value:
                registry.set_tag(model, version, key, value)


def _registrations(model: ModelState) -> dict[int, VersionRegistered]:
    known = {name: version.registration for name, version in model.versions.items()}
    return {int(name): record.event for name, record in known.items() if record is not None and name.isdecimal()}


def _differences(model: ModelState, versions: Versions, present: Aliases) -> list[Discrepancy]:
    return [
        *_versions(model.name, _registrations(model), versions),
        *_aliases(model.name, aliases(model.champion), present),
    ]


def _versions(model: str, registrations: Mapping[int, VersionRegistered], present: Versions) -> list[Discrepancy]:
    found: list[Discrepancy] = []
    for version, registration in registrations.items():
        if version not in present:
            message = f"{model} version {version} is registered in the ledger and was deleted from the registry"
            found.append(
                Discrepancy("version_deleted", model, str(version), str(version), None, message, repairable=False)
            )
            continue
        for key, value in version_tags(registration).items():
            tagged = present[version].get(key)
            if tagged != value:
                message = f"{model} version {version}: tag {key} is {tagged!r}, the ledger says {value!r}"
                found.append(Discrepancy("tag_edited", model, f"{version}/{key}", value, tagged, message))
    for version in present:
        if version not in registrations:
            message = f"{model} version {version} is in the registry and was never registered in the ledger"
            found.append(
                Discrepancy("version_unregistered", model, str(version), None, str(version), message, repairable=False)
            )
    return found


def _aliases(model: str, expected: Aliases, present: Aliases) -> list[Discrepancy]:
    found: list[Discrepancy] = []
    for alias in (CHAMPION, FORMER):
        want, have = expected.get(alias), present.get(alias)
        if want == have:
            continue
        kind: Kind = "alias_missing" if have is None else "alias_unexpected" if want is None else "alias_moved"
        wanted = f"version {want}" if want is not None else "no version"
        message = (
            f"{model}: alias {alias} points at {f'version {have}' if have else 'nothing'}, the ledger says {wanted}"
        )
        found.append(Discrepancy(kind, model, alias, str(want) if want else None, str(have) if have else None, message))
    return found
