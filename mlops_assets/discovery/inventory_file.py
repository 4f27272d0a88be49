"""The inventory of models that a bank already keeps, as a CSV file: one row for each model.

The file is read as text. Which column is which is known by its name in several spellings, or said by whoever asks.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

LARGEST = 64 << 20
"""Bytes of such a file."""
MOST_ROWS = 100_000
COLUMNS = {
    "name": ("model", "model_name", "modelname", "name", "title", "model_title", "application"),
    "id": ("model_id", "modelid", "id", "reference", "ref", "mrm_id", "number"),
    "owner": ("owner", "model_owner", "business_owner", "team", "department", "responsible"),
    "tier": ("tier", "risk_tier", "risk", "risk_rating", "materiality", "risk_level"),
    "purpose": ("purpose", "description", "use", "intended_use", "model_purpose", "summary"),
    "supplier": ("vendor", "supplier", "provider", "third_party"),
    "version": ("version", "model_version", "current_version"),
    "status": ("status", "lifecycle", "state", "stage"),
    "kind": ("type", "model_type", "technique", "methodology", "algorithm"),
}
"""What a column holds, to names of such columns in small letters with underscores."""


class InventoryUnreadable(MlopsAssetsError, ValueError):
    """The file is no inventory that can be read."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Entry:
    """One row.

    Attributes:
        name: of the model.
        key: what identifies the row in its file: its id, else its name, with a number where that is there twice.
        facts: what of `COLUMNS` it holds, beside the name.
        digest: of the whole row.
    """

    name: str
    key: str
    facts: Mapping[str, str]
    digest: str


def entries(path: Path, columns: Mapping[str, str] | None = None) -> list[Entry]:
    """The models in the file, in its order; rows without a name are left out.

    Args:
        path: of the file; UTF-8, or else Windows-1252; separated by commas, semicolons, tabs or bars.
        columns: what a column holds to its name, where the names are not known.

    Raises:
        InventoryUnreadable: it is too large, is no table, or no column holds names.
    """
    rows, header = _rows(path)
    found = _found_columns(path, header, columns or {})
    taken: dict[str, int] = {}
    result = []
    for row in rows:
        facts = {what: row[column].strip() for what, column in found.items() if row.get(column)}
        name = facts.pop("name", "")
        if not name:
            continue
        key = facts.pop("id", "") or name
        taken[key] = taken.get(key, 0) + 1
        key = key if taken[key] == 1 else f"{key} ({taken[key]})"
        text = json.dumps({k: v for k, v in row.items() if k is not None}, sort_keys=True, ensure_ascii=False)
        result.append(Entry(name, key, facts, hashlib.sha256(text.encode()).hexdigest()))
    return result


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    size = path.stat().st_size
    if size > LARGEST:
        raise InventoryUnreadable(f"{path}: found {size >> 20} MB, expected an inventory of at most {LARGEST >> 20} MB")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    separator = max(",;\t|", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restkey=None)
    try:
        rows = [
            {name: value if isinstance(value, str) else "" for name, value in row.items() if name}
            for row, _ in zip(reader, range(MOST_ROWS + 1), strict=False)
        ]
    except csv.Error as error:
        raise InventoryUnreadable(f"{path}: line {reader.line_num}: no CSV: {error}") from error
    if len(rows) > MOST_ROWS:
        raise InventoryUnreadable(f"{path}: found more than {MOST_ROWS} rows, expected one for each model")
    return rows, [name for name in reader.fieldnames or () if name]


def _found_columns(path: Path, header: list[str], said: Mapping[str, str]) -> dict[str, str]:
    """What each column holds, where that is known."""
    if wrong := [f"{what}: {column}" for what, column in said.items() if column not in header]:
        raise InventoryUnreadable(f"{path}: no column {', '.join(wrong)}; found are {', '.join(header) or 'none'}")
    known = {"_".join(name.lower().replace("-", " ").split()): name for name in header}
    found = dict(_known_columns(known)) | dict(said)
    if "name" not in found:
        raise InventoryUnreadable(
            f"{path}: no column with names of models, expected one named {', '.join(COLUMNS['name'][:4])}; found are "
            f"{', '.join(header) or 'none'}. Say which it is with --name-column"
        )
    return found


def _known_columns(header: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for what, names in COLUMNS.items():
        column = next((header[name] for name in names if name in header and header[name] not in taken), None)
        if column is not None:
            taken.add(column)
            yield what, column
