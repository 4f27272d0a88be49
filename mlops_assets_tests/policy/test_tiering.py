"""Questions and rules of the tiers as a file, and the answers to them."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from mlops_assets.ledger.tiering import TIERS, rank, tier_of
from mlops_assets.policy.reading import PolicyError
from mlops_assets.policy.tiering import FILE, load_tiering, read_answers, starter
from mlops_assets_tests.governance.assessments import TIERING

RULES = TIERING.model_dump(mode="json")


def test_every_tier_follows_from_some_answers():
    for tier in TIERS:
        given = TIERING.example(tier)
        assert given is not None
        assert TIERING.tier(given) == tier


def test_a_graver_answer_never_lowers_the_tier():
    """The answers of each question are in order of gravity, in the shipped file."""
    names = list(TIERING.questions)
    offered = {name: list(question.answers) for name, question in TIERING.questions.items()}
    for chosen in product(*offered.values()):
        answers = dict(zip(names, chosen, strict=True))
        for name in names:
            place = offered[name].index(answers[name])
            if place + 1 < len(offered[name]):
                graver = {**answers, name: offered[name][place + 1]}
                assert rank(TIERING.tier(graver)) >= rank(TIERING.tier(answers))


def test_a_decision_about_people_by_the_model_alone_is_high():
    answers = {"materiality": "low", "complexity": "low", "autonomy": "decides", "people_affected": "directly"}
    assert tier_of(RULES, answers) == "high"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"materiality": "huge"}, "materiality: found 'huge', expected one of low, moderate, high"),
        ({"materiality": ""}, "materiality: found no answer"),
        ({"weather": "fine"}, "found an answer to 'weather', expected one of the questions materiality"),
    ],
)
def test_answers_that_are_not_offered(change, words):
    with pytest.raises(ValueError, match=words):
        TIERING.tier({**(TIERING.example("low") or {}), **change})


@pytest.mark.parametrize("rules", [{}, {"questions": {}}, {"questions": 3}, {"questions": {"a": {"answers": None}}}])
def test_recorded_rules_that_cannot_be_read(rules):
    with pytest.raises(ValueError, match="the rules of the tiers cannot be read"):
        tier_of(rules, {})


def test_the_starter_is_refused_until_it_is_filled_in(tmp_path: Path):
    path = tmp_path / "answers.yaml"
    path.write_text(starter("loans", "Order of\nthe reminder calls.", TIERING))
    with pytest.raises(PolicyError, match="found nothing for ") as refused:
        read_answers(path, "loans", TIERING)
    assert all(f"{name} (answer and why)" in str(refused.value) for name in TIERING.questions), "all of them at once"
    text = path.read_text()
    for name in TIERING.questions:
        assert f"  {name}:" in text
    filled = yaml.safe_load(text)
    for name, answer in (TIERING.example("medium") or {}).items():
        filled["answers"][name] = {"answer": answer, "why": "seen in the books"}
    path.write_text(yaml.safe_dump(filled))
    given = read_answers(path, "loans", TIERING)
    assert TIERING.tier({name: one.answer for name, one in given.items()}) == "medium"
    with pytest.raises(PolicyError, match="model: found 'loans', expected 'cards'"):
        read_answers(path, "cards", TIERING)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("materiality: [high]}", "materialty: [high]}", "found 'materialty', expected one of the questions"),
        (
            "materiality: [high]}",
            "materiality: [huge]}",
            "materiality: found huge, expected some of low, moderate, high",
        ),
        ("materiality: [high]}", "materiality: []}", "materiality: found no answer"),
        ("tier: high", "tier: medium", "found no rule for tier high"),
        ("otherwise: low", "otherwise: none", "otherwise"),
        ("otherwise: low", "other: low", "unknown field"),
        ("rules:\n", "rules: []\nrest:\n", "rules"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, old, new, words):
    import mlops_assets

    text = (Path(mlops_assets.__file__).parent / "config" / FILE).read_text()
    assert old in text
    (tmp_path / FILE).write_text(text.replace(old, new))
    with pytest.raises(PolicyError, match=words):
        load_tiering(tmp_path)


def test_a_project_without_the_file_says_so(tmp_path: Path):
    with pytest.raises(PolicyError, match="expected the questions and rules of tier assessments"):
        load_tiering(tmp_path)
