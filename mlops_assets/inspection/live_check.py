"""Everything that is stored, held against what was recorded: ledger, signatures, promotions, registry, artifacts, lake."""

from collections.abc import Iterable, Iterator
from typing import Any

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.governance.adoption import audit_policies
from mlops_assets.governance.anchors import Anchor
from mlops_assets.governance.ignored_acts import ignored_acts
from mlops_assets.governance.verification import verify_all
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.platform import Platform
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.reconciliation import reconcile
from mlops_assets.response import incidents


def check_everything(platform: Platform, anchors: Iterable[Anchor] = ()) -> list[dict[str, Any]]:
    """What is wrong, the gravest place first; each with where and what. An empty list: all is whole.

    Args:
        platform: the project.
        anchors: heads of the ledger that were kept elsewhere.
    """
    found = [{"where": "ledger", "what": str(problem)} for problem in verify_all(platform.ledger, anchors=anchors)]
    if found:
        # Nothing that the ledger says can be held against anything while the ledger itself is not whole.
        return found
    found += [{"where": "promotion", "what": str(problem)} for problem in audit_promotions(platform.ledger)]
    ignored = [*ignored_acts(platform.ledger), *incidents.ignored_acts(platform.ledger)]
    found += [{"where": "people", "what": str(problem)} for problem in ignored]
    found += [{"where": "policy", "what": str(problem)} for problem in audit_policies(platform.ledger)]
    return [*found, *_registry(platform), *_artifacts(platform), *_lake(platform)]


def _registry(platform: Platform) -> Iterator[dict[str, Any]]:
    for model in sorted({r.model for r in platform.ledger.records(kind="version_registered")}):
        for difference in reconcile(platform.ledger, platform.registry, model):
            yield {"where": "registry", "what": difference.message}


def _artifacts(platform: Platform) -> Iterator[dict[str, Any]]:
    for record in platform.ledger.records(kind="version_registered"):
        name = f"{record.model} version {record.subject}"
        try:
            digest = verify_artifact(platform, record.model, int(record.subject))
        except Exception as error:  # whatever cannot be checked is not whole
            yield {"where": "artifact", "what": f"{name}: {error}"}
            continue
        if digest != record.body["artifact_digest"]:
            expected = record.body["artifact_digest"]
            yield {
                "where": "artifact",
                "what": f"{name} has digest {digest[:12]}, expected {expected[:12]} as registered",
            }


def _lake(platform: Platform) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, int, str]] = set()
    for record in platform.ledger.records(kind="snapshot_taken"):
        address = (record.body["table"], record.body["delta_version"], record.subject)
        if address in seen:
            continue
        seen.add(address)
        yield from _table(platform, f"snapshot {record.subject[:12]}", *address, by=record.body["ordered_by"])
    latest = {(r.model, r.subject): r for r in platform.ledger.records(kind="window_scored")}
    for (model, window), record in latest.items():
        table = f"{model}/predictions"
        try:
            rows = platform.lake.read(table, version=record.body["predictions_version"], window=window)
        except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
            yield {"where": "lake", "what": f"{table}, window {window}: cannot be read: {error}"}
            continue
        digest = rows_digest(rows.drop("window", "reasons", strict=False), by="prediction_id")
        if digest != record.body["predictions_digest"]:
            yield {"where": "lake", "what": f"{table}, window {window}: rows differ from record {record.seq}"}


def _table(
    platform: Platform, name: str, table: str, version: int, digest: str, by: str | None
) -> Iterator[dict[str, Any]]:
    try:
        found = rows_digest(platform.lake.read(table, version=version), by=by)
    except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
        yield {"where": "lake", "what": f"{table}, version {version} ({name}): cannot be read: {error}"}
        return
    if found != digest:
        yield {"where": "lake", "what": f"{table}, version {version}: its rows are not those of {name}"}
