"""Stability, cost and software on the card, from decisions as the gates write them."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.markdown import card_markdown
from mlops_assets.evidence.card.model_card import build_card
from mlops_assets.gates.artifact import ArtifactRule
from mlops_assets.gates.cost import CostRule
from mlops_assets.gates.registry import GATES
from mlops_assets.gates.stability import StabilityRule

FITS = {
    "metric": "roc_auc",
    "seeds": {"values": [0.71, 0.72, 0.73], "churn": 0.014},
    "resamples": {"values": [0.6, None, 0.7, 0.8], "churn": 0.1},
}
COST = {"seconds_per_million": 2.5, "memory_megabytes": 4.0, "disk_megabytes": 1.5, "machine": "x86_64, 2 cores"}
FOUND = {"id": "PYSEC-1", "package": "p", "version": "1", "severity": "low", "fixed": ["2"], "note": ""}
CHECKED = {"source": "osv.json", "as_of": "2026-11-01", "vulnerabilities": [FOUND], "unchecked": ["q 1"]}
LOCK = {"source": "requirements.lock", "different": ["n 1 (pinned 2)"], "unpinned": ["t 1"], "pinned": 9}


def decisions(**software: Any) -> list[dict[str, Any]]:
    stored = {"signature": "valid", "pickles": [], "foreign_types": [], "bytes": 9, "sbom": "ab" * 32, **software}
    found = [
        GATES["stability"].result(FITS, StabilityRule()),
        GATES["cost"].result(COST, CostRule()),
        GATES["artifact"].result({"licences": {"MIT": ["p", "q"]}, **stored}, ArtifactRule()),
    ]
    return [asdict(decision) for decision in found]


@pytest.mark.parametrize(
    ("software", "words"),
    [
        ({}, ["not checked: no advisory file was supplied", "not compared: there is no lock", "MIT"]),
        ({"advisories": CHECKED}, ["PYSEC-1", "1 in osv.json as of 2026-11-01, 1 packages not covered"]),
        ({"advisories": {"source": "x", "error": "x: found no JSON"}}, ["not checked: x: found no JSON"]),
        ({"lock": LOCK}, ["9 as in requirements.lock", "not as pinned: n 1 (pinned 2)", "not pinned: t 1"]),
        ({"lock": {"source": "l", "error": "line 3"}}, ["not compared: line 3"]),
    ],
)
def test_the_card_shows_what_the_gates_measured(card_inputs: CardInputs, software: dict, words: list[str]) -> None:
    card = build_card(replace(card_inputs, decisions=decisions(**software)))
    text = card_markdown(card).replace("\\", "")
    for word in [*words, "Standard deviation of", "1.4", "0.01", "2.5", "x86_64, 2 cores", "abababab"]:
        assert word in text
    assert not {"stability", "cost", "software"} & set(card.missing)


def test_without_decisions_nothing_is_made_up(card_inputs: CardInputs) -> None:
    none = build_card(replace(card_inputs, decisions=[]))
    text = card_markdown(none)
    for gate in ("stability", "cost", "artifact"):
        assert f"The gate {gate} has not decided on this version." in text
    assert {"stability", "cost", "software"} <= set(build_card(replace(card_inputs, decisions=None)).missing)
