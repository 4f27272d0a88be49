"""What a bank's own project imports to add a gate, a source, a notifier and the like: one object in one file, registered by one line.

`docs/how-to/extending.md` shows a complete example of each kind. Nothing is defined here; each name is imported at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_assets.datasets.source import Source
    from mlops_assets.evidence.blocks import Bullets, Facts, Missing, Paragraph, Table
    from mlops_assets.evidence.card.card import CardInputs
    from mlops_assets.evidence.card.sections import CardSection
    from mlops_assets.gates.gate import Evidence, Finding, Gate, GateInputs, GateRule
    from mlops_assets.notification.notice import Notice
    from mlops_assets.notification.notifiers import Notifier
    from mlops_assets.registration import ExtensionError, Settings, registered
    from mlops_assets.report import Report, ReportInputs, Written
    from mlops_assets.statistics.statistic import Change, Statistic, StatisticInputs, StatisticRule
    from mlops_assets.strictness import (
        HigherFloat,
        HigherInt,
        HigherLimit,
        LowerFloat,
        LowerInt,
        LowerLimit,
        Stricter,
        TrueStricter,
    )
    from mlops_assets.training.algorithms.candidate import Candidate

__all__ = [
    "Bullets",
    "Candidate",
    "CardInputs",
    "CardSection",
    "Change",
    "Evidence",
    "ExtensionError",
    "Facts",
    "Finding",
    "Gate",
    "GateInputs",
    "GateRule",
    "HigherFloat",
    "HigherInt",
    "HigherLimit",
    "LowerFloat",
    "LowerInt",
    "LowerLimit",
    "Missing",
    "Notice",
    "Notifier",
    "Paragraph",
    "Report",
    "ReportInputs",
    "Settings",
    "Source",
    "Statistic",
    "StatisticInputs",
    "StatisticRule",
    "Stricter",
    "Table",
    "TrueStricter",
    "Written",
    "registered",
]

_HOME = {
    **dict.fromkeys(("Evidence", "Finding", "Gate", "GateInputs", "GateRule"), "mlops_assets.gates.gate"),
    **dict.fromkeys(("ExtensionError", "Settings", "registered"), "mlops_assets.registration"),
    **dict.fromkeys(("Change", "Statistic", "StatisticInputs", "StatisticRule"), "mlops_assets.statistics.statistic"),
    **dict.fromkeys(("Bullets", "Facts", "Missing", "Paragraph", "Table"), "mlops_assets.evidence.blocks"),
    "CardInputs": "mlops_assets.evidence.card.card",
    "CardSection": "mlops_assets.evidence.card.sections",
    **dict.fromkeys(("Report", "ReportInputs", "Written"), "mlops_assets.report"),
    "Candidate": "mlops_assets.training.algorithms.candidate",
    "Source": "mlops_assets.datasets.source",
    "Notice": "mlops_assets.notification.notice",
    "Notifier": "mlops_assets.notification.notifiers",
    **dict.fromkeys(
        ("HigherFloat", "HigherInt", "HigherLimit", "LowerFloat", "LowerInt", "LowerLimit", "Stricter", "TrueStricter"),
        "mlops_assets.strictness",
    ),
}
"""Where each name is defined."""


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mlops_assets.extensions' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
