"""The sections of a card and their order.

Belongs here: which sections there are. Not here: what a section shows (`declared`, `measurements`, `production`,
`decided`).
"""

from collections.abc import Callable

from mlops_assets.evidence.blocks import Block, Missing, Paragraph, Section, SectionStatus
from mlops_assets.evidence.card import decided, declared, measurements, production
from mlops_assets.evidence.card.card import CardInputs

Builder = Callable[[CardInputs], list[Block] | str]
"""Builds a section; a text in place of blocks says why the section does not apply."""
SECTIONS: tuple[tuple[str, str, Builder], ...] = (
    ("summary", "Summary", declared.summary),
    ("intended_use", "Intended use", declared.intended_use),
    ("limitations", "Assumptions and limitations", declared.limitations),
    ("data", "Data", declared.data),
    ("features", "Features", declared.features),
    ("screening", "Screening of the data", measurements.screening),
    ("candidates", "Alternatives considered", measurements.candidates),
    ("performance", "Performance", measurements.performance),
    ("comparison", "Comparison with the champion", measurements.comparison),
    ("slices", "Segments", measurements.slices),
    ("calibration", "Calibration", measurements.calibration),
    ("robustness", "Robustness", measurements.robustness),
    ("stability", "Stability of the training", production.stability),
    ("fairness", "Fairness", measurements.fairness),
    ("explanations", "Explanations", measurements.explanations),
    ("cost", "Cost", production.cost),
    ("software", "Software", production.software),
    ("decisions", "Gate decisions", decided.decisions),
    ("exceptions", "Exceptions", decided.exceptions),
    ("findings", "Validation and findings", decided.findings),
    ("approvals", "Approvals", decided.approvals),
    ("monitoring", "Monitoring plan", declared.monitoring),
    ("changes", "Earlier versions", decided.changes),
    ("risk_register", "Risk register", declared.risk_register),
    ("provenance", "Provenance", decided.provenance),
)
"""Key, title and builder of every section, in the order in which a reader needs them."""


def sections_of(inputs: CardInputs) -> tuple[Section, ...]:
    """Every section of a card, in order."""
    return tuple(_section(key, title, build(inputs)) for key, title, build in SECTIONS)


def _section(key: str, title: str, content: list[Block] | str) -> Section:
    if isinstance(content, str):
        return Section(key, title, "not_applicable", (Paragraph(content, tone="muted"),))
    status: SectionStatus = "missing" if any(isinstance(b, Missing) for b in content) else "present"
    return Section(key, title, status, tuple(content))
