from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.texts import CardText
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements.artefacts import (
    ARTEFACTS,
    Artefact,
    artefacts_of_card,
    artefacts_of_ledger,
)
from mlops_assets.evidence.requirements.assessment import (
    ClauseFinding,
    Conclusion,
    assess,
    completeness_evidence,
    counts,
    due_at_card,
    evidence_digest,
)
from mlops_assets.evidence.requirements.profiles import (
    Clause,
    Profile,
    ProfileError,
    applicable,
    load_profiles,
    not_applicable,
    read_profile,
)
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.declaration.test_external import VENDOR, declared
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
    bought = replace(full, declaration=vendors_model(VENDOR_FACTS))
    made = {a.name for a in (*artefacts_of_card(full), *artefacts_of_card(bought), *artefacts_of_ledger(state, "3"))}
    supplied_by_hand = {"conformity_attachment", "signature", "adverse_action_notice"}
    assert set(ARTEFACTS) - made == supplied_by_hand


VENDOR_FACTS = {
    **VENDOR,
    "contract": "MSA 1",
    "right_to_audit": True,
    "version_notices": "by mail",
    "documents": [{"title": "Validation report", "sha256": 64 * "a"}],
}


def test_facts_about_a_supplier_count_only_where_all_are_declared(card_inputs: CardInputs):
    for facts, there in ((VENDOR_FACTS, True), (VENDOR, False)):
        found = artefacts_of_card(replace(card_inputs, declaration=vendors_model(facts)))
        assert ("supplier" in {a.name for a in found}) is there


def vendors_model(facts: dict) -> Declaration:
    return declared(external=facts)


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
    assert finding.words == f"evidence {verdict}; a person must conclude"
    assert not finding.answered


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
    found, declared = load_profiles(SHIPPED).values(), card_inputs.declaration
    falls_under = declared.model_copy(update={"requirements": ("ecoa_reg_b",)})
    assert [p.profile for p in applicable(found, declared)] == ["sr_26_2", "ss1_23"]
    for all_three in (applicable(found, falls_under), applicable(found, declared, ["ecoa_reg_b"])):
        assert [p.profile for p in all_three] == ["ecoa_reg_b", "sr_26_2", "ss1_23"]


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
        ("fairness", {"declaration": {"protected": ()}}),
        ("proxy_test", {"declaration": {"protected": ()}}),
        ("slices", {"slices": None}),
        ("slices", {"declaration": {"slices": ()}}),
        ("monitoring_plan", {"monitoring_plan": None}),
        ("feature_list", {"declaration": {"features": {}}}),
        ("human_oversight", {"declaration": {"card": CardText()}}),
        ("intended_use", {"declaration": {"intended_use": ""}}),
        ("limitations", {"declaration": {"card": CardText()}}),
        ("validation_due", {"validation": {"outcome": "approved"}}),
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
        card_inputs, robustness={"drop": 0.01}, risk_register=[{"risk": "x"}], slices=[{"slice": "a"}],
        validation={"outcome": "approved", "valid_until": "2027-11-21T00:00:00Z"}, monitoring_plan={"cadence": "month"},
    )  # fmt: skip
    if isinstance(declared := change.get("declaration"), dict):
        change = {"declaration": card_inputs.declaration.model_copy(update=declared)}
    # The date until which a validation counts has no age of its own.
    asked = profile(artefact, max_age_days=None if artefact == "validation_due" else 90)
    late = timedelta(days=400 if artefact == "validation_due" else 91)

    def verdict(inputs: CardInputs, at=ISSUED, version: str = "3") -> str:
        return assess(asked, artefacts_of_card(inputs, 7, "d" * 64, "cards/card.json"), at, version)[0].verdict

    assert verdict(full) == "present"
    assert verdict(replace(full, **change)) == "missing"
    assert verdict(full, version="4") == "stale"
    assert verdict(full, ISSUED + late) == "stale"


AUTOMATIC = [
    pytest.param(p, clause, id=f"{p.profile}-{clause.id}")
    for p in load_profiles(SHIPPED).values()
    for clause in p.clauses
    if clause.by == "automatic"
]


@pytest.mark.parametrize(("asked", "clause"), AUTOMATIC)
def test_an_automatic_rule_with_evidence_present_missing_stale_and_not_applicable(
    card_inputs: CardInputs, asked: Profile, clause: Clause
):
    def found(artefacts: list[Artefact], of: Profile = asked) -> ClauseFinding:
        return next(f for f in assess(of, artefacts, ISSUED, "3") if f.clause == clause.id)

    whole = [Artefact(name, of_version="3") for name in clause.artefacts]
    assert (found(whole).verdict, found(whole).words, found(whole).answered) == ("present", "evidence present", True)
    for name in clause.artefacts:
        others = [a for a in whole if a.name != name]
        lacking = found(others)
        assert (lacking.verdict, lacking.missing, lacking.answered) == ("missing", (name,), False)
        for old in (Artefact(name, of_version="2"), Artefact(name, of_version="3", valid_until=ISSUED)):
            outdated = found([*others, old])
            assert (outdated.verdict, outdated.stale[0][0], outdated.answered) == ("stale", name, False)
    about_vendors = replace_clause(asked, clause.model_copy(update={"vendor_only": True}))
    assert found(whole, about_vendors).verdict == "not_applicable"
    replaced = asked.model_copy(update={"superseded_by": "another"})
    assert not_applicable(replaced, card_inputs.declaration, [asked.profile]) == "it was replaced by another"


def replace_clause(of: Profile, clause: Clause) -> Profile:
    return of.model_copy(update={"clauses": tuple(clause if c.id == clause.id else c for c in of.clauses)})


def concluded(outcome: str, artefacts: list[Artefact], **changes) -> Conclusion:
    known = {
        "profile": "p", "clause": "1", "outcome": outcome, "rationale": "examined", "person": "validator",
        "role": "validator", "evidence": evidence_digest(artefacts), "record": 9,
    }  # fmt: skip
    return Conclusion(**{**known, **changes})


@pytest.mark.parametrize(
    ("outcome", "verdict", "answered"),
    [
        ("answered", "present", True),
        ("not_answered", "insufficient", False),
        ("not_applicable", "not_applicable", True),
    ],
)
def test_a_person_concludes(outcome: str, verdict: str, answered: bool):
    there = [Artefact("calibration", content="a" * 64, of_version="3")]
    (finding,) = assess(profile("calibration"), there, ISSUED, "3", [concluded(outcome, there)])
    assert (finding.verdict, finding.answered, finding.judgement) == (verdict, answered, "concluded")
    assert "concluded by validator (record 9)" in finding.words


def test_the_last_conclusion_counts_and_another_clause_has_none():
    there = [Artefact("calibration")]
    two = [concluded("answered", there), concluded("not_answered", there, record=10)]
    assert assess(profile("calibration"), there, ISSUED, "", two)[0].verdict == "insufficient"
    (other,) = assess(profile("calibration"), there, ISSUED, "", [concluded("answered", there, clause="2")])
    assert other.judgement == "waiting"


def test_a_conclusion_is_withdrawn_when_its_evidence_changes():
    seen = [Artefact("calibration", content="a" * 64, digest="1" * 64), Artefact("drift_report", record=4)]
    later = [Artefact("calibration", content="a" * 64, digest="2" * 64), Artefact("drift_report", record=5)]
    changed = [Artefact("calibration", content="b" * 64), later[1]]
    asked = profile("calibration", "drift_report")

    def finding(artefacts: list[Artefact]) -> ClauseFinding:
        return assess(asked, artefacts, ISSUED, "", [concluded("answered", seen)])[0]

    assert finding(later).answered, "another edition of the card, and one more window in the log"
    assert (finding(changed).judgement, finding(changed).answered) == ("withdrawn", False)
    assert "withdrawn, because the evidence has changed" in finding(changed).words


def test_nobody_concludes_what_the_records_answer():
    clause = profile("calibration").clauses[0].model_copy(update={"by": "automatic"})
    asked = replace_clause(profile("calibration"), clause)
    there = [Artefact("calibration")]
    (finding,) = assess(asked, there, ISSUED, "", [concluded("not_answered", there)])
    assert (finding.verdict, finding.judgement) == ("present", "")


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
def test_profiles_on_credit_apply_to_the_models_that_the_bank_names(
    card_inputs: CardInputs, name: str, named: list[str], words: str
):
    why = not_applicable(load_profiles(SHIPPED)[name], card_inputs.declaration, named)
    assert (words in why) if words else why == ""
