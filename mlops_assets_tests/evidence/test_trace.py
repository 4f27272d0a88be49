import pytest

from mlops_assets.evidence.trace import trace, trace_text
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.life import POLICY, Life, at

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
    assert found.policy_digest == POLICY.digest
    assert [g["gate"] for g in found.gates] == ["performance"]
    assert [a["person"] for a in found.approvals] == ["validator", "model-risk"]
    assert found.health is not None
    assert found.health["kind"] == "label_shift"
    assert [i["id"] for i in found.incidents] == ["inc-1"]
    assert found.found_later == ()
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
        ({"version": "1"}, "the version was not promoted before the prediction"),
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


def test_only_incidents_that_were_open_then_are_listed_as_open_then(lived: Ledger, life: Life):
    """One about the same window that was opened half a year later is listed apart, as found later."""
    life.clock.at = at("2015-06-01")
    life.incident("inc-2", kind="concept_drift", summary="The relation changed", cause="concept_drift")
    life.incident("inc-3", window="2004-04-01", kind="data_quality", summary="Another window", cause="data_quality")
    found = trace(lived, ROW)
    assert [i["id"] for i in found.incidents] == ["inc-1"]
    assert [i["id"] for i in found.found_later] == ["inc-2"]
    text = trace_text(found)
    open_then, later = text.split("Incidents about this window, opened later")
    assert "inc-1" in open_then
    assert "inc-2" not in open_then
    assert "inc-2 (concept drift), since 2015-06-01" in later
    assert "inc-3" not in text
    closed = trace(lived, {**ROW, "scored_at": "2004-06-01T00:00:00Z"})
    assert closed.incidents == ()


def test_score_and_prediction_are_shown(lived: Ledger):
    text = trace_text(trace(lived, {**ROW, "prediction": "default", "decision": "decline"}))
    for line in ("score      0.310", "prediction default", "decision   decline"):
        assert line in text


@pytest.mark.parametrize(
    ("prediction", "reasons", "said"),
    [(1, [], True), (0, [], False), (1, ["Number of employees"], False)],
    ids=["adverse", "favourable", "with reasons"],
)
def test_an_adverse_decision_without_reason_codes_says_so(lived: Ledger, life: Life, prediction, reasons, said):
    life.register("9", declaration={"target": {"column": "default", "favourable": "negative"}})
    found = trace(lived, {**ROW, "version": "9", "prediction": prediction, "reasons": reasons})
    assert any(gap.startswith("reason codes of this adverse decision") for gap in found.gaps) is said


def test_a_row_without_a_model_is_refused(lived: Ledger):
    with pytest.raises(ValueError, match="expected `model` and `version`"):
        trace(lived, {"score": 0.4})
