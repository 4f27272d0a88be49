"""Windows that a model must not learn from: the policy's action `quarantine_window`.

A window is quarantined by its last verdict, and set free again by whoever closes its incident as a false alarm or as
expected, or by a later verdict on repaired rows. Whoever closes an incident of any kind as a fault of the data quarantines the
windows that it stands for. Its rows stay in the lake; they are left out of trainings.
"""

from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.response.alarm_precision import judged_windows
from mlops_assets.response.incidents import alarms

ACTION = "quarantine_window"


def quarantined_windows(state: LedgerState, model: str) -> tuple[str, ...]:
    """Starts of the quarantined windows of a model, in order of time."""
    verdicts = state.model(model).window_verdicts
    judged = judged_windows(verdicts.values(), alarms(state, model))
    freed = {w.window for w in judged if w.disposition in ("false", "expected")}
    faulty = {w.window for w in judged if w.disposition == "data_fault"}
    return tuple(
        window
        for window, verdict in verdicts.items()
        if window in faulty or (ACTION in verdict.action and window not in freed)
    )
