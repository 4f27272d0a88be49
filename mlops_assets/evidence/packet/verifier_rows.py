"""What a verifier checks of single predictions: that the rows shown are under the roots on record, without the other rows.

A row is hashed with its salt, and climbs to the root of the table by the hashes beside its way (RFC 9162, section 2.1.3.2).
How a row is written is described in the package's `datasets/row_tree.py`.
"""

import hashlib
import struct
from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import Row
from mlops_assets.evidence.packet.verifier_signatures import MALFORMED, Wrong, parsed, why

PREDICTIONS = "predictions/"
ROOTS = {"predictions": "predictions_root", "scored_rows": "rows_root"}
"""Tables of which a row is shown, and the field of the window's record with the root."""
LONGEST_WAY = 64
CELLS = {"number": (1, "<d"), "boolean": (3, "<q"), "time": (4, "<q"), "integer": (5, "<q"), "large_integer": (6, "<Q")}
"""Kinds of values other than text: the byte that stands for each, and how it is packed."""


def check_predictions(files: dict[str, bytes], rows: list[Row], model: str, version: str) -> list[str]:
    """Every prediction shown is in the table that the record of its window names; a line each."""
    lines = []
    for name in sorted(n for n in files if n.startswith(PREDICTIONS)):
        try:
            lines.append(check_prediction(parsed(files[name], name), rows, model, version, name))
        except MALFORMED as error:
            raise Wrong(f"{name} shows no prediction: {why(error)}") from None
    return lines


def check_prediction(shown: Any, rows: list[Row], model: str, version: str, name: str) -> str:
    """One prediction, and the row that was scored, lead to the roots on record."""
    identity, seq = shown["prediction_id"], shown["record"]
    record = next((row for row in rows if row["seq"] == seq and row["model"] == model), None)
    if record is None or record["kind"] != "window_scored":
        raise Wrong(f"{name} names record {seq}, which is no scoring of a window of {model}")
    of_version = f"{model}:{record['subject']}:v{version}:"
    if not identity.startswith(of_version):
        raise Wrong(
            f"{name} shows {identity}, which is no prediction of version {version} in window {record['subject']}"
        )
    if [one["table"] for one in shown["rows"]] != list(ROOTS):
        raise Wrong(f"{name}: expected a row of {' and one of '.join(ROOTS)}")
    for one in shown["rows"]:
        root = record["body"].get(ROOTS[one["table"]])
        if root is None or root_above(leaf_of_row(one), one) != root:
            raise Wrong(f"{name}: its row of {one['table']} is not under the root of record {seq}")
    given = [dict(zip(one["columns"], one["values"], strict=True)) for one in shown["rows"]]
    if given[0].get("prediction_id") != {"text": identity}:
        raise Wrong(f"{name}: its row of predictions is another prediction's")
    if given[0].get("id") not in given[1].values():
        raise Wrong(f"{name}: its scored row does not have the identifier of the prediction")
    return f"{identity}: prediction and scored row are under the roots of record {seq}"


def leaf_of_row(one: Row) -> bytes:
    """Hash of a row and its salt."""
    names = [name.encode() for name in one["columns"]]
    if len(names) != len(one["values"]) or len(one["salt"]) != 32:
        raise ValueError("found another number of values than of columns, or no salt of 16 bytes")
    header = hashlib.sha256(b"".join(len(name).to_bytes(4, "little") + name for name in names)).digest()
    fixed, texts = b"", b""
    for value in one["values"]:
        cell, text = packed_cell(value)
        fixed, texts = fixed + cell, texts + text
    return hashlib.sha256(b"\x00" + bytes.fromhex(one["salt"]) + header + fixed + texts).digest()


def packed_cell(value: Any) -> tuple[bytes, bytes]:
    """Kind and eight bytes of a value, and its text."""
    if value is None:
        return bytes(9), b""
    ((kind, content),) = value.items()
    if kind == "text":
        text = content.encode()
        return b"\x02" + struct.pack("<Q", len(text)), text
    number, how = CELLS[kind]
    return bytes([number]) + struct.pack(how, float(content) if kind == "number" else content), b""


def root_above(found: bytes, one: Row) -> str:
    """Root that a leaf at a position among so many leads to, by the hashes beside its way."""
    place, last, way = one["position"], one["size"] - 1, one["path"]
    if not 0 <= place <= last or len(way) > LONGEST_WAY:
        raise ValueError("found a position beyond the rows of the table, or too long a way")
    for text in way:
        beside = bytes.fromhex(text)
        if last == 0:
            raise ValueError("found more hashes than the way has")
        if place % 2 or place == last:
            found = hashlib.sha256(b"\x01" + beside + found).digest()
            while place and place % 2 == 0:
                place, last = place // 2, last // 2
        else:
            found = hashlib.sha256(b"\x01" + found + beside).digest()
        place, last = place // 2, last // 2
    if last:
        raise ValueError("found fewer hashes than the way has")
    return found.hex()
