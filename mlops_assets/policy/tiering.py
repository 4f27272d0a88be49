"""The questions of a tier assessment, and the rules that map its answers to a tier: one YAML beside the policies.

Which roles may assess, and for how long an assessment counts, is in the policy of each tier. Applying the rules to recorded
answers is `ledger.tiering`'s; signing an assessment is `governance.tiers`'.
"""

import itertools
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.tiers import TierAnswer
from mlops_assets.ledger.tiering import HIGHEST, tier_of
from mlops_assets.policy.reading import PolicyError, read_document

FILE = "tiering.yaml"
"""Name of the file, in the folder that holds the folder of the policies."""
TierName = Literal["high", "medium", "low"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Question(_Part):
    """One question, and the answers that it offers."""

    ask: str = Field(min_length=3)
    """The question, as a person reads it."""
    answers: dict[str, str] = Field(min_length=2)
    """What each answer means, by its short name."""


class TierRule(_Part):
    """A tier, and the answers for which it is the least."""

    tier: TierName
    """The tier that applies, unless another rule gives a higher one."""
    when: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Answers by question; the rule applies where each of these questions has one of its answers."""


class Tiering(_Part):
    """Questions and rules of the bank."""

    questions: dict[str, Question] = Field(min_length=1)
    """The questions, in the order in which they are asked."""
    rules: tuple[TierRule, ...] = Field(min_length=1)
    """The highest tier of all rules that apply counts."""
    otherwise: TierName
    """The tier where no rule applies."""

    @model_validator(mode="after")
    def _rules_name_what_is_asked(self) -> Self:
        for number, rule in enumerate(self.rules, 1):
            for name, accepted in rule.when.items():
                if name not in self.questions:
                    raise ValueError(
                        f"rule {number}: found {name!r}, expected one of the questions {', '.join(self.questions)}"
                    )
                offered = self.questions[name].answers
                unknown = [answer for answer in accepted if answer not in offered]
                if unknown or not accepted:
                    found = ", ".join(unknown) or "no answer"
                    raise ValueError(f"rule {number}: {name}: found {found}, expected some of {', '.join(offered)}")
        if HIGHEST not in (self.otherwise, *(rule.tier for rule in self.rules)):
            raise ValueError(f"found no rule for tier {HIGHEST}, expected at least one")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of every field."""
        return digest(self.model_dump(mode="json"))

    def tier(self, answers: Mapping[str, str]) -> str:
        """The tier that follows from the answers.

        Raises:
            ValueError: see `ledger.tiering.tier_of`.
        """
        return tier_of(self.model_dump(mode="json"), answers)

    def example(self, tier: str) -> dict[str, str] | None:
        """The first answers, in the order of the file, from which a tier follows; None where none lead to it."""
        names = list(self.questions)
        for chosen in itertools.product(*(self.questions[name].answers for name in names)):
            answers = dict(zip(names, chosen, strict=True))
            if self.tier(answers) == tier:
                return answers
        return None


class GivenAnswer(BaseModel):
    """One answer as the file has it, which may not be filled in yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: str = ""
    """One of those that the question offers."""
    why: str = ""
    """The reason, in a sentence."""


class Answers(_Part):
    """A person's answers, as a file."""

    model: str
    """Name of the model that they are about."""
    answers: dict[str, GivenAnswer]
    """By question: `answer`, one of those offered, and `why`, the reason."""


def load_tiering(config: Path) -> Tiering:
    """Questions and rules in a project's `config` folder.

    Raises:
        PolicyError: the file is missing or has mistakes: a line for each.
    """
    path = config / FILE
    if not path.is_file():
        raise PolicyError(
            f"{path}: found no such file, expected the questions and rules of tier assessments; `mlops init` writes one "
            "into a new project, from where it can be copied"
        )
    return read_document(path, Tiering)


def read_answers(path: Path, model: str, tiering: Tiering) -> dict[str, TierAnswer]:
    """The answers in a file.

    Raises:
        PolicyError: it cannot be read, is about another model, or leaves a question without an answer or a reason.
    """
    found = read_document(path, Answers)
    if found.model != model:
        raise PolicyError(f"{path}: model: found {found.model!r}, expected {model!r}")
    lacking = [
        f"{name} ({' and '.join(parts)})"
        for name, one in found.answers.items()
        if (parts := [part for part in ("answer", "why") if not getattr(one, part).strip()])
    ]
    if lacking:
        raise PolicyError(
            f"{path}: found nothing for {', '.join(lacking)}; put one of the offered answers behind `answer:`, and the reason "
            "behind `why:`"
        )
    answers = {name: TierAnswer(answer=one.answer, why=one.why) for name, one in found.answers.items()}
    try:
        tiering.tier({name: one.answer for name, one in answers.items()})
    except ValueError as error:
        raise PolicyError(f"{path}: answers: {error}") from None
    return answers


def starter(model: str, purpose: str, tiering: Tiering) -> str:
    """A file of answers to fill in: each question with what it offers."""
    lines = [
        f"# Tier assessment of {model}: {' '.join(purpose.split())}",
        "# Put one of the offered answers behind each `answer:`, and the reason behind `why:`.",
        f"model: {model}",
        "answers:",
    ]
    for name, question in tiering.questions.items():
        lines += ["", f"  # {' '.join(question.ask.split())}"]
        lines += [f"  #   {answer}: {' '.join(text.split())}" for answer, text in question.answers.items()]
        lines += [f"  {name}:", '    answer: ""', '    why: ""']
    return "\n".join(lines) + "\n"
