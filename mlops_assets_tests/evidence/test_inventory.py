from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import cast

import pytest

from mlops_assets.evidence.attention import attention
from mlops_assets.evidence.inventory import STATUS_FIELDS, inventory, status
from mlops_assets.gates.registry import GATES, gate_rules
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.events.judgements import ExceptionGranted
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Request
from mlops_assets_tests.evidence.conftest import Declared, at, declaration_of
from mlops_assets_tests.evidence.life import MODEL, POLICY, Life, signed

RULES = POLICY.model_copy(
    update={"gates": gate_rules({n: {"required": n in ("performance", "fairness")} for n in GATES})}
)


@dataclass
class Models:
    sba = Declared("sba_loan_default", declaration_of("sba_loan_default"))
    card = Declared("card_default", declaration_of("card_default"))
    broken = Declared("half_written", None, "half_written/defs.yaml:3: teir: unknown field")


def rows(ledger: Ledger, **kwargs):
    found = inventory(ledger, (Models.sba, Models.card, Models.broken), {"high": RULES}, **kwargs)
    return {row["model"]: row for row in found}


def test_status_fields_are_the_contract(lived: Ledger):
    found = status(inventory(lived, [Models.sba], {"high": RULES}))
    assert all(tuple(row) == STATUS_FIELDS for row in found)
    assert canonical_json(found)


def test_a_champion_made_under_another_declaration_asks_for_a_retraining(lived: Ledger):
    assert rows(lived)["sba_loan_default"]["declaration_changed"] is None
    declared = Models.sba.declaration
    assert declared is not None
    fewer = declared.model_copy(update={"features": {n: f for n, f in declared.features.items() if n != "bank_state"}})
    found = inventory(lived, [Declared(MODEL, fewer)], {"high": RULES})
    row = next(row for row in found if row["model"] == MODEL)
    assert "input bank_state was removed" in row["declaration_changed"]
    assert "Declaration changed: retraining is due" in [item["title"] for item in row["needs_attention"]]


def test_nobody_is_asked_again_for_the_retraining_that_a_changed_declaration_needs(lived: Ledger):
    """While it was asked for, or a version of the present declaration is there, whatever became of that."""
    state, row = lived.state().model(MODEL), {**rows(lived)[MODEL], "declaration_changed": "so a retraining is due."}
    newest = state.newest_version
    assert newest is not None
    assert newest.registration is not None
    event = SimpleNamespace(automatic=False, cause="the developer asks")
    open_one = cast(Request, SimpleNamespace(is_open=True, id="r-1", record=SimpleNamespace(event=event)))
    asked = replace(state, requests={"r-1": open_one})

    def titles(state: ModelState, declared: str) -> list[str]:
        return [
            item.title
            for item in attention(row, state, at("2026-06-01"), declared=declared)
            if item.kind == "retraining"
        ]

    (due,) = (title for title in titles(state, "another") if title.startswith("Declaration changed"))
    assert due not in titles(state, newest.registration.event.declaration_digest)
    assert due not in titles(asked, "another")


def test_a_model_with_a_life(lived: Ledger):
    row = rows(lived)["sba_loan_default"]
    assert (row["champion"], row["tier"], row["owner"]) == ("3", "high", "team:small-business-credit")
    assert (row["window"], row["severity"], row["kind"]) == ("2004-04-01", "watch", "covariate_shift")
    assert row["evidence_missing"] == ["gate:fairness", "card:risk_register"]
    assert row["valid_until"] is None, "no validation is recorded"
    assert row["lifecycle"] == "in use"


@pytest.mark.parametrize(
    ("model", "field", "value", "why"),
    [
        ("half_written", "error", "half_written/defs.yaml:3: teir: unknown field", "broken models are shown as broken"),
        ("half_written", "severity", "not_measurable", "nothing is claimed of them"),
        ("card_default", "champion", None, "never trained"),
        ("card_default", "evidence_missing", ["model_version"], "nothing is there to have evidence"),
        ("card_default", "monitored", False, "no event time"),
        ("acs_employment", "error", "recorded in the ledger, and no longer declared", "a declaration was removed"),
    ],
)
def test_rows(lived: Ledger, model: str, field: str, value: object, why: str):
    assert rows(lived)[model][field] == value, why


def test_the_status_names_what_needs_attention_and_windows_without_a_verdict(lived: Ledger):
    row = rows(lived, as_of=at("2004-04-15"))["sba_loan_default"]
    assert row["unjudged_windows"] == [], "the windows of 2003-10-01 and 2004-01-01 are judged"
    assert [(i["kind"], i["urgency"]) for i in row["needs_attention"]] == [
        ("incident", "now"),
        ("evidence", "soon"),
        ("exception", "open"),
        ("retraining", "open"),
    ]
    later = rows(lived, as_of=at("2005-01-15"))["sba_loan_default"]
    assert later["unjudged_windows"] == ["2004-07-01", "2004-10-01"]
    assert "2 windows without a verdict" in [i["title"] for i in later["needs_attention"]]


def test_as_of_a_day_in_between(lived: Ledger):
    row = rows(lived, as_of=at("2004-04-15"))["sba_loan_default"]
    assert row["champion"] == "2"
    assert [i["id"] for i in row["open_incidents"]] == ["inc-1"]
    assert [e["gate"] for e in row["exceptions"]] == ["fairness"]
    assert row["open_retraining_requests"] == ["r-1"]


def test_a_validation_counts_until_its_recorded_end(lived: Ledger, life: Life):
    life.clock.at = at("2015-02-01")
    life.validate("validator", "3", "approved", "Examined", "2016-02-01")
    assert rows(lived)[MODEL]["valid_until"].startswith("2016-02-01")
    life.validate("validator", "3", "rejected", "Examined again", "2017-02-01")
    assert rows(lived)[MODEL]["valid_until"] is None


def test_an_exception_by_a_stranger_counts_for_nothing(lived: Ledger, life: Life):
    given = {"model": MODEL, "person": "model-risk", "role": "model-risk", "gate": "fairness", "version": None}
    stranger = SigningKey.generate()
    event = signed(
        lived, stranger, ExceptionGranted, {"policy": POLICY.digest}, reason="mine", expires=at("2015-06-01"), **given
    )  # fmt: skip
    forged = life.write(event, "fairness", "2015-02-01")
    row = rows(lived, as_of=at("2015-03-01"))[MODEL]
    assert row["exceptions"] == []
    assert [(e["gate"], e["record"]) for e in row["exceptions_refused"]] == [("fairness", forged.seq)]
    assert (
        "nobody is enrolled" in row["exceptions_refused"][0]["why"]
        or "not enrolled" in row["exceptions_refused"][0]["why"]
    )
    assert rows(lived, as_of=at("2015-07-01"))[MODEL]["exceptions_refused"] == [], "it would have expired"
