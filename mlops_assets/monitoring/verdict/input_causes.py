"""Causes that inputs and scores show: data-quality faults, shifted inputs, and scores that moved alone.

Belongs here: what drift (`inputs/drift.py`) is evidence of. Causes that outcomes show are in `outcome_causes.py`, the
ranking is in `triage.py`.
"""

import math
from collections.abc import Sequence

from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.severity import Severity, at_least, worst
from mlops_assets.monitoring.verdict.causes import Cause
from mlops_assets.monitoring.verdict.sentences import (
    columns_broken,
    delivery_broken,
    implied_base_rate,
    inputs_moved,
    moved_together,
    scores_moved,
)
from mlops_assets.monitoring.wording import column_name

CERTAIN = 0.5
"""Strength from which a fault counts as one whatever else has changed; a weaker one is ranked by its columns' importance."""
UNMISTAKABLE = 0.9
"""Strength from which a fault counts as one even where many other columns have moved."""
MUCH_MOVED = 0.3
"""Share of the other columns that must have moved for a weaker fault to be taken for a part of that."""


def batch_causes(batch: Sequence[Fault]) -> list[Cause]:
    """The delivery as a whole is broken: rows sent twice, identifiers that repeat."""
    if not batch:
        return []
    return [Cause("data_quality", "act", (delivery_broken([f.text for f in batch]),), (), 1.0, certain=True)]


def data_quality_causes(drift: DriftVerdict) -> list[Cause]:
    """Broken columns as one cause; critical where they carry half of all importance."""
    broken = [c for c in drift.columns if c.fault]
    if not broken:
        return []
    carried = importance_share(broken, len(drift.columns))
    severity: Severity = "critical" if carried >= 0.5 else "act"
    # Two columns that changed places give the same reason.
    reasons = list(dict.fromkeys(c.reason for c in broken))
    strength = 1 - math.prod(1 - c.fault_strength for c in broken)
    names = tuple(c.name for c in broken)
    others = [c for c in drift.columns if not c.fault]
    moved = sum(at_least(c.severity, "watch") for c in others)
    # Where much else has moved, a value that took a whole column may be a part of that change, not a fault.
    explained = moved >= MUCH_MOVED * max(len(others), 1) and max(c.fault_strength for c in broken) < UNMISTAKABLE
    certain = strength >= CERTAIN and not explained
    known = any(c.importance is not None for c in drift.columns)
    share = carried if known else None
    change = columns_broken(reasons, certain)
    return [Cause("data_quality", severity, (change,), names, carried * strength, certain=certain, share=share)]


def implied_base_rate_causes(drift: DriftVerdict, score_column: str) -> list[Cause]:
    """Scores that moved while no input did: another base rate is the likeliest; only outcomes can confirm it."""
    score = next((c for c in drift.columns if c.name == score_column), None)
    if score is None or score.implied_base_rate is None or score.fault or not at_least(score.severity, "watch"):
        return []
    if any(at_least(c.severity, "watch") for c in drift.columns if c.name != score_column):
        return []
    change = implied_base_rate(score.implied_base_rate, score.reference_base_rate or 0.0)
    return [Cause("label_shift", score.severity, (change,), (score_column,), 0.5, estimated=True)]


def covariate_shift_causes(drift: DriftVerdict, score_column: str) -> list[Cause]:
    """Columns that moved without a sign of a fault; where none did alone, columns that changed together."""
    shifted = [c for c in drift.columns if not c.fault and at_least(c.severity, "watch")]
    inputs = [c for c in shifted if c.name != score_column]
    if not shifted:
        return _joint_causes(drift)
    named = inputs or shifted
    sizes = [(column_name(c.name), c.reason) for c in named]
    change = (
        inputs_moved(sizes, len(shifted) > len(inputs), len(drift.columns)) if inputs else scores_moved(sizes[0][1])
    )
    severity = worst([c.severity for c in shifted])
    carried = importance_share(named, len(drift.columns))
    return [Cause("covariate_shift", severity, (change,), tuple(c.name for c in named), carried)]


def _joint_causes(drift: DriftVerdict) -> list[Cause]:
    """Inputs that changed only in how they go together; two that have changed places are a fault, named as one."""
    joint = drift.joint
    if joint is None or joint.swapped or not at_least(joint.severity, "watch"):
        return []
    concerned = [c for c in drift.columns if c.name in joint.columns]
    carried = importance_share(concerned, len(drift.columns))
    return [
        Cause("covariate_shift", joint.severity, (moved_together(joint.reason, joint.p_value),), joint.columns, carried)
    ]


def importance_share(columns: Sequence[ColumnDrift], of: int) -> float:
    """Share of all importance that columns carry; where importance is not known, their share of the columns."""
    if any(c.importance is not None for c in columns):
        return sum(c.importance or 0.0 for c in columns)
    return len(columns) / max(of, 1)
