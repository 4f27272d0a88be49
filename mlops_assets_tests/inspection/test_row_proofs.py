"""One prediction is shown without the others, and leads to the root on record; nothing else does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mlops_assets.evidence.packet.verifier_rows import check_predictions
from mlops_assets.evidence.packet.verifier_signatures import Wrong
from mlops_assets.inspection.lookup import NotFound
from mlops_assets.inspection.row_proofs import shown_prediction
from mlops_assets_tests.privacy.stored import MODEL, PERSON, Stored, lived
from mlops_assets_tests.privacy.test_erasure import names, take_out


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Stored:
    return lived(tmp_path_factory.mktemp("shown"))


def checked(stored: Stored, shown: dict[str, Any], version: str = "1") -> list[str]:
    rows = [
        {"seq": r.seq, "model": r.model, "kind": r.kind, "subject": r.subject, "body": r.body}
        for r in stored.ledger.records()
    ]
    content = json.dumps(shown).encode()
    return check_predictions({"predictions/0001.json": content, "card/card.json": b""}, rows, MODEL, version)


def test_a_prediction_and_its_row_lead_to_the_roots(stored):
    shown = shown_prediction(stored.platform, names("r00008"))
    assert checked(stored, shown) == [
        f"{names('r00008')}: prediction and scored row are under the roots of record {shown['record']}"
    ]
    assert {"text": "r00008"} in shown["rows"][1]["values"]
    assert "r00009" not in json.dumps(shown), "no other row is in it"
    assert len(shown["rows"][0]["path"]) in (4, 6), (
        "of forty rows: 32 of them in the first half of the tree, 8 in the other"
    )


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a value": lambda s: s["rows"][1]["values"][1].update(time=0),
    "the score": lambda s: s["rows"][0]["values"][2].update(number=0.99),
    "a missing value": lambda s: s["rows"][1]["values"].__setitem__(0, None),
    "another kind": lambda s: s["rows"][0]["values"].__setitem__(2, {"integer": 8}),
    "a kind that there is not": lambda s: s["rows"][0]["values"].__setitem__(2, {"word": 8}),
    "a column's name": lambda s: s["rows"][1]["columns"].__setitem__(1, "closed"),
    "a salt": lambda s: s["rows"][0].update(salt="00" * 16),
    "a salt of another length": lambda s: s["rows"][0].update(salt="00"),
    "a place": lambda s: s["rows"][0].update(position=(s["rows"][0]["position"] + 1) % 40),
    "a size": lambda s: s["rows"][0].update(size=4),
    "a way": lambda s: s["rows"][0]["path"].pop(),
    "an endless way": lambda s: s["rows"][0].update(path=["00" * 32] * 100),
    "a place beyond": lambda s: s["rows"][0].update(position=40),
    "one table alone": lambda s: s["rows"].pop(),
    "the other table's row": lambda s: s["rows"].reverse(),
    "another record": lambda s: s.update(record=1),
    "another run's record": lambda s: s.update(record=s["record"] + 1),
    "no record": lambda s: s.pop("record"),
    "another name": lambda s: s.update(prediction_id=names("r00009")),
    "another version's name": lambda s: s.update(prediction_id=names("r00008", version=2)),
    "no list": lambda s: s.update(rows=3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_leads_nowhere(stored, change):
    shown = shown_prediction(stored.platform, names("r00008"))
    CHANGES[change](shown)
    with pytest.raises(Wrong, match=r"predictions/0001\.json"):
        checked(stored, shown)


def test_another_persons_row_beside_a_prediction_is_found(stored):
    shown, other = (shown_prediction(stored.platform, names(nr)) for nr in ("r00008", "r00009"))
    shown["rows"][1] = other["rows"][1]
    with pytest.raises(Wrong, match="does not have the identifier"):
        checked(stored, shown)


def test_a_packet_made_before_an_erasure_still_verifies_and_one_made_after_does_too(stored, tmp_path):
    before = shown_prediction(stored.platform, names(PERSON))
    take_out(stored)
    assert checked(stored, before), "what was handed out before is as it was"
    after = shown_prediction(stored.platform, names("r00008"))
    assert checked(stored, after)
    with pytest.raises(NotFound, match="erased under record"):
        shown_prediction(stored.platform, names(PERSON))
