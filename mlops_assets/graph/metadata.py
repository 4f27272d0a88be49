"""Plain values to Dagster metadata: numbers, Markdown, tables, links, and the explanation of a check."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mlops_assets.governance.decisions import GateResult

ROWS_SHOWN = 60
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
    """A Markdown table with the columns of the first row; long tables end with how many rows are not shown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows[:ROWS_SHOWN]]
    if len(rows) > ROWS_SHOWN:
        lines.append(f"\n{len(rows) - ROWS_SHOWN} more rows are in the evidence file.")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def check_metadata(result: "GateResult", tier: str, policy_digest: str, required: bool) -> dict[str, Any]:
    """What a gate's check shows: value, threshold, rule, tier, policy, and why."""
    return to_metadata(
        {
            "outcome": result.outcome.replace("_", " "),
            "reason": result.reason,
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
