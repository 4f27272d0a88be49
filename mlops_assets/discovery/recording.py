"""What a search found, kept in the ledger: what is new, changed or gone, and another version of a supplier's model.

What was seen before and is the same is not recorded again. Not here: how it is searched (`search.py`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.external import VERSION_CHANGE
from mlops_assets.discovery.governed import Declared
from mlops_assets.discovery.inventory_file import InventoryUnreadable
from mlops_assets.discovery.registries import RegistryUnreadable
from mlops_assets.discovery.search import REASONS_KEPT, Discovery, Found, SourceNotFound, discover, writable
from mlops_assets.discovery.settings import read_settings
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.events.discovery import ModelDiscovered, ModelGone, SourceSearched
from mlops_assets.ledger.ledger import Entry, Ledger
from mlops_assets.ledger.state.discovery import Discovered
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import open_incident

FAILED = "discovery_failed"
"""Kind of the incident of a source that could not be searched."""
PACKAGE = Path(__file__).resolve().parents[1]
FACT_LENGTH = 200


@dataclass(frozen=True)
class Kept:
    """What a search has changed in the ledger.

    Attributes:
        search: what was found.
        new: ids of what was not there before.
        changed: ids of what is another than before, or governed otherwise.
        gone: ids of what is no longer there.
        incidents: about versions of suppliers, a sentence each.
    """

    search: Discovery
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    incidents: tuple[str, ...] = ()


def declared_of(platform: Platform) -> Declared:
    """What the declarations of a project say about models that exist."""
    return Declared(platform.project.root, platform.home.tracking_uri, platform.project.models)


def left_out(root: Path, home: Path) -> list[Path]:
    """Folders of a project that hold no models of the bank: its stores, and this software itself where it is below it."""
    software = [p for p in PACKAGE.iterdir() if p.is_dir() and p.name != "defs"] if PACKAGE.is_relative_to(root) else []
    return [home, *software]


def search_and_record(
    platform: Platform,
    source: str,
    *,
    columns: Mapping[str, str] | None = None,
    leave_out: Collection[Path] = (),
) -> Kept:
    """Search a source and record what has changed since the last search.

    Args:
        platform: of the project.
        source: as for `search.discover`.
        columns: of a CSV inventory.
        leave_out: folders not to look into, beside the project's own stores.

    Raises:
        SourceNotFound, RegistryUnreadable, InventoryUnreadable: the source cannot be searched; nothing is recorded.
    """
    root = platform.project.root
    skipped = [*left_out(root, platform.home.root), *leave_out]
    search = discover(source, root=root, leave_out=skipped, columns=columns)
    return record_search(platform.ledger, declared_of(platform), search)


def search_declared(platform: Platform) -> tuple[list[Kept], list[str]]:
    """Search every source in `config/discovery.yaml`; one that cannot be searched opens an incident and stops no other.

    Returns:
        What each search has changed, and why a source could not be searched.

    Raises:
        PolicyError: the file has a mistake.
    """
    settings, kept, failed = read_settings(platform.project.config), list[Kept](), list[str]()
    for source in settings.sources:
        text, columns, leave_out = settings.asked(source, platform.project.root)
        try:
            kept.append(search_and_record(platform, text, columns=columns, leave_out=leave_out))
        except (SourceNotFound, RegistryUnreadable, InventoryUnreadable) as error:
            report_failure(platform.ledger, source.text, error)
            failed.append(str(error))
    return kept, failed


def record_search(ledger: Ledger, declared: Declared, search: Discovery) -> Kept:
    """Record what a search found, as far as it is new, changed or gone, and open incidents about suppliers' versions."""
    known = ledger.state().fleet.discovered
    new, changed, entries = [], [], list[Entry]()
    for found in search.found:
        before = known.get(found.id)
        event = _event(search, found, declared, before)
        if before is not None and before.gone_at is None and _same(before, event):
            continue
        (new if before is None or before.gone_at is not None else changed).append(found.id)
        key = f"discovered/{found.id}/{before.seq if before else 0}"
        entries.append(Entry(event, subject=found.id, key=key))
    seen = {found.id for found in search.found}
    gone = [d for d in known.values() if d.gone_at is None and d.id not in seen and search.covers(d.form, d.place)]
    entries += [
        Entry(ModelGone(source=search.source, place=d.place), subject=d.id, key=f"gone/{d.id}/{d.seq}") for d in gone
    ]
    reasons = tuple(f"{place}: {why}" for place, why in search.unreadable.items())
    looked = SourceSearched(found=len(search.found), unread=len(reasons), reasons=reasons[:REASONS_KEPT])
    ledger.append_all([*entries, Entry(looked, subject=search.source)])
    said = [*_supplier_versions(ledger, search, declared), *_withdrawn(ledger, gone, declared)]
    return Kept(search, tuple(new), tuple(changed), tuple(d.id for d in gone), tuple(said))


def report_failure(ledger: Ledger, source: str, error: MlopsAssetsError) -> None:
    """Open an incident about a source that could not be searched."""
    open_incident(
        ledger,
        "",
        kind=FAILED,
        severity="watch",
        summary=f"models could not be looked for: {error}",
        cause=f"{FAILED}:{source}",
        window=ledger.clock().date().isoformat(),
        rule=FAILED,
    )


def _event(search: Discovery, found: Found, declared: Declared, before: Discovered | None) -> ModelDiscovered:
    governed = declared.governing(found, before)
    facts = {writable(name): writable(value)[:FACT_LENGTH] for name, value in found.signs.facts.items()}
    return ModelDiscovered(
        source=search.source, place=found.place, name=found.name, form=found.form, why=writable(found.signs.why),
        confidence=found.signs.confidence, digest=found.digest, basis=found.basis, facts=facts,
        governed_by=governed.by, how=governed.how,
    )  # fmt: skip


def _same(before: Discovered, event: ModelDiscovered) -> bool:
    """Whether nothing is new: the suggested name and the wording of the reason may differ."""
    return (before.form, before.digest, before.basis, dict(before.facts), before.governed_by, before.how) == (
        event.form, event.digest, event.basis, event.facts, event.governed_by, event.how,
    )  # fmt: skip


def _supplier_versions(ledger: Ledger, search: Discovery, declared: Declared) -> Iterator[str]:
    """Open incidents where a registry has another version than the one that a declaration is about."""
    declarations = {m.name: m.declaration for m in declared.models if m.declaration is not None}
    for found in search.found:
        declaration = declarations.get(declared.governing(found).by)
        if found.registered is None or declaration is None:
            continue
        if declaration.external is not None and declaration.external.registry is not None:
            yield from _external_version(ledger, found, declaration)
        elif declaration.imported is not None and declaration.imported.in_mlflow:
            yield from _imported_version(ledger, found, declaration)


def _external_version(ledger: Ledger, found: Found, declaration: Declaration) -> Iterator[str]:
    external = declaration.external
    assert external is not None
    assert external.registry is not None
    assert found.registered is not None
    registry = external.registry
    approved, there = registry.version or external.version, found.registered.deciding(registry.alias)
    if there == approved:
        return
    which = f"the alias {registry.alias!r} is on" if registry.alias else "the newest is"
    now = f"{which} version {there}" if there else f"there is no alias {registry.alias!r}"
    if not registry.alias and not there:
        now = "there is no version"
    summary = (
        f"{external.supplier}: in {registry.tracking_uri}, {now} of {registry.name!r}; declared is version {approved}. Ask the "
        "supplier for the notice of change, declare the new version, and have it evaluated and approved."
    )
    _opened(ledger, declaration.name, "act" if there else "watch", summary, there or "none")
    yield summary


def _imported_version(ledger: Ledger, found: Found, declaration: Declaration) -> Iterator[str]:
    imported, registered = declaration.imported, found.registered
    assert imported is not None
    assert registered is not None
    _, _, named = imported.artifact.removeprefix("models:/").partition("/")
    newest = registered.deciding()
    if not named.isdecimal() or not newest.isdecimal() or int(newest) <= int(named):
        return
    summary = (
        f"{imported.supplier} has registered version {newest} of {registered.name!r}; imported is version {named}, which goes on "
        "scoring. Declare the new version to have it evaluated."
    )
    _opened(ledger, declaration.name, "watch", summary, newest)
    yield summary


def _withdrawn(ledger: Ledger, gone: list[Discovered], declared: Declared) -> Iterator[str]:
    """Open incidents about suppliers' models that are no longer registered."""
    for one in gone:
        if one.form == "registered model" and one.governed_by in declared.names:
            summary = f"{one.place} is no longer registered. Ask the supplier whether the model still scores."
            _opened(ledger, one.governed_by, "watch", summary, "withdrawn")
            yield summary


def _opened(ledger: Ledger, model: str, severity: str, summary: str, version: str) -> None:
    open_incident(
        ledger,
        model,
        kind=VERSION_CHANGE,
        severity=severity,
        summary=summary,
        cause=f"{VERSION_CHANGE}:registry:{version}",
        rule=VERSION_CHANGE,
    )
