"""Looking after the registry and the calendar, and telling people: what the `incidents` sensor does at each tick."""

from mlops_assets.platform import Platform
from mlops_assets.release.oversight import due
from mlops_assets.release.reconciliation import repair
from mlops_assets.response.incidents import OPENED, open_incident
from mlops_assets.response.notification import FileNotifier, LogNotifier, tell

TOLD = (OPENED, "retraining_request", "promotion", "rollback", "suspension", "retirement")


def watch(platform: Platform, since: int) -> tuple[int, str]:
    """Compare the registry with the ledger, put right what differs, and send notices of records after `since`.

    Returns:
        Number of the last record told, and what was done, in a sentence.
    """
    ledger = platform.ledger
    differences = []
    for model in sorted({r.model for r in ledger.records(kind="version_registered")}):
        for difference in repair(ledger, platform.registry, model):
            differences.append(difference)
            open_incident(
                ledger,
                model,
                kind="registry_changed",
                severity="act",
                summary=difference.message,
                cause=f"registry:{difference.kind}:{difference.name}",
                rule="reconciliation",
            )
    for model in platform.project.declarations:
        for opening in due(ledger, platform.policy(model), model):
            if "incident" in opening.actions:
                open_incident(
                    ledger,
                    model,
                    kind=opening.kind,
                    severity=opening.severity,
                    summary=opening.summary,
                    cause=opening.cause,
                    window=opening.occasion,
                    happened_at=opening.happened_at,
                    rule=opening.kind,
                )
    fresh = [r for r in ledger.records(kind=TOLD) if r.seq > since]
    problems = tell([LogNotifier(), FileNotifier(platform.home.root / "notices.jsonl")], fresh)
    last = fresh[-1].seq if fresh else since
    said = f"{len(fresh)} notices sent" if fresh else "nothing new to tell"
    if differences:
        said += f"; the registry differed from the ledger in {len(differences)} places and was put right"
    return last, "; ".join([said, *problems])
