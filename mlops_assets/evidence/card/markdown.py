"""The card as Markdown with Hugging Face card metadata (https://huggingface.co/docs/hub/model-cards)."""

import re
from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.evidence.blocks import Block, Bullets, Facts, Figure, Missing, Paragraph, Table
from mlops_assets.evidence.card.card import Card
from mlops_assets.evidence.reading import estimate, label
from mlops_assets.plain_text import shown

PIPELINE_TAGS = {
    Task.BINARY: "tabular-classification",
    Task.MULTICLASS: "tabular-classification",
    Task.REGRESSION: "tabular-regression",
}


def card_markdown(card: Card) -> str:
    """The card as Markdown; pictures are links to `plots/<name>.svg`, which `model_card.write_card` writes beside it."""
    lines = ["---", _front_matter(card).rstrip(), "---", "", f"# {card.model}, version {card.version}", ""]
    for section in card.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    lines += ["---", "", f"Card digest (SHA-256): `{card.digest}`", ""]
    return "\n".join(lines)


def metadata(card: Card) -> dict[str, Any]:
    """Hugging Face metadata: task, library, tags, and the metrics as `model-index`."""
    inputs = card.inputs
    d = inputs.declaration
    metrics = []
    for name, value in ((inputs.performance or {}).get("metrics") or {}).items():
        found = estimate(value)
        if found is not None:
            metrics.append({"type": name, "name": label(name), "value": found.value})
    result: dict[str, Any] = {
        "library_name": "sklearn",
        "pipeline_tag": PIPELINE_TAGS[d.task],
        "tags": ["governed-model", f"tier:{d.tier.value}", *([inputs.algorithm] if inputs.algorithm else [])],
        "model_name": card.model,
        "model_version": card.version,
        "card_digest": card.digest,
    }
    if metrics:
        task = {"type": PIPELINE_TAGS[d.task]}
        dataset = {"type": "tabular", "name": "/".join(d.source.key)}
        result["model-index"] = [
            {"name": card.model, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}
        ]
    return result


def _front_matter(card: Card) -> str:
    import yaml

    return yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True)


def _block(block: Block) -> list[str]:
    match block:
        case Paragraph(text, tone):
            return [f"> {escaped(text)}"] if tone in ("warn", "bad") else [escaped(text)]
        case Missing(what):
            return [f"> **Evidence missing:** {escaped(what)}"]
        case Bullets(items, title):
            return [*([f"**{escaped(title)}**", ""] if title else []), *(f"- {escaped(i)}" for i in items)]
        case Facts(items):
            return [f"- **{escaped(name)}:** {escaped(value)}" for name, value in items]
        case Figure(name, title, alt, _):
            return [f"![{escaped(title)}: {escaped(alt)}](plots/{name}.svg)"]
        case Table():
            return _table(block)
    raise TypeError(f"found a block of type {type(block).__name__}, expected one of the types in `blocks`")


def _table(block: Table) -> list[str]:
    rule = ["---:" if i in block.numeric else "---" for i in range(len(block.columns))]
    lines = [f"**{escaped(block.title)}**", ""] if block.title else []
    lines += [_row(block.columns), "| " + " | ".join(rule) + " |", *(_row(r) for r in block.rows)]
    return [*lines, "", escaped(block.note)] if block.note else lines


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(escaped(c) for c in cells) + " |"


def escaped(text: str) -> str:
    """Plain text in Markdown: markup and HTML are escaped, line breaks become blanks, characters that steer their codes."""
    text = shown(re.sub(r"\s+", " ", str(text)).strip())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|#]|(?<!\w)_|_(?!\w))", r"\\\1", text)
