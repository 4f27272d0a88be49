"""Everything that is stored, held against what was recorded: ledger, signatures, promotions, registry, artifacts, lake."""

from collections.abc import Iterable, Iterator
from typing import Any

from mlops_assets.governance.adoption import audit_policies
from mlops_assets.governance.verification import verify_all
from mlops_assets.inspection.kept_files import changed_files
from mlops_assets.inspection.lake_check import lake_problems
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.platform import Platform
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.reconciliation import reconcile
from mlops_assets.stores.home import exposed


def check_everything(platform: Platform, anchors: Iterable[Anchor] = ()) -> list[dict[str, Any]]:
    """What is wrong, the gravest place first; each with where and what. An empty list: all is whole.

    Args:
        platform: the project.
        anchors: heads of the ledger that were kept elsewhere.
    """
    found = [{"where": "ledger", "what": str(problem)} for problem in verify_all(platform.ledger, anchors=anchors)]
    if not found and platform.ledger.head() is None:
        # An empty place is whole, and says nothing about the one that was meant.
        address = platform.ledger.database.url.render_as_string(hide_password=True)
        what = (
            f"nothing was ever recorded in {address}; expected a project that was set up: do MLOPS_HOME and "
            "MLOPS_LEDGER_URL name the one that you mean?"
        )
        found = [{"where": "ledger", "what": what}]
    if found:
        # Nothing that the ledger says can be held against anything while the ledger itself is not whole.
        return found
    found += [{"where": "promotion", "what": str(problem)} for problem in audit_promotions(platform.ledger)]
    state = platform.ledger.state(fresh=True)
    found += [{"where": "policy", "what": str(problem)} for problem in audit_policies(platform.ledger, state)]
    kept = ({"where": where, "what": what} for where, what in changed_files(platform))
    parts = {
        "registry": _registry(platform),
        "artifact": _artifacts(platform),
        "evidence": kept,
        "lake": lake_problems(platform),
        "home": ({"where": "home", "what": what} for what in exposed(platform.home)),
    }
    return [*found, *(row for where, rows in parts.items() for row in _to_the_end(where, rows))]


def _to_the_end(where: str, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What is wrong in one store; a store that cannot be looked through is named, and hides no other."""
    try:
        yield from rows
    except Exception as error:  # whatever somebody has done to it
        what = (
            f"cannot be checked to its end ({type(error).__name__}: {error}); is it there, and is it what was written?"
        )
        yield {"where": where, "what": what}


def _registry(platform: Platform) -> Iterator[dict[str, Any]]:
    for model in sorted({r.model for r in platform.ledger.of(VersionRegistered)}):
        for difference in reconcile(platform.ledger, platform.registry, model):
            yield {"where": "registry", "what": difference.message}


def _artifacts(platform: Platform) -> Iterator[dict[str, Any]]:
    for record in platform.ledger.of(VersionRegistered):
        name = f"{record.model} version {record.subject}"
        try:
            digest = verify_artifact(platform, record.model, int(record.subject))
        except Exception as error:  # whatever cannot be checked is not whole
            yield {"where": "artifact", "what": f"{name}: {error}"}
            continue
        expected = record.event.artifact_digest
        if digest != expected:
            yield {
                "where": "artifact",
                "what": f"{name} has digest {digest[:12]}, expected {expected[:12]} as registered",
            }
