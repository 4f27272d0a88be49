"""Plain values to Dagster metadata: numbers, Markdown, tables, links, and the explanation of a check."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mlops_assets.gates.gate import GateResult

ROWS_SHOWN = 60
LONG_CELL = 90
"""Characters from which on a cell is a sentence, which a narrow column would break word by word."""
PAGES_URL = "MLOPS_PAGES_URL"
"""Environment variable: where the folder of reports is served over http, if it is."""


def to_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dagster metadata for `values`; None is left out, lists of dicts become tables, paths become links."""
    return {name: _entry(value) for name, value in values.items() if value is not None}


def page_link(page: str) -> dict[str, Any]:
    """Definition metadata that links to a page of the reports, where `mlops dev` serves them; empty elsewhere."""
    address = os.environ.get(PAGES_URL)
    return {"served page": dg.MetadataValue.url(f"{address.rstrip('/')}/{page}")} if address else {}


def _entry(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Path):
        # A page served over http may not open a file: the path is there to be copied.
        return dg.MetadataValue.path(str(value))
    if isinstance(value, str):
        if value.startswith(("http://", "https://", "file://")):
            return dg.MetadataValue.url(value)
        return dg.MetadataValue.md(value) if "\n" in value or value.startswith("![") else value
    if isinstance(value, Sequence) and value and all(isinstance(row, Mapping) for row in value):
        return dg.MetadataValue.md(markdown_table(value))
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return dg.MetadataValue.json(value)


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as Markdown: a table with the columns of the first row, or a list where sentences would make it too narrow.

    Long ones end with how many rows are not shown.
    """
    names, shown = list(rows[0]), rows[:ROWS_SHOWN]
    cells = [[_cell(row.get(name)) for name in names] for row in shown]
    if max(len(cell) for row in cells for cell in row) > LONG_CELL:
        lines = [_item(names, row) for row in cells]
    else:
        lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
        lines += ["| " + " | ".join(row) + " |" for row in cells]
    if len(rows) > ROWS_SHOWN:
        lines.append(f"\n{len(rows) - ROWS_SHOWN} more rows are in the evidence file.")
    return "\n".join(lines)


def _item(names: Sequence[str], cells: Sequence[str]) -> str:
    """One row as an item of a list: its first cell, the short ones by name, and the sentences below."""
    named = list(zip(names, cells, strict=True))[1:]
    short = [f"{name} {cell}" for name, cell in named if len(cell) <= LONG_CELL and cell not in ("", "–")]
    long = [cell for _, cell in named if len(cell) > LONG_CELL]
    return f"- **{cells[0]}** " + " · ".join(["", *short]).strip() + "".join(f"  \n  {cell}" for cell in long)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def check_metadata(result: "GateResult", tier: str, policy_digest: str, required: bool) -> dict[str, Any]:
    """What a gate's check shows beside its description, which says why: value, threshold, rule, tier and policy."""
    return to_metadata(
        {
            "outcome": result.outcome.replace("_", " "),
            "value": result.value,
            "threshold": result.threshold,
            "rule": result.rule,
            "tier": tier,
            "required": required,
            "policy digest": policy_digest,
            "evidence": dict(result.evidence) or None,
            "details": result.details or None,
        }
    )
