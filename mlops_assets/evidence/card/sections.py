"""What a section of a card is, and the sections that every card has.

Belongs here: which sections there are; their order is that of their registration. Not here: what a section shows (`declared`,
`measurements`, `production`, `decided`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast, get_args

from mlops_assets.evidence.blocks import Block, Figure, Missing, Paragraph, Section, SectionStatus
from mlops_assets.evidence.card import decided, declared, measurements, production
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.gates.applicability import not_applicable
from mlops_assets.registration import Extension, Known

Builder = Callable[[CardInputs], list[Block] | str]
"""Builds a section; a text in place of blocks says why the section does not apply."""


@dataclass(frozen=True)
class CardSection(Extension):
    """One section of every card.

    Attributes:
        name: its anchor, and its name in the requirement profiles.
        title: its heading.
        build: its blocks from the evidence that the card is built from, or a text that says why it does not apply. It computes
            no metric. A section with a `Missing` block is one whose evidence is missing. Pure: equal inputs, equal blocks.
    """

    KIND: ClassVar[str] = "card_sections"

    name: str
    title: str
    build: Builder


CARD_SECTIONS: Known[CardSection] = Known(CardSection)

SUMMARY = CardSection("summary", "Summary", declared.summary)
TIER = CardSection("tier", "Risk tier", decided.tier)
INTENDED_USE = CardSection("intended_use", "Intended use", declared.intended_use)
SUPPLIER = CardSection("supplier", "Supplier", declared.supplier)
LIMITATIONS = CardSection("limitations", "Assumptions and limitations", declared.limitations)
DATA = CardSection("data", "Data", declared.data)
FEATURES = CardSection("features", "Features", declared.features)
SCREENING = CardSection("screening", "Screening of the data", measurements.screening)
CANDIDATES = CardSection("candidates", "Alternatives considered", measurements.candidates)
PERFORMANCE = CardSection("performance", "Performance", measurements.performance)
COMPARISON = CardSection("comparison", "Comparison with the champion", measurements.comparison)
SLICES = CardSection("slices", "Segments", measurements.slices)
CALIBRATION = CardSection("calibration", "Calibration", measurements.calibration)
ROBUSTNESS = CardSection("robustness", "Robustness", measurements.robustness)
STABILITY = CardSection("stability", "Stability of the training", production.stability)
FAIRNESS = CardSection("fairness", "Fairness", measurements.fairness)
EXPLANATIONS = CardSection("explanations", "Explanations", measurements.explanations)
COST = CardSection("cost", "Cost", production.cost)
SOFTWARE = CardSection("software", "Software", production.software)
DECISIONS = CardSection("decisions", "Gate decisions", decided.decisions)
EXCEPTIONS = CardSection("exceptions", "Exceptions", decided.exceptions)
FINDINGS = CardSection("findings", "Validation and findings", decided.findings)
APPROVALS = CardSection("approvals", "Approvals", decided.approvals)
MONITORING = CardSection("monitoring", "Monitoring plan", declared.monitoring)
CHANGES = CardSection("changes", "Earlier versions", decided.changes)
RISK_REGISTER = CardSection("risk_register", "Risk register", declared.risk_register)
PROVENANCE = CardSection("provenance", "Provenance", decided.provenance)


GATE_OF_SECTION = {
    "candidates": "stability",
    "robustness": "robustness",
    "stability": "stability",
    "cost": "cost",
    "software": "artifact",
    "explanations": "reason_codes",
}
"""Sections that show what a gate measured, and have nothing to show where the gate cannot apply to the model."""


def sections_of(inputs: CardInputs) -> tuple[Section, ...]:
    """Every section of a card, in order."""
    return tuple(_section(section, inputs) for section in CARD_SECTIONS.values())


def _section(section: CardSection, inputs: CardInputs) -> Section:
    code = CARD_SECTIONS.code(section.name)
    if code is None:
        without = not_applicable(inputs.declaration).get(GATE_OF_SECTION.get(section.name, ""))
        content = f"Not applicable: {without}." if without else section.build(inputs)
    else:
        try:
            content = _checked(section.build(inputs))
        except Exception as error:  # a section of the bank's own may raise whatever it likes
            content = [Missing(f"the section could not be built: {type(error).__name__}: {error}")]
    if isinstance(content, str):
        return Section(section.name, section.title, "not_applicable", (Paragraph(content, tone="muted"),), code)
    status: SectionStatus = "missing" if any(isinstance(b, Missing) for b in content) else "present"
    return Section(section.name, section.title, status, tuple(content), code)


def _checked(content: object) -> list[Block] | str:
    """What a section of the bank's own built, where a page can show it.

    Raises:
        TypeError: it is neither a text nor blocks. A figure is refused: its SVG would be part of the page as it is.
    """
    if isinstance(content, str):
        return content
    blocks = list(content) if isinstance(content, list | tuple) else [content]
    for block in blocks:
        if not isinstance(block, get_args(Block)) or isinstance(block, Figure):
            raise TypeError(f"build gave {type(block).__name__}, expected Paragraph, Facts, Bullets, Table or Missing")
    return cast(list[Block], blocks)
