"""Return on governance: counts that can be recounted, and an estimate that shows what it rests on."""

from pathlib import Path

import pytest

from mlops_assets.evidence.pages.roi import render
from mlops_assets.evidence.roi import FILE, Assumptions, avoided_retrainings, measure_roi, read_assumptions
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.reading import PolicyError
from mlops_assets_tests.evidence.conftest import ROOT
from mlops_assets_tests.evidence.life import MODEL, Life, at

DEFAULTS = Assumptions.model_validate({})


def measured(ledger: Ledger, assumptions: Assumptions = DEFAULTS, precision=None):
    return measure_roi(ledger, ledger.state(), assumptions, precision)


def counted(ledger: Ledger):
    return next(m for m in measured(ledger).models if m.model == MODEL)


def test_what_is_counted_is_what_the_ledger_holds(lived: Ledger) -> None:
    model = counted(lived)
    assert [r.version for r in model.releases] == ["2", "3"]
    assert model.gates == {"failed": 1, "passed": 2}
    assert (model.cards, model.windows, model.alarms) == (2, 3, 1)
    assert model.signatures == 5, "four approvals and an exception"
    assert (model.incidents, model.examined) == ({"true": 1}, 1)
    assert [r.cause for r in model.releases] == ["", "label shift"]


def test_a_gate_that_decides_again_is_counted_once(lived: Ledger, life: Life) -> None:
    before = counted(lived).gates
    life.decide("3", "performance", when="2015-02-01")
    assert counted(lived).gates == before


def test_time_runs_from_the_rows_to_the_promotion(life: Life) -> None:
    life.snapshot("1", "2026-11-21T05:00")
    taken = life.snapshot("1", "2026-11-21T06:00")  # the one that the registration names
    life.register("1", "2026-11-21T06:30", snapshot_record=taken.seq)
    life.snapshot("1", "2026-11-21T07:00")
    life.clock.at = at("2026-11-21T10:30")
    life.promote("1", None)
    assert counted(life.ledger).releases[0].hours == pytest.approx(4.5, abs=0.01)


def test_a_version_without_its_snapshot_has_no_time(life: Life) -> None:
    life.register("1")
    life.promote("1", None)
    assert counted(life.ledger).releases[0].hours is None
    assert measured(life.ledger).hours_to_champion is None


def test_the_gain_is_the_paired_difference_that_the_gate_recorded(lived: Ledger, life: Life) -> None:
    compared = {"metric": "roc_auc", "difference": 0.02, "low": 0.01, "high": 0.03}
    details = {"measured": {"comparison": {**compared, "further": 1}, "n": 900}}
    life.decide("3", "performance", when="2015-02-01", details=details)
    release = counted(lived).releases[1]
    assert (release.metric, release.difference, release.low, release.high, release.rows) == (
        *compared.values(),
        900,
    )
    assert "roc_auc +0.020 (+0.010 to +0.030) on 900 rows" in render(measured(lived))


@pytest.mark.parametrize(
    ("windows", "requested", "expected"),
    [
        (["data_quality"], None, 1),
        (["data_quality", "data_quality"], None, 1),  # one broken feed is one retraining, however long it lasts
        (["data_quality", "none", "data_quality"], None, 2),
        (["covariate_shift"], None, 0),  # no fault of the feed: nothing shows that a retraining would be wrong
        (["data_quality"], "2009-01-01", 0),  # it was requested after all
    ],
)
def test_a_broken_feed_without_a_retraining_is_one_avoided(
    life: Life, windows: list[str], requested: str | None, expected: int
) -> None:
    for place, kind in enumerate(windows):
        start, end = f"2009-{1 + 3 * place:02d}-01", f"2009-{4 + 3 * place:02d}-01"
        life.judge(start, end, "none" if kind == "none" else "act", kind)
    if requested:
        life.request("r", "x", requested)
    assert len(avoided_retrainings(life.ledger.state().model(MODEL))) == expected


def test_a_watched_data_quality_fault_would_have_caused_no_retraining(life: Life) -> None:
    life.judge("2009-01-01", "2009-04-01", "watch", "data_quality")
    assert avoided_retrainings(life.ledger.state().model(MODEL)) == ()


def test_the_estimate_is_counts_times_declared_hours_less_what_people_spend(lived: Ledger) -> None:
    assumed = Assumptions(
        hours_per_gate=1, hours_per_window=10, hours_per_card=100, hours_per_retraining=1000,
        hours_per_incident=3, hours_per_signature=2, hourly_rate=50, currency="EUR",
    )  # fmt: skip
    found = measure_roi(lived, [lived.state().model(MODEL)], assumed)
    assert found.hours == 3 * 1 + 3 * 10 + 2 * 100 + 0 - 1 * 3 - 5 * 2
    assert found.to_dict()["estimate"]["amount"] == found.hours * 50
    assert "EUR an hour" in render(found)


def test_an_incident_that_nobody_examined_costs_no_hours(lived: Ledger, life: Life) -> None:
    life.incident("inc-2", "2015-02-01", window="2004-07-01", cause="data_quality")
    found = counted(lived)
    assert (found.incidents, found.examined) == ({"open": 1, "true": 1}, 1)


def test_what_nobody_declared_is_shown_as_a_default(lived: Ledger) -> None:
    found = measured(lived, Assumptions.model_validate({"hours_per_gate": 1}))
    assert {line.what: line.declared for line in found.lines}["gate decisions"] is True
    assert {line.what: line.declared for line in found.lines}["windows judged"] is False
    page = render(found)
    assert "default" in page
    assert "Each line is a count from above times the hours that the work is assumed to take" in page
    assert found.to_dict()["estimate"]["declared"] == ["hours_per_gate"]


def test_precision_is_not_known_until_an_alarm_was_judged(lived: Ledger) -> None:
    assert "not known: no incident was closed" in render(measured(lived))
    judged = {MODEL: {"precision": 0.75, "low": 0.3, "high": 0.95}}
    assert "0.750 (0.300 to 0.950)" in render(measured(lived, DEFAULTS, judged))


def test_an_empty_fleet_has_nothing_to_show(ledger: Ledger) -> None:
    assert "Nothing is recorded yet" in render(measure_roi(ledger, [], DEFAULTS))


def test_the_shipped_assumptions_read_and_a_project_needs_none(tmp_path: Path) -> None:
    assert read_assumptions(ROOT / "mlops_assets" / "config").model_fields_set
    assert read_assumptions(tmp_path) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hours_per_gates: 1", "did you mean 'hours_per_gate'"),
        ("hours_per_gate: -1", "hours_per_gate"),
        ("- 1", "mapping"),
    ],
    ids=["misspelt", "negative", "a list"],
)
def test_a_mistake_in_the_assumptions_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(PolicyError, match=said) as refused:
        read_assumptions(tmp_path)
    assert f"{tmp_path / FILE}:1" in str(refused.value)
