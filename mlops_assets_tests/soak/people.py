"""The people of the soak: they look at `mlops status --json` and do what it asks for, as roles with keys of their own."""

import io
import json
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.cli import main
from mlops_assets.policy.tiering import load_tiering
from mlops_assets_tests.soak.bank import PACKAGE, Bank

REASON = "Seen in the soak: the evidence was looked at."
ASKED = ("tier", "policy", "approval", "validation", "intervention", "retraining")
"""Kinds of items that ask for a signature."""


@dataclass
class People:
    """Who acts when the system asks.

    Attributes:
        bank: their project.
        attempts: how often a command is given that ends with an error, such as one that a killed database breaks off.
        signed: how often each kind of item was dealt with.
        left: titles of items of a kind that nobody here deals with.
    """

    bank: Bank
    attempts: int = 1
    signed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def items(self) -> list[dict[str, Any]]:
        """What the system asks of people now."""
        rows = json.loads(self.mlops("status", "--json"))
        return [item for row in rows for item in row["needs_attention"]]

    def act(self) -> int:
        """Do what is asked now; returns how many commands were given."""
        given, before = 0, Counter[tuple[str, str]]()
        for item in self.items():
            wanted = item["kind"] in ASKED and item["command"]
            if not wanted or (item["kind"] == "retraining" and not item["title"].startswith("Declaration changed")):
                self.left[f"{item['kind']}: {item['title']}"] += 1
                continue
            about = (item["model"], item["kind"])
            self.mlops(*self._filled(item, self._role(item, before[about])))
            self.signed[item["kind"]] += 1
            before[about] += 1
            given += 1
        return given

    def close_incidents(self) -> list[str]:
        """Acknowledge and close every open incident, those of the fleet as well; returns their ids."""
        found = json.loads(self.mlops("incident", "list", "--json"))
        for incident in found:
            self.mlops("incident", "ack", incident["id"], "--key", self.bank.key("model-risk"), "--note", REASON)
            self.mlops(
                *("incident", "close", incident["id"], "--disposition", "true"),
                *("--key", self.bank.key("model-risk"), "--note", REASON),
            )
        return [incident["id"] for incident in found]

    def mlops(self, *words: str) -> str:
        """A command of `mlops`, given in this process as its command line gives it."""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(5)
            code, said, complained = self._once(words)
            # A command that breaks off ends with 1 as well, and prints an error alone.
            if code == 0 or (code == 1 and (said or attempt == self.attempts - 1)):
                return said
            if attempt == self.attempts - 1:
                raise AssertionError(f"mlops {shlex.join(words)}: exit code {code}\n{said}{complained}")
        return ""

    def _once(self, words: Sequence[str]) -> tuple[object, str, str]:
        """Exit code of a command, what it prints, and what it complains about."""
        said, complained, code = io.StringIO(), io.StringIO(), None
        with redirect_stdout(said), redirect_stderr(complained):
            try:
                main(["--project", str(self.bank.root), *words])
            except SystemExit as end:
                code = end.code
        return code, said.getvalue(), complained.getvalue()

    def _role(self, item: dict[str, Any], place: int) -> str:
        """Who signs: of several items about one version, each is for another of the roles that are asked for."""
        if item["kind"] == "retraining":
            return "developer"
        asked = [
            part.strip().rpartition(" ")[2] for part in item["who"].replace(" or ", ",").split(",") if part.strip()
        ]
        return asked[min(place, len(asked) - 1)] if asked else "model-risk"

    def _filled(self, item: dict[str, Any], role: str) -> list[str]:
        """The printed command as words, with what a person puts in."""
        known = {"KEY.pem": self.bank.key(role), "TEXT": REASON, "…": REASON, "OUTCOME": "approved"}
        if "FILE" in item["command"]:
            known["FILE"] = str(self._answers(item["model"]))
        return [known.get(word, word) for word in shlex.split(item["command"])[1:]]

    def _answers(self, model: str) -> Path:
        """The questions about a model's tier, answered so that the declared tier follows."""
        questions = yaml.safe_load(self.mlops("tier", "questions", model))
        tier = json.loads(self.mlops("status", model, "--json"))["tier"]
        given = load_tiering(self.bank.root / PACKAGE / "config").example(tier)
        assert given is not None
        questions["answers"] = {name: {"answer": answer, "why": REASON} for name, answer in given.items()}
        file = self.bank.root.parent / f"answers-{model}.yaml"
        file.write_text(yaml.safe_dump(questions), encoding="utf-8")
        return file
