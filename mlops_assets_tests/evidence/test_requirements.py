from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements import (
    ARTEFACTS,
    Artefact,
    Profile,
    ProfileError,
    applicable,
    artefacts_of_card,
    artefacts_of_ledger,
    assess,
    completeness_evidence,
    counts,
    due_at_card,
    load_profiles,
    not_applicable,
    read_profile,
)
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.conftest import ISSUED, ROOT
from mlops_assets_tests.evidence.life import Life, at

SHIPPED = ROOT / "mlops_assets" / "config" / "requirements"


def profile(*artefacts: str, max_age_days: int | None = None) -> Profile:
    clause = {"id": "1", "evidence": "something", "artefacts": artefacts, "by": "both", "max_age_days": max_age_days}
    return Profile.model_validate(
        {
            "profile": "p",
            "title": "P",
            "jurisdiction": "nowhere",
            "status": "in force",
            "effective_from": "2026-01-01",
            "binding": False,
            "source": "a test",
            "clauses": [clause],
        }
    )


def test_the_shipped_profiles_can_be_read():
    found = load_profiles(SHIPPED)
    assert set(found) == {"sr_26_2", "ss1_23", "eu_ai_act", "ecoa_reg_b"}
    assert found["eu_ai_act"].effective_from == date(2027, 12, 2), "the duties of Annex III were moved to December 2027"
    assert not found["sr_26_2"].binding


def test_every_artefact_can_come_from_somewhere(card_inputs: CardInputs, lived: Ledger):
    """A clause that nothing could ever answer would be missing for ever."""
    full = replace(
        card_inputs,
        slices=[{"slice": "a"}],
        robustness={"drop": 0.01},
        explanations={"importance": [], "reason_codes": {"explained": 3, "faithful_share": 1.0}},
        monitoring_plan={"cadence": "month"},
        validation={"outcome": "approved", "valid_until": "2027-11-21T00:00:00Z"},
        risk_register=[{"risk": "x"}],
    )
    state = lived.state().model("sba_loan_default")
    made = {a.name for a in (*artefacts_of_card(full), *artefacts_of_ledger(state, "3"))}
    supplied_by_hand = {"conformity_attachment", "signature", "adverse_action_notice"}
    assert set(ARTEFACTS) - made == supplied_by_hand


@pytest.mark.parametrize(
    ("artefacts", "verdict", "why"),
    [
        ([], "missing", "nothing is there"),
        ([Artefact("calibration")], "missing", "one of two is not enough"),
        ([Artefact("calibration"), Artefact("evaluation")], "present", "both"),
        ([Artefact("calibration"), Artefact("evaluation", of_version="2")], "stale", "about another version"),
        ([Artefact("calibration"), Artefact("evaluation", valid_until=ISSUED)], "stale", "expired this moment"),
        (
            [Artefact("calibration"), Artefact("evaluation", of_version="2"), Artefact("evaluation", of_version="3")],
            "present",
            "the fresh one counts",
        ),
    ],
)
def test_verdict(artefacts: list[Artefact], verdict: str, why: str):
    (finding,) = assess(profile("calibration", "evaluation"), artefacts, ISSUED, "3")
    assert finding.verdict == verdict, why
    assert finding.words == f"evidence {verdict}{'; a person must judge it' if verdict == 'present' else ''}"


@pytest.mark.parametrize(("days", "verdict"), [(90, "present"), (91, "stale")])
def test_age(days: int, verdict: str):
    made = Artefact("evaluation", produced_at=ISSUED - timedelta(days=days))
    (finding,) = assess(profile("evaluation", max_age_days=90), [made], ISSUED)
    assert finding.verdict == verdict


def test_what_comes_after_the_card_is_not_asked_of_the_card():
    findings = assess(load_profiles(SHIPPED)["sr_26_2"], [], ISSUED)
    asked = {f.clause for f in due_at_card(findings)}
    assert "V.1.b" in asked
    assert "V.2" not in asked, "monitoring verdicts exist only in operation"
    assert "VI.1" not in asked, "approvals are signed on the card"


def test_supplying_evidence_moves_clauses_from_missing_to_present(card_inputs: CardInputs):
    asked = load_profiles(SHIPPED)["ecoa_reg_b"]
    without = assess(asked, artefacts_of_card(replace(card_inputs, fairness=None)), ISSUED, "3")
    with_it = assess(asked, artefacts_of_card(card_inputs), ISSUED, "3")
    assert counts(with_it)["present"] == counts(without)["present"] + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: [", "not YAML"),
        ("profile: p\ntitle: P", "jurisdiction"),
        ("clauses: [{id: a, evidence: bbb, artefacts: [magic], by: human}]", "found artefact magic"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_place(tmp_path: Path, text: str, message: str):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=message):
        read_profile(path)


def test_a_profile_is_named_as_its_file(tmp_path: Path):
    path = tmp_path / "other.yaml"
    path.write_text((SHIPPED / "sr_26_2.yaml").read_text())
    with pytest.raises(ProfileError, match="expected 'other'"):
        read_profile(path)


def test_credit_profiles_apply_where_the_bank_names_them(card_inputs: CardInputs):
    found = load_profiles(SHIPPED).values()
    assert [p.profile for p in applicable(found, card_inputs)] == ["sr_26_2", "ss1_23"]
    assert [p.profile for p in applicable(found, card_inputs, ["ecoa_reg_b"])] == ["ecoa_reg_b", "sr_26_2", "ss1_23"]


def test_the_completeness_gate_takes_it(card_inputs: CardInputs):
    from mlops_assets.gates.completeness import GATE, CompletenessRule

    profiles = load_profiles(SHIPPED)
    evidence = completeness_evidence([profiles["sr_26_2"]], card_inputs, "d" * 64)
    lenient = GATE.result(evidence, CompletenessRule(min_share=0.5))
    assert lenient.outcome == "passed", lenient.reason
    without = completeness_evidence([profiles["sr_26_2"]], replace(card_inputs, performance=None), "d" * 64)
    strict = GATE.result(without, CompletenessRule(min_share=1.0))
    assert strict.outcome == "failed"
    assert "V.1.b" in strict.reason


@pytest.mark.parametrize(
    ("artefact", "change"),
    [
        ("proxy_test", {"screening": {}}),
        ("proxy_test", {"screening": {"proxies": [{"attribute": "female", "auc": None}]}}),
        ("proxy_test", {"screening": {"proxies": [{"attribute": "age", "auc": 0.6}]}}),
        ("reason_codes", {"explanations": {"reason_codes": None}}),
        ("reason_codes", {"explanations": {"reason_codes": {"adverse": 0, "explained": 0}}}),
        ("reason_fidelity", {"explanations": {"reason_codes": {"explained": 3, "faithful_share": None}}}),
        ("evaluation", {"performance": {"metrics": {}}}),
        ("calibration", {"calibration": None}),
        ("fairness", {"fairness": None}),
        ("data_profile", {"profile": None}),
        ("digests", {"digests": {}}),
        ("lineage", {"lineage": {}}),
        ("ml_bom", {"environment": {"packages": {}}}),
        ("exceptions", {"exceptions": None}),
        ("alternatives", {"candidates": [{"algorithm": "linear"}]}),
        ("change_log", {"changes": None}),
        ("input_checks", {"snapshot": {"rows": 3}}),
        ("retention_policy", {"policy": {}}),
        ("risk_register", {"risk_register": []}),
        ("robustness", {"robustness": None}),
        ("validation_report", {"validation": None}),
    ],
)
def test_an_automatic_answer_rests_on_content(card_inputs: CardInputs, artefact: str, change: dict):
    """Present with its content, missing without it; and about another version, or too old, stale."""
    full = replace(
        card_inputs, robustness={"drop": 0.01}, risk_register=[{"risk": "x"}],
        validation={"outcome": "approved", "valid_until": "2027-11-21T00:00:00Z"},
    )  # fmt: skip
    asked = profile(artefact, max_age_days=90)

    def verdict(inputs: CardInputs, at=ISSUED, version: str = "3") -> str:
        return assess(asked, artefacts_of_card(inputs, 7, "d" * 64, "cards/card.json"), at, version)[0].verdict

    assert verdict(full) == "present"
    assert verdict(replace(full, **change)) == "missing"
    assert verdict(full, version="4") == "stale"
    assert verdict(full, ISSUED + timedelta(days=91)) == "stale"


def test_each_answer_points_to_its_evidence(card_inputs: CardInputs, lived: Ledger):
    state = lived.state().model("sba_loan_default")
    artefacts = [*artefacts_of_card(card_inputs, 7, "d" * 64, "cards/card.json"), *artefacts_of_ledger(state, "3")]
    (finding,) = assess(profile("evaluation", "approval", "drift_report", "decision_log"), artefacts, ISSUED)
    assert {a.name: (a.record is not None) for a in finding.found} == dict.fromkeys(
        ("evaluation", "approval", "drift_report", "decision_log"), True
    )
    evaluation = next(a for a in finding.found if a.name == "evaluation")
    assert (evaluation.record, evaluation.digest, evaluation.file) == (7, "d" * 64, "cards/card.json")


def test_a_validation_answers_until_its_recorded_end(lived: Ledger, life: Life):
    life.clock.at = at("2015-02-01")
    life.validate("validator", "3", "approved", "Examined", "2016-02-01")
    state = lived.state().model("sba_loan_default")
    for when, verdict in (("2016-01-31", "present"), ("2016-02-01", "stale")):
        (finding,) = assess(profile("validation_report"), artefacts_of_ledger(state, "3"), at(when), "3")
        assert finding.verdict == verdict


def test_the_notice_of_adverse_action_is_not_answered_by_a_champion(card_inputs: CardInputs, lived: Ledger):
    state = lived.state().model("sba_loan_default")
    artefacts = [*artefacts_of_card(card_inputs), *artefacts_of_ledger(state, "3")]
    findings = {f.clause: f for f in assess(load_profiles(SHIPPED)["ecoa_reg_b"], artefacts, ISSUED)}
    assert findings["1002.9(a)(1)"].verdict == "missing"


@pytest.mark.parametrize(("name", "clause"), [("sr_26_2", "VII"), ("ss1_23", "2.6")])
def test_what_is_about_vendors_does_not_apply_to_the_banks_own_models(card_inputs: CardInputs, name: str, clause: str):
    findings = assess(load_profiles(SHIPPED)[name], artefacts_of_card(card_inputs), ISSUED)
    finding = next(f for f in findings if f.clause == clause)
    assert (finding.verdict, finding.words) == ("not_applicable", "not applicable")
    assert "models of vendors" in finding.why
    assert counts(findings)["not_applicable"] == 1
    assert clause not in {f.clause for f in due_at_card(findings)}


@pytest.mark.parametrize(
    ("name", "named", "words"),
    [
        ("sr_26_2", [], ""),
        ("ecoa_reg_b", [], "decisions on credit"),
        ("eu_ai_act", [], "decisions on credit"),
        ("ecoa_reg_b", ["ecoa_reg_b"], ""),
    ],
)
def test_profiles_on_credit_apply_to_the_models_that_the_bank_names(name: str, named: list[str], words: str):
    why = not_applicable(load_profiles(SHIPPED)[name], "binary", named)
    assert (words in why) if words else why == ""
