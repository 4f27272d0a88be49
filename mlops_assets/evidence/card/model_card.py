"""Building and writing a model card.

A card is built from a declaration and from evidence that stages recorded; it computes no metric. A section without its
evidence says so. Markdown, HTML and CycloneDX are written from the same card. Not here: the sections (`sections`).
"""

from pathlib import Path

from mlops_assets.evidence.blocks import Figure
from mlops_assets.evidence.card.card import Card, CardInputs
from mlops_assets.evidence.card.cyclonedx import bom_json
from mlops_assets.evidence.card.html import card_html
from mlops_assets.evidence.card.markdown import card_markdown
from mlops_assets.evidence.card.sections import sections_of
from mlops_assets.ledger.canonical import digest


def build_card(inputs: CardInputs) -> Card:
    """Build the card of one version.

    Raises:
        ValueError: The declaration has no name, the time has no zone, or evidence cannot be written as JSON.
    """
    if not inputs.declaration.name:
        raise ValueError("found a declaration without a name; expected one, because a card belongs to a named model")
    sections = sections_of(inputs)
    return Card(
        model=inputs.declaration.name,
        version=inputs.version,
        issued_at=inputs.issued_at,
        digest=digest(inputs.content(sections)),
        missing=tuple(s.key for s in sections if s.status == "missing"),
        sections=sections,
        inputs=inputs,
    )


def write_card(card: Card, folder: Path) -> dict[str, Path]:
    """Write `card.json`, `card.md`, `card.html`, `card.cdx.json` and `plots/*.svg` into `folder`.

    Returns:
        Format (`json`, `markdown`, `html`, `cyclonedx`) to path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "json": ("card.json", card.json),
        "markdown": ("card.md", card_markdown(card)),
        "html": ("card.html", card_html(card)),
        "cyclonedx": ("card.cdx.json", bom_json(card)),
    }
    figures = [block for section in card.sections for block in section.blocks if isinstance(block, Figure)]
    for figure in figures:
        (folder / "plots").mkdir(exist_ok=True)
        (folder / "plots" / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
    paths = {}
    for name, (file, text) in texts.items():
        paths[name] = folder / file
        paths[name].write_text(text, encoding="utf-8")
    return paths
