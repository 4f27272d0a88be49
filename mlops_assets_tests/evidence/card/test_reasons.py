from mlops_assets.evaluation.reasons.examination import ReasonCodeReport
from mlops_assets.evidence.blocks import Facts, Paragraph, Table
from mlops_assets.evidence.card.reasons import reason_code_blocks

REPORT = ReasonCodeReport(
    adverse=300, explained=300, most_codes=4, codes=900, faithful=810, coverage=1.0, faithful_share=0.9, drop=0.2,
    random_drop=0.01, drop_error=0.004, least_share=0.06, shapley_agreement=0.97, shapley_first=0.95, shapley_error=0.02,
    shapley_exact=False, stable_first=0.96, stable=0.98, tested=900, supported=720, not_supported=("colour",),
    correlated=(("income", "salary"),), frequent={"income": 280, "colour": 20},
    examples=({"score": 0.7, "reasons": [{"feature": "income", "contribution": 0.3, "phrase": "Income is low"}]},),
)  # fmt: skip
DECISION = {"gate": "reason_codes", "rule": "65% of reasons faithful"}


def test_a_card_says_what_each_test_found_and_what_it_means():
    blocks = reason_code_blocks(REPORT.to_dict(), [DECISION])
    tests, frequent, examples = (b for b in blocks if isinstance(b, Table))
    assert [row[:2] for row in tests.rows] == [
        ("Removal", "90.0%"),
        ("Shapley values", "97.0%"),
        ("Shapley values, first reason", "95.0%"),
        ("Stability", "96.0%"),
        ("Stability, all reasons", "98.0%"),
        ("Outcomes", "80.0%"),
    ]
    assert frequent.rows[0][0] == "income"
    assert "Income is low" in examples.rows[0]
    text = " ".join(b.text for b in blocks if isinstance(b, Paragraph))
    for part in (
        "300 of 300",
        "income, salary",
        "do not show that they help, each by itself: colour",
        "65% of reasons faithful",
    ):
        assert part in text


def test_evidence_without_tests_shows_what_it_has_and_invents_nothing():
    blocks = reason_code_blocks({"adverse": 3, "explained": 3, "faithful_share": 0.99, "bank's own": 7}, [])
    (tests,) = (b for b in blocks if isinstance(b, Table))
    assert [row[:2] for row in tests.rows] == [("Removal", "99.0%")]
    (facts,) = (b for b in blocks if isinstance(b, Facts))
    assert ("Bank's own", "7") in facts.items
