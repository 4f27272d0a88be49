import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_assets.evidence.blocks import Figure, Table
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.html import card_html, safe_address
from mlops_assets.evidence.card.markdown import card_markdown, metadata
from mlops_assets.evidence.card.measurements import parameters_text
from mlops_assets.evidence.card.model_card import build_card, write_card
from mlops_assets.evidence.reading import table


def sections(inputs: CardInputs) -> dict[str, str]:
    return {s.key: s.status for s in build_card(inputs).sections}


def test_the_file_is_what_the_digest_is_over(card_inputs: CardInputs):
    card = build_card(card_inputs)
    assert hashlib.sha256(card.json.encode()).hexdigest() == card.digest
    assert json.loads(card.json)["evidence"]["performance"]["n"] == 1000


@pytest.mark.parametrize(
    ("change", "same", "why"),
    [
        (
            {"approvals": {"status": "approved", "counted": [["validator", "validator", 9]]}},
            True,
            "approvals sign the digest",
        ),
        ({"issued_at": None}, False, "the time is part of the card"),
        ({"version": "4"}, False, "another version"),
        ({"exceptions": [{"gate": "fairness"}]}, False, "evidence changed"),
    ],
)
def test_digest(card_inputs: CardInputs, change: dict, same: bool, why: str):
    if "issued_at" in change:
        change = {"issued_at": card_inputs.issued_at + timedelta(seconds=1)}
    other = replace(card_inputs, **change)
    assert (build_card(other).digest == build_card(card_inputs).digest) is same, why


def test_a_decision_on_the_card_does_not_change_what_it_decided_on(card_inputs: CardInputs):
    decided = [*(card_inputs.decisions or ()), {"gate": "completeness", "outcome": "passed"}]
    assert build_card(replace(card_inputs, decisions=decided)).digest == build_card(card_inputs).digest
    other = [*(card_inputs.decisions or ()), {"gate": "slices", "outcome": "passed"}]
    assert build_card(replace(card_inputs, decisions=other)).digest != build_card(card_inputs).digest


@pytest.mark.parametrize(
    ("required", "status"),
    [(True, "missing"), (False, "not_applicable")],
    ids=["the policy asks for a validation", "it does not"],
)
def test_a_validation_is_missing_only_where_the_policy_asks_for_one(
    card_inputs: CardInputs, required: bool, status: str
):
    tier = {**(card_inputs.policy or {}), "validation": {"required": required}}
    none = replace(card_inputs, validation=None, findings=[], policy=tier)
    assert sections(none)["findings"] == status


@pytest.mark.parametrize(
    ("field", "section"),
    [
        ("snapshot", "data"),
        ("profile", "features"),
        ("screening", "screening"),
        ("candidates", "candidates"),
        ("performance", "performance"),
        ("comparison", "comparison"),
        ("calibration", "calibration"),
        ("fairness", "fairness"),
        ("explanations", "explanations"),
        ("decisions", "decisions"),
        ("policy", "decisions"),
        ("exceptions", "exceptions"),
        ("digests", "provenance"),
        ("changes", "changes"),
    ],
)
def test_what_was_not_supplied_is_said_to_be_missing(card_inputs: CardInputs, field: str, section: str):
    card = build_card(replace(card_inputs, **{field: None}))
    assert section in card.missing
    assert "Evidence missing:" in card_html(card)
    assert "**Evidence missing:**" in card_markdown(card)


def test_a_bare_declaration_gives_a_card_that_is_honest(card_inputs: CardInputs):
    bare = CardInputs(declaration=card_inputs.declaration, version="1", issued_at=card_inputs.issued_at)
    found = sections(bare)
    assert {k for k, s in found.items() if s == "present"} == {"summary", "intended_use", "limitations"}
    assert found["monitoring"] == "not_applicable", "the table has no time"


def test_numbers_are_shown_with_their_intervals(card_inputs: CardInputs):
    auc = (card_inputs.performance or {})["metrics"]["roc_auc"]
    text = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    card = build_card(card_inputs)
    assert text in card_markdown(card)
    assert text in card_html(card)


def test_html_stands_alone(card_inputs: CardInputs):
    page = card_html(build_card(card_inputs))
    assert "<script" not in page
    assert 'src="http' not in page
    assert "@import" not in page
    assert "url(http" not in page
    assert page.count("<svg") == 5, "ROC, score, calibration, fairness, importance"


def test_what_people_wrote_is_never_markup(card_inputs: CardInputs):
    evil = "<script>alert(1)</script> | [x](javascript:y)"
    groups = [{"group": evil, "n": 10, "selection_rate": 0.5}, {"group": "b", "n": 10, "selection_rate": 0.4}]
    decisions = [{"gate": "performance", "outcome": "failed", "reason": evil}]
    inputs = replace(
        card_inputs, fairness={"attributes": [{"attribute": "female", "groups": groups}]}, decisions=decisions
    )
    card = build_card(inputs)
    assert "<script" not in card_html(card)
    markdown = card_markdown(card)
    assert "<script" not in markdown
    assert r"\| \[x\]" in markdown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("cards/a.html#x", "cards/a.html#x"),
        ("http://127.0.0.1:5000/#/runs/1", "http://127.0.0.1:5000/#/runs/1"),
        ("javascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ("a/b:c.html", "a/b:c.html"),
    ],
)
def test_links_go_to_pages_only(address: str, shown: str):
    assert safe_address(address) == shown


def test_front_matter_is_hugging_face_metadata(card_inputs: CardInputs):
    import yaml

    card = build_card(card_inputs)
    head = yaml.safe_load(card_markdown(card).split("---")[1])
    assert head == metadata(card)
    assert head["pipeline_tag"] == "tabular-classification"
    metrics = {m["type"]: m["value"] for m in head["model-index"][0]["results"][0]["metrics"]}
    assert metrics["roc_auc"] == (card_inputs.performance or {})["metrics"]["roc_auc"]["value"]


def test_written_twice_gives_the_same_bytes(card_inputs: CardInputs, tmp_path):
    first = write_card(build_card(card_inputs), tmp_path / "a")
    second = write_card(build_card(card_inputs), tmp_path / "b")
    assert {k: p.read_bytes() for k, p in first.items()} == {k: p.read_bytes() for k, p in second.items()}
    assert {p.name for p in (tmp_path / "a" / "plots").iterdir()} >= {"roc.svg", "calibration.svg", "importance.svg"}


def test_a_number_that_is_none_is_refused_with_its_place(card_inputs: CardInputs):
    with pytest.raises(ValueError, match=r"calibration\.ece"):
        build_card(replace(card_inputs, calibration={"ece": float("nan")}))


def test_shapes_that_the_stages_record(card_inputs: CardInputs):
    candidates = [
        {
            "label": "linear",
            "algorithm": "linear",
            "metric": "roc_auc",
            "cv_mean": {"roc_auc": 0.721},
            "fit_seconds": 1.2,
        },
        {"label": "forest", "algorithm": "random_forest", "metric": "roc_auc", "cv_mean": {"roc_auc": 0.702}},
    ]
    text = card_markdown(build_card(replace(card_inputs, candidates=candidates)))
    assert "| Linear | 0.721 | yes |" in text
    assert "| Forest | 0.702 | no |" in text
    assert "Mean loss of ROC AUC when the feature is shuffled, on 1,000 held-out rows" in text
    assert "| Removal | 99.0% | share of reasons" in text


def test_names_of_pictures_are_names_of_files(card_inputs: CardInputs, tmp_path):
    groups = [{"group": "a", "n": 9, "selection_rate": 0.5}, {"group": "b", "n": 9, "selection_rate": 0.4}]
    crossed = replace(card_inputs, fairness={"attributes": [{"attribute": "../sex × age", "groups": groups}]})
    write_card(build_card(crossed), tmp_path / "card")
    assert (tmp_path / "card" / "plots" / "fairness__sex_age.svg").is_file()


def test_gate_decisions_show_which_gates_the_policy_requires(card_inputs: CardInputs):
    policy = {**(card_inputs.policy or {}), "gates": {"performance": {"required": True}, "slices": {"required": False}}}
    found = [{"gate": g, "outcome": "failed", "reason": "below"} for g in ("performance", "slices", "proxy")]
    card = build_card(replace(card_inputs, policy=policy, decisions=found))
    text = card_markdown(card)
    assert "| Performance | yes | failed |" in text
    assert "| Slices | no | failed |" in text
    assert "| Proxy | not known | failed |" in text
    (section,) = (s for s in card.sections if s.key == "decisions")
    table = next(b for b in section.blocks if isinstance(b, Table))
    assert table.tones == ("bad", "plain", "bad")


def test_a_card_does_not_call_approvals_missing_that_are_signed_over_it(card_inputs: CardInputs):
    card = build_card(card_inputs)
    assert "approvals" not in card.missing
    assert "issued before anybody signs" in card_markdown(card)


def test_the_phrases_of_adverse_action_notices_stand_beside_the_meaning_of_the_feature(card_inputs: CardInputs):
    text = card_markdown(build_card(card_inputs)).replace("\\", "")
    assert "| Meaning | Phrase in adverse-action notices |" in text
    assert "| Credit limit (NT dollar). | Credit limit |" in text


@pytest.mark.parametrize(
    ("fitted", "words"),
    [
        (30, "was fitted on 30 of them, which are left out"),
        (0, "was fitted on none of them."),
        (None, "was fitted on is not known"),
    ],
)
def test_the_comparison_says_which_attempt_on_the_rows_it_was(card_inputs: CardInputs, fitted: int | None, words: str):
    compared = {"reason": "no worse", "holdout": "ab" * 32, "attempt": 2, "alpha": 1 / 120, "fitted_rows": fitted}
    text = card_markdown(build_card(replace(card_inputs, comparison=compared)))
    assert "This is comparison 2 with a champion on these held-out rows (abababababab)" in text
    assert words in text


def test_conclusions_about_clauses_are_listed_and_a_card_without_them_keeps_its_digest(card_inputs: CardInputs):
    one = {
        "profile": "sr_26_2", "clause": "V.1.a", "outcome": "not_answered", "rationale": "No proxy was examined.",
        "person": "vera", "role": "validator", "evidence": "e" * 64, "record": 57,
    }  # fmt: skip
    assert build_card(replace(card_inputs, conclusions=[])).digest == build_card(card_inputs).digest
    card = build_card(replace(card_inputs, conclusions=[one]))
    assert card.digest != build_card(card_inputs).digest
    assert card.missing == build_card(card_inputs).missing
    shown = [line for line in card_markdown(card).replace("\\", "").splitlines() if "V.1.a" in line]
    assert shown == ["| sr_26_2 | V.1.a | not answered | No proxy was examined. | vera | validator | 57 |"]


def test_the_groups_of_an_attribute_are_drawn_by_the_value_that_the_title_names(card_inputs: CardInputs):
    def group(name: str, rate: float) -> dict:
        return {
            "accuracy": 0.6, "base_rate": 0.907, "group": name, "high": rate + 0.1, "low": rate - 0.1, "mean_error": 0.01,
            "measurable": True, "n": 800, "selection_rate": rate,
        }  # fmt: skip

    evidence = {"attributes": [{"attribute": "sex", "groups": [group("F", 0.5), group("M", 0.6)]}]}
    card = build_card(replace(card_inputs, fairness=evidence))
    (shown,) = [s for s in card.sections if s.key == "fairness"]
    (drawn,) = [b for b in shown.blocks if isinstance(b, Figure)]
    assert drawn.title == "Favourable decisions, share by sex"
    assert drawn.alt.endswith("for 2 of 2.")
    (groups,) = [b for b in shown.blocks if isinstance(b, Table)]
    assert groups.columns[:4] == ("Group", "Rows", "Favourable decisions, share", "Favourable outcomes, share")
    assert "Base rate" not in groups.columns, (
        "under Performance it is the share of events, which need not be favourable"
    )


def test_a_table_of_evidence_begins_with_what_its_rows_are_about():
    rows = [{"auc": 0.55, "feature": "income", "rows": 100}]
    assert table(rows).columns == ("Feature", "AUC", "Rows")


def test_the_card_says_where_each_row_of_the_source_is(card_inputs: CardInputs):
    account = {
        "training": 6937,
        "late": 14,
        "quarantined": 497,
        "copies": 0,
        "rows": 7448,
        "late_by_window": {"2024-08-01": 14},
    }
    card = build_card(replace(card_inputs, snapshot={**(card_inputs.snapshot or {}), "account": account}))
    (shown,) = [s for s in card.sections if s.key == "data"]
    (places,) = [b for b in shown.blocks if isinstance(b, Table) and b.title == "Where each row of the source is"]
    assert places.rows == (
        ("training", "6,937"), ("late (window 2024-08-01: 14)", "14"), ("quarantined", "497"), ("in the source", "7,448"),
    )  # fmt: skip


def test_parameters_are_shown_as_the_library_names_them():
    parameters = {"C": 1.0, "penalty": "deprecated", "random_state": 20261121, "class_weight": None, "n_jobs": 1}
    assert parameters_text(parameters) == "C = 1.0, random_state = 20261121"


def test_moments_columns_and_measures_are_written_for_people(card_inputs: CardInputs):
    changed = replace(
        card_inputs,
        screening={"proxies": [{"attribute": "female", "auc": 0.6, "features": {"pay_0": 0.5, "bill_amt1": 0.6}}]},
        validation={"outcome": "approved", "date": "2026-11-29 09:42:36.081793+00:00"},
        fairness={"attributes": [{"attribute": "female", "disparities": [{"name": "demographic_parity_ratio", "value": 0.9}]}]},
    )  # fmt: skip
    text = card_markdown(build_card(changed))
    assert "bill_amt1 0.600, pay_0 0.500" in text.replace("\\_", "_")
    assert "2026-11-29 09:42 UTC" in text
    assert "081793" not in text
    assert "| Demographic parity ratio | 0.900 |" in text
