import pytest

from mlops_assets.evidence.trace import trace, trace_text
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.ledger import Ledger

ROW = {
    "prediction_id": "sba_loan_default:2004-01-01:17",
    "model": "sba_loan_default",
    "version": "2",
    "window": "2004-01-01",
    "scored_at": "2004-04-10T00:00:00Z",
    "score": 0.31,
    "reasons": ["Number of employees"],
}


def test_from_a_prediction_to_all_it_rests_on(lived: Ledger):
    found = trace(lived, ROW)
    assert found.decided is True
    assert found.data["data_digest"] == "2" * 64
    assert found.data["rows"] == 2000
    assert found.policy_digest == "b" * 64
    assert [g["gate"] for g in found.gates] == ["performance"]
    assert [a["person"] for a in found.approvals] == ["validator", "model-risk"]
    assert found.health is not None
    assert found.health["kind"] == "label_shift"
    assert [i["id"] for i in found.incidents] == ["inc-1"]
    assert [e["gate"] for e in found.exceptions] == ["fairness"]
    assert found.gaps == ()
    assert canonical_json(found.to_dict())
    text = trace_text(found)
    for part in ("Number of employees", "validator", "Defaults doubled", "2" * 64, "yes, it was champion then"):
        assert part in text


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ({"version": "7"}, "the ledger has no record of version 7 of sba_loan_default"),
        ({"window": "2009-01-01"}, "no verdict is recorded for window 2009-01-01"),
        ({"scored_at": None}, "the prediction has no time of scoring"),
        ({"version": "1"}, "the version was never promoted"),
    ],
)
def test_what_is_not_on_record_is_said(lived: Ledger, change: dict, gap: str):
    found = trace(lived, {**ROW, **change})
    assert gap in found.gaps
    assert gap in trace_text(found)


def test_a_version_that_did_not_decide_is_not_called_champion(lived: Ledger):
    found = trace(lived, {**ROW, "version": "3"})
    assert found.decided is False
    assert found.promotion is None, "it was promoted only after this prediction"


def test_a_row_without_a_model_is_refused(lived: Ledger):
    with pytest.raises(ValueError, match="expected `model` and `version`"):
        trace(lived, {"score": 0.4})
