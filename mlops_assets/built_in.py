"""The lines by which this package registers its own gates, statistics, sources, candidates, card sections, reports and notifiers.

A new one is one file and one line here. Not here: the lines of other packages and of projects, and looking a name up
(`registration.py`).
"""

from collections.abc import Mapping

PACKAGE = "mlops_assets"


def _in(package: str, attribute: str, *names: str) -> dict[str, str]:
    """One line for each name whose object is `attribute` in the module of that name."""
    return {name: f"{PACKAGE}.{package}.{name}:{attribute}" for name in names}


BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "gates": _in(
        "gates", "GATE",
        "contract", "volume", "leakage", "label_bias", "proxy", "parity", "artifact", "performance", "slices", "calibration",
        "robustness", "fairness", "reason_codes", "completeness", "stability", "cost",
    ),
    "statistics": {
        "jensen_shannon": "mlops_assets.statistics.distances:JENSEN_SHANNON",
        "wasserstein": "mlops_assets.statistics.distances:WASSERSTEIN",
    },
    "sources": {
        "files": "mlops_assets.datasets.file_source:FILES",
        "query": "mlops_assets.datasets.sources:QUERY",
    },
    "candidates": _in("training.algorithms", "CANDIDATE", "linear", "hist_gradient_boosting", "random_forest"),
    "card_sections": {
        name: f"{PACKAGE}.evidence.card.sections:{name.upper()}"
        for name in (
            "summary",
            "tier",
            "intended_use",
            "supplier",
            "limitations",
            "data",
            "features",
            "screening",
            "candidates",
            "performance",
            "comparison",
            "slices",
            "calibration",
            "robustness",
            "stability",
            "fairness",
            "explanations",
            "cost",
            "software",
            "decisions",
            "exceptions",
            "findings",
            "approvals",
            "monitoring",
            "changes",
            "risk_register",
            "provenance",
        )
    },
    "reports": {
        "inventory": "mlops_assets.fleet_files:INVENTORY_REPORT",
        "roi_report": "mlops_assets.fleet_files:ROI_REPORT",
        "proof_report": "mlops_assets.fleet_files:PROOF_REPORT",
        "fleet_report": "mlops_assets.fleet_files:FLEET_REPORT",
    },
    "notifiers": {
        "log": "mlops_assets.notification.notifiers:LOG",
        "file": "mlops_assets.notification.notifiers:FILE",
    },
}  # fmt: skip
"""Kind to name to `module:attribute`, in the order in which they are shown and used."""
