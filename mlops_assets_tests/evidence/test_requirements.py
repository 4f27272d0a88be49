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
    read_profile,
)
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.conftest import ISSUED, ROOT

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
        explanations={"importance": [], "reason_codes": {"coverage": 1.0}, "faithful": 1.0},
        monitoring_plan={"cadence": "month"},
        validation={"outcome": "approved", "valid_until": "2027-11-21T00:00:00Z"},
        risk_register=[{"risk": "x"}],
    )
    state = lived.state().model("sba_loan_default")
    made = {a.name for a in (*artefacts_of_card(full), *artefacts_of_ledger(state, "3"))}
    supplied_by_hand = {"conformity_attachment", "signature"}
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
    assert finding.words == f"evidence {verdict}"


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
