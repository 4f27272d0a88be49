"""Runbooks: what to do about an incident of each kind, as Markdown files that belong to the bank.

`mlops init` copies them into `config/runbooks/` of a project, where a bank edits them; a file that is not there is read from this
package. Not here: where a bank's own runbooks are instead (`notification/routes.py` and the declaration).
"""

from pathlib import Path

from mlops_assets.ledger.events.response import RetrainingRequested
from mlops_assets.ledger.events.windows import LadderTested

RUNBOOK_OF = {
    "data_quality": "data_quality",
    "covariate_shift": "covariate_shift",
    "label_shift": "label_shift",
    "concept_drift": "concept_drift",
    "performance_loss": "performance_loss",
    "fairness": "fairness",
    "vendor_version": "vendor_version",
    "window_overdue": "window_overdue",
    "data_missing": "data_missing",
    "stage_failed": "stage_failed",
    "page_stale": "page_stale",
    "discovery_failed": "discovery",
    "validation_expired": "validation",
    "validation_missing": "validation",
    "validation_rejected": "validation",
    "rejection_term_ended": "validation",
    "finding_overdue": "finding_overdue",
    "suspension_due": "suspension_due",
    "probation_failed": "probation_failed",
    "retraining_without_effect": "retraining",
    "exception_ended": "exception_ended",
    "policy_loosened": "policy_loosened",
    "registry_changed": "registry_changed",
    "unfounded_champion": "unfounded_champion",
    "notification_unreadable": "notification",
    "notifier_failing": "notification",
    "notices_undelivered": "notification",
}
"""Kind of incident to the name of its runbook."""
RETRAINING = "retraining"
"""Runbook of the retraining cadence and of retraining requests."""
OF_NOTICES = {
    RetrainingRequested.KIND: RETRAINING,
    LadderTested.KIND: RETRAINING,
    "signature_needed": "signature_needed",
    "ledger_tampered": "ledger_tampered",
}
"""Kind of a notice that is about no incident to the name of its runbook."""
FOLDER = "runbooks"
SHIPPED = Path(__file__).parent.parent / "config" / FOLDER


def runbook_of(kind: str) -> str:
    """Name of the runbook for a kind of incident or notice; empty where there is none."""
    return RUNBOOK_OF.get(kind) or OF_NOTICES.get(kind, "")


def runbook_files(config: Path | None = None) -> dict[str, Path]:
    """The file of each runbook by name: the project's own, or else the one that this package ships.

    Args:
        config: folder `config` of the project; None: what this package ships.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.md"))}
    own = {path.stem: path for path in sorted((config / FOLDER).glob("*.md"))} if config is not None else {}
    return shipped | own
