"""`docs/reference/controls.md` names what there is: every gate, every signed kind of record, and only files that exist."""

import re
from pathlib import Path

import mlops_assets
from mlops_assets.gates.registry import GATES
from mlops_assets.ledger.events.registry import EVENTS

PACKAGE = Path(mlops_assets.__file__).parent
TEXT = (PACKAGE.parent / "docs" / "reference" / "controls.md").read_text(encoding="utf-8")


def test_every_gate_has_its_row_and_no_other():
    section = TEXT.split("## Gates")[1].split("## Controls by people")[0]
    rows = re.findall(r"^\| ([a-z_]+) \|", section, flags=re.MULTILINE)
    assert rows == ["gate", *GATES]


def test_every_kind_of_record_that_needs_a_signature_is_a_control():
    signed = {event.KIND for event in EVENTS if "envelope" in event.model_fields}
    assert len(signed) > 15
    assert {kind for kind in signed if f"`{kind}`" not in TEXT} == set()


def test_every_file_that_is_named_exists():
    named = {name for name in re.findall(r"`([\w/.]+)`", TEXT) if "/" in name}
    assert len(named) > 12
    assert {n for n in named if not (PACKAGE / n).exists() and not (PACKAGE.parent / n).exists()} == set()


def test_nothing_is_called_compliant():
    assert "compliant" not in TEXT.lower()
