"""The risk tier on the card: declared, assessed, why, and of which ended models this one is a copy."""

from dataclasses import replace

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.markdown import card_markdown
from mlops_assets.evidence.card.model_card import build_card

ANSWER = {
    "question": "autonomy",
    "asked": "What happens then?",
    "answer": "advises",
    "meaning": "A person decides.",
    "why": "They do.",
}
ASSESSED = {
    "declared": "medium", "required": "low", "problem": "", "objection": "", "assessed": "low", "person": "vera",
    "role": "validator", "record": 12, "date": "2026-01-05T09:00:00Z", "expires": "2027-01-05T09:00:00Z", "answers": [ANSWER],
}  # fmt: skip


def text_of(inputs: CardInputs) -> str:
    return card_markdown(build_card(inputs)).replace("\\", "")


def test_who_assessed_it_and_with_which_answers(card_inputs: CardInputs) -> None:
    text = text_of(replace(card_inputs, tier=ASSESSED, copies=[]))
    for words in ("vera (validator), record 12", "2027-01-05", *list(ANSWER.values())[1:]):
        assert words in text
    assert "tier" not in build_card(replace(card_inputs, tier=ASSESSED)).missing


def test_what_stands_against_it(card_inputs: CardInputs) -> None:
    none = {"declared": "low", "required": "high", "problem": "it has no assessment of its tier", "objection": ""}
    copy = {"text": "It has the source and target of old, which was retired (record 3)."}
    text = text_of(replace(card_inputs, tier=none, copies=[copy]))
    assert "It has no assessment of its tier." in text
    assert copy["text"] in text


def test_without_it_the_section_is_missing(card_inputs: CardInputs) -> None:
    assert "tier" in build_card(replace(card_inputs, tier=None)).missing
