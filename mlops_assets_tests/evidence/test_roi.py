"""Return on governance: counts that can be recounted, and an estimate that shows what it rests on."""

from pathlib import Path

import pytest

from mlops_assets.evidence.history import fold
from mlops_assets.evidence.pages.roi import render
from mlops_assets.evidence.roi import FILE, Assumptions, avoided_retrainings, measure_roi, read_assumptions
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.reading import PolicyError
from mlops_assets_tests.evidence.conftest import ROOT, at
from mlops_assets_tests.ledger.raw import raw

MODEL = "sba_loan_default"
DEFAULTS = Assumptions.model_validate({})


def verdict(ledger: Ledger, window: str, kind: str, severity: str = "act") -> None:
    body = {"severity": severity, "kind": kind, "reasons": [], "action": [], "version": "3"}
    ledger.append(raw("health_verdict", body), model=MODEL, subject=window, happened_at=at("2010-01-01"))


def counted(ledger: Ledger):
    found = measure_roi(fold(ledger.records()).values(), DEFAULTS)
    return next(m for m in found.models if m.model == MODEL)


def test_what_is_counted_is_what_the_ledger_holds(lived: Ledger) -> None:
    model = counted(lived)
    assert [r.version for r in model.releases] == ["2", "3"]
    assert model.gates == {"failed": 1, "passed": 2}
    assert (model.cards, model.windows, model.alarms) == (2, 3, 1)
    assert model.signatures == 5, "four approvals and an exception"
    assert (model.incidents, model.examined) == ({"true": 1}, 1)
    assert [r.cause for r in model.releases] == ["", "label shift"]


def test_a_gate_that_decides_again_is_counted_once(lived: Ledger) -> None:
    before = counted(lived).gates
    lived.append(raw("gate_decision", {"gate": "performance", "outcome": "passed"}), model=MODEL, subject="3")
    assert counted(lived).gates == before


def test_time_runs_from_the_rows_to_the_promotion(ledger: Ledger, clock) -> None:
    def write(kind: str, subject: str, after_hours: float, **body: object) -> None:
        clock.at = at(f"2026-11-21T{4 + int(after_hours):02d}:{int(after_hours % 1 * 60):02d}:00")
        ledger.append(raw(kind, body), model=MODEL, subject=subject)

    write("snapshot_taken", "d" * 64, 1, rows=10)
    write("snapshot_taken", "d" * 64, 2, rows=10)  # the last one before the version is the one that it was trained on
    write("version_registered", "1", 2.5, data_digest="d" * 64)
    write("snapshot_taken", "d" * 64, 3, rows=10)
    write("promotion", "1", 6.5, former=None)
    assert counted(ledger).releases[0].hours == pytest.approx(4.5, abs=0.01)


def test_a_version_without_its_snapshot_has_no_time(ledger: Ledger) -> None:
    ledger.append(raw("version_registered", {"data_digest": "d" * 64}), model=MODEL, subject="1")
    ledger.append(raw("promotion", {"former": None}), model=MODEL, subject="1")
    assert counted(ledger).releases[0].hours is None
    assert measure_roi(fold(ledger.records()).values(), DEFAULTS).hours_to_champion is None


def test_the_gain_is_the_paired_difference_that_the_gate_recorded(lived: Ledger) -> None:
    compared = {"metric": "roc_auc", "difference": 0.02, "low": 0.01, "high": 0.03}
    body = {"gate": "performance", "outcome": "passed", "details": {"measured": {"comparison": compared, "n": 900}}}
    lived.append(raw("gate_decision", body), model=MODEL, subject="3")
    release = counted(lived).releases[1]
    assert (release.metric, release.difference, release.low, release.high, release.rows) == (
        *compared.values(),
        900,
    )
    assert "roc_auc +0.020 (+0.010 to +0.030) on 900 rows" in render(
        measure_roi(fold(lived.records()).values(), DEFAULTS)
    )


@pytest.mark.parametrize(
    ("windows", "asked", "expected"),
    [
        (["data_quality"], None, 1),
        (["data_quality", "data_quality"], None, 1),  # one broken feed is one retraining, however long it lasts
        (["data_quality", "none", "data_quality"], None, 2),
        (["covariate_shift"], None, 0),  # no fault of the feed: nobody says that retraining was wrong
        (["data_quality"], "2009-01-01", 0),  # it was asked for after all
    ],
)
def test_a_broken_feed_without_a_retraining_is_one_avoided(
    ledger: Ledger, windows: list[str], asked: str | None, expected: int
) -> None:
    for place, kind in enumerate(windows):
        verdict(ledger, f"2009-{1 + 3 * place:02d}-01", kind, "none" if kind == "none" else "act")
    if asked:
        ledger.append(raw("retraining_request", {"cause": "x", "window": asked}), model=MODEL, subject="r")
    assert len(avoided_retrainings(fold(ledger.records())[MODEL])) == expected


def test_a_watched_data_quality_fault_would_have_caused_no_retraining(ledger: Ledger) -> None:
    verdict(ledger, "2009-01-01", "data_quality", "watch")
    assert avoided_retrainings(fold(ledger.records())[MODEL]) == ()


def test_the_estimate_is_counts_times_declared_hours_less_what_people_spend(lived: Ledger) -> None:
    assumed = Assumptions(
        hours_per_gate=1, hours_per_window=10, hours_per_card=100, hours_per_retraining=1000,
        hours_per_incident=3, hours_per_signature=2, hourly_rate=50, currency="EUR",
    )  # fmt: skip
    found = measure_roi([fold(lived.records())[MODEL]], assumed)
    assert found.hours == 3 * 1 + 3 * 10 + 2 * 100 + 0 - 1 * 3 - 5 * 2
    assert found.to_dict()["estimate"]["amount"] == found.hours * 50
    assert "EUR an hour" in render(found)


def test_an_incident_that_nobody_examined_costs_no_hours(lived: Ledger) -> None:
    body = {"kind": "data_quality", "severity": "act", "summary": "half is missing", "window": "2004-07-01"}
    lived.append(raw("incident_opened", body), model=MODEL, subject="inc-2", happened_at=at("2004-10-01"))
    found = counted(lived)
    assert (found.incidents, found.examined) == ({"open": 1, "true": 1}, 1)


def test_what_nobody_declared_is_shown_as_a_default(lived: Ledger) -> None:
    found = measure_roi(fold(lived.records()).values(), Assumptions.model_validate({"hours_per_gate": 1}))
    assert {line.what: line.declared for line in found.lines}["gate decisions"] is True
    assert {line.what: line.declared for line in found.lines}["windows judged"] is False
    page = render(found)
    assert "default" in page
    assert "Each line is a count from above times the hours that the work is assumed to take" in page
    assert found.to_dict()["estimate"]["declared"] == ["hours_per_gate"]


def test_precision_is_not_known_until_an_alarm_was_judged(lived: Ledger) -> None:
    states = fold(lived.records()).values()
    assert "not known: no incident was closed" in render(measure_roi(states, DEFAULTS))
    judged = {MODEL: {"precision": 0.75, "low": 0.3, "high": 0.95}}
    assert "0.750 (0.300 to 0.950)" in render(measure_roi(states, DEFAULTS, judged))


def test_an_empty_fleet_has_nothing_to_show(ledger: Ledger) -> None:
    assert "Nothing is recorded yet" in render(measure_roi([], DEFAULTS))


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
