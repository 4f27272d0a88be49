"""Windows that a model must not learn from: the policy's action `quarantine_window`.

A window is quarantined by its last verdict, and set free again by whoever closes its incident as a false alarm or as
expected, or by a later verdict on repaired rows. Its rows stay in the lake; they are left out of trainings.
"""

from mlops_assets.ledger.state.model import ModelState
from mlops_assets.response.alarm_precision import judged_windows

ACTION = "quarantine_window"


def quarantined_windows(model: ModelState) -> tuple[str, ...]:
    """Starts of the quarantined windows of a model, in order of time."""
    verdicts, raised = model.window_verdicts, tuple(model.incidents.values())
    freed = {w.window for w in judged_windows(verdicts.values(), raised) if w.disposition in ("false", "expected")}
    return tuple(window for window, verdict in verdicts.items() if ACTION in verdict.action and window not in freed)
