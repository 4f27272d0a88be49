from datetime import timedelta

import pytest

from mlops_assets.evidence.as_of import as_of, as_of_text
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.life import MODEL, Life, at


@pytest.mark.parametrize(
    ("when", "champion", "severity", "incidents"),
    [
        ("2003-09-15", None, "not_measurable", []),
        ("2004-01-15", "2", "none", []),
        ("2004-04-15", "2", "act", ["inc-1"]),
        ("2004-06-01", "3", "act", []),
        ("2004-08-01", "3", "watch", []),
    ],
)
def test_each_day_has_its_own_answer(
    lived: Ledger, when: str, champion: str | None, severity: str, incidents: list[str]
):
    (row,) = as_of(lived, at(when), MODEL)
    assert (row.champion, row.severity, [i["id"] for i in row.open_incidents]) == (champion, severity, incidents)
    assert [a["person"] for a in row.approvers] == (["validator", "model-risk"] if champion else [])
    assert row.learned_later == (), "everything was recorded when it happened"
    assert canonical_json(row.to_dict())


def test_two_champions_of_one_day_are_told_apart_by_the_time_of_day(life: Life):
    life.adopt(when="2004-01-01")
    life.release("1", "2004-03-01T09:00")
    life.release("2", "2004-03-01T15:00", former=1)
    for when, version in (("2004-03-01T08:00", None), ("2004-03-01T12:00", "1"), ("2004-03-01T16:00", "2")):
        rows = as_of(life.ledger, at(when))
        assert rows[0].champion == version
        assert as_of_text(rows, at(when)).startswith(f"As of {when.replace('T', ' ')} UTC")


def test_a_replay_of_past_data_gives_both_readings(life: Life):
    """The version was promoted after the windows that it judged: as when a history is replayed on one day."""
    life.adopt(when="2026-03-01")
    life.release("2", "2026-03-01")
    verdict = HealthVerdict.model_validate(
        {
            "window_end": "2006-07-01", "severity": "act", "kind": "covariate_shift", "reasons": (), "version": "2",
            "policy_digest": "b" * 64,
        }
    )  # fmt: skip
    life.ledger.append(verdict, model=MODEL, subject="2006-04-01", happened_at=at("2006-07-01"))
    then = at("2006-08-01")
    (row,) = as_of(life.ledger, then)
    assert (row.champion, row.window, row.severity) == (None, "2006-04-01", "act")
    assert row.known_then == {
        "champion": None,
        "lifecycle": "development",
        "window": None,
        "severity": "not_measurable",
    }
    text = as_of_text([row], then)
    assert "last window 2006-04-01: act, covariate shift; judged only on 2026-03-01 00:00 UTC, with version 2" in text
    assert "Two readings, because 1 record about the time before was written after this moment" in text
    assert "what the ledger held then: development; no champion; no window judged" in text
    assert "No version was champion at this moment. Version 2 scored the window later, from past data." in text


def test_what_was_recorded_later_was_not_known_then(lived: Ledger):
    then = at("2004-08-01")
    (before,) = as_of(lived, then, MODEL)
    verdict = HealthVerdict.model_validate(
        {
            "window_end": "2004-07-02", "severity": "critical", "kind": "data_quality", "reasons": (), "version": "3",
            "policy_digest": "b" * 64,
        }
    )  # fmt: skip
    written = lived.append(verdict, model=MODEL, subject="2004-07-01", happened_at=then - timedelta(days=1))
    (row,) = as_of(lived, then, MODEL)
    assert (before.severity, row.severity) == ("watch", "critical")
    assert row.known_then["severity"] == "watch"
    assert [late.record for late in row.learned_later] == [written.seq]


@pytest.mark.parametrize(
    ("event", "lifecycle", "words"),
    [
        (champion.Suspension, "suspended", "suspended: no version decided, since"),
        (champion.Retirement, "retired", "retired, since"),
    ],
)
def test_who_suspended_or_retired_a_model_and_why(lived: Ledger, life: Life, event, lifecycle: str, words: str):
    life.clock.at = at("2015-02-01")
    life.intervene("model-risk", event, "3", "the product was sold")
    (row,) = as_of(lived, at("2015-03-01"), MODEL)
    assert row.lifecycle == lifecycle
    assert row.ended is not None
    assert (row.ended["person"], row.ended["rationale"]) == ("model-risk", "the product was sold")
    text = as_of_text([row], at("2015-03-01"))
    assert f"{words} 2015-02-01 00:00 UTC, by model-risk (model-risk): the product was sold" in text
    assert (row.champion is None) == (lifecycle == "retired")


def test_a_time_without_zone_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="without a zone"):
        as_of(ledger, at("2004-01-01").replace(tzinfo=None))


def test_before_anything(lived: Ledger):
    assert "No model had any record" in as_of_text(as_of(lived, at("1999-01-01")), at("1999-01-01"))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("label_bias", "label bias not measurable (record {seq}): no protected attribute"),
        ("cost", "cost not measurable, which the policy does not require (record {seq}): no protected attribute"),
    ],
)
def test_a_gate_that_did_not_pass_is_named_with_its_reason(life: Life, gate: str, words: str):
    life.adopt()
    life.snapshot("1")
    life.register("1")
    decided = life.decide("1", gate, "not_measurable", reason="no protected attribute")
    life.promote("1", None)
    (row,) = as_of(life.ledger, life.clock.at)
    assert row.decisions[0]["required"] is (gate == "label_bias")
    assert words.format(seq=decided.seq) in as_of_text([row], life.clock.at)


def test_the_tier_of_a_champion_and_who_assessed_it(life: Life):
    life.release("1", "2004-01-01")
    (row,) = as_of(life.ledger, life.clock.at)
    assert row.tier == {"tier": "high"}
    assert "tier: high, without an assessment that counted" in as_of_text([row], life.clock.at)
    assessed = life.assess("validator", "medium", "2099-01-01")
    life.register("2")
    life.promote("2", 1, assessment=assessed.seq)
    (row,) = as_of(life.ledger, life.clock.at)
    text = as_of_text([row], life.clock.at)
    assert f"tier: high, assessed as medium by validator (validator, record {assessed.seq})" in text
