"""Windows that a model must not learn from: the policy's action `quarantine_window`.

A window is quarantined by its last verdict, and set free again by whoever closes its incident as a false alarm or as
expected, or by a later verdict on repaired rows. Its rows stay in the lake; they are left out of trainings.
"""

from collections.abc import Sequence

from mlops_assets.ledger.ledger import Record
from mlops_assets.response.alarm_precision import judged_windows
from mlops_assets.response.incidents import Incident

ACTION = "quarantine_window"


def quarantined_windows(verdicts: Sequence[Record], incidents: Sequence[Incident]) -> tuple[str, ...]:
    """Starts of the quarantined windows of one model, in order of time.

    Args:
        verdicts: its `health_verdict` records, in order of recording.
        incidents: of the same model.
    """
    last = {record.subject: record for record in verdicts}
    freed = {w.window for w in judged_windows(verdicts, incidents) if w.disposition in ("false", "expected")}
    return tuple(w for w in sorted(last) if ACTION in last[w].body.get("action", ()) and w not in freed)
