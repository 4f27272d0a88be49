"""A section of a bank's own is in every card, what it shows is covered by the digest, and its failure is missing evidence."""

import json
from dataclasses import replace

import pytest

from mlops_assets.evidence.blocks import Figure
from mlops_assets.evidence.card.card import Card
from mlops_assets.evidence.card.html import card_html
from mlops_assets.evidence.card.markdown import card_markdown
from mlops_assets.evidence.card.model_card import build_card
from mlops_assets.extensions import CardSection, Facts, Missing, Paragraph
from mlops_assets.registration import code_digest, registered


def section(build) -> CardSection:
    return CardSection("committee", "Model committee", build)


def card_with(card_inputs, build) -> Card:
    with registered(section(build)):
        return build_card(card_inputs)


def seen(inputs):
    return [Paragraph(f"{inputs.declaration.name} was discussed."), Facts((("Minutes", "2026-04"),))]


def test_it_is_shown_and_covered_by_the_digest(card_inputs):
    card = card_with(card_inputs, seen)
    assert (card.sections[-1].key, card.sections[-1].status) == ("committee", "present")
    for text in (card_markdown(card), card_html(card)):
        assert "Model committee" in text
        assert "was discussed" in text
    own = json.loads(card.json)["own_sections"]["committee"]
    assert own["code"] == code_digest(__name__)
    assert own["blocks"][1] == {"items": [["Minutes", "2026-04"]]}
    assert card.digest not in (build_card(card_inputs).digest, card_with(card_inputs, lambda i: "not discussed").digest)


def test_a_card_without_one_is_as_it_was(card_inputs):
    assert "own_sections" not in json.loads(build_card(card_inputs).json)


def raising(inputs):
    raise LookupError("no minutes")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (raising, "LookupError: no minutes"),
        (lambda i: 3, "build gave int"),
        (lambda i: [Paragraph("x"), "y"], "build gave str"),
        (lambda i: [Figure("f", "t", "a", "<svg/>")], "build gave Figure"),
    ],
)
def test_its_failure_is_missing_evidence_with_the_reason(card_inputs, build, reason):
    card = card_with(card_inputs, build)
    assert card.missing == (*build_card(card_inputs).missing, "committee")
    (block,) = card.sections[-1].blocks
    assert isinstance(block, Missing)
    assert reason in block.what
    assert reason in card_html(card)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="found 'summary' twice"), registered(replace(section(seen), name="summary")):
        pass
