"""Proof metrics: each counts what its definition says, from records, and says "no data" where there is nothing to count."""

import html
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from mlops_assets.declaration.terms import Cadence
from mlops_assets.evidence.coverage import Coverage, Row
from mlops_assets.evidence.pages.proof import render
from mlops_assets.evidence.proof import CardNeeds, Name, Period, ProofInputs, ProofMetric, proof, strictest
from mlops_assets.ledger.events.response import RetrainingRequested
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.records import Record
from mlops_assets.policy.conduct_rules import ServiceLevels
from mlops_assets.response.incident_acts import acknowledge
from mlops_assets.response.incidents import incidents, open_incident
from mlops_assets.response.retraining import close as close_request
from mlops_assets.response.retraining import consider
from mlops_assets_tests.governance.world import MODEL, World, build
from mlops_assets_tests.ledger.made import health_verdict, promotion
from mlops_assets_tests.policy.test_policy import DEFAULT

LEVELS = ServiceLevels(judged_days=3, acknowledged_hours=10, retrained_days=20)

ROW = Row(
    "d1", "old.pkl", "pickle", "models/old.pkl", "open", "", "", None, "a pickle", "likely", "2026-01-01", "2026-01-01"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path)


def figures(world: World, since: datetime | None = None, **given: object) -> dict[Name, ProofMetric]:
    """The figures of a world, by name."""
    ledger = world.ledger
    state = ledger.state()
    inputs: dict[str, object] = {
        "states": [model for model in state if model.versions],
        "snapshots": frozenset(record.seq for record in ledger.of(SnapshotTaken)),
        "fleet_incidents": [one for one in incidents(state) if not one.model],
        "verdicts": ledger.of(HealthVerdict),
        "unjudged": {},
        "levels": {MODEL: LEVELS},
        "coverage": None,
        "cards": (),
    }
    period = Period(since or datetime.min.replace(tzinfo=world.clock.now.tzinfo), world.clock.now)
    return {metric.name: metric for metric in proof(ProofInputs(**{**inputs, **given}), period)}  # pyright: ignore


def test_without_records_no_figure_is_made_up(world: World) -> None:
    assert {metric.text for metric in figures(world).values()} == {"no data"}


def test_windows_count_from_their_end_or_from_the_first_promotion(world: World) -> None:
    world.register(1, time=True)
    world.ledger.append(promotion(), model=MODEL, subject="1")  # 2026-01-05
    world.clock.pass_days(2)
    world.ledger.append(health_verdict("2025-11-01"), model=MODEL, subject="2025-11-01")
    world.clock.pass_days(30)  # 2026-02-06
    late = world.ledger.append(health_verdict("2026-01-01"), model=MODEL, subject="2026-01-01")
    world.ledger.append(health_verdict("2026-01-01"), model=MODEL, subject="2026-01-01")
    waiting = {MODEL: [("2025-12-01", world.clock.now - timedelta(days=4)), ("2026-03-01", world.clock.now)]}
    found = figures(world, unjudged=waiting)["windows_in_time"]
    assert found.text == "33% (1 of 3, 1 not due yet)"
    assert [(case.what, case.met, case.records) for case in found.cases][1:3] == [
        (f"{MODEL}, window 2026-01-01", False, (late.seq,)),
        (f"{MODEL}, window 2025-12-01", False, ()),
    ]
    assert "judged after 5.4 days, limit 3.0 days" in found.cases[1].why
    assert figures(world, since=world.clock.now)["windows_in_time"].text == "no data"


def test_a_model_that_never_decided_owes_no_verdict(world: World) -> None:
    world.register(1, time=True)
    assert figures(world, unjudged={MODEL: [("2025-12-01", world.clock.now)]})["windows_in_time"].text == "no data"


def test_alerts_count_when_somebody_acts(world: World) -> None:
    seen = open_incident(world.ledger, MODEL, kind="data_quality", severity="act", summary="odd")
    open_incident(world.ledger, MODEL, kind="concept_drift", severity="watch", summary="small")
    world.clock.pass_days(0.25)
    acknowledge(world.ledger, world.keys["validator"], seen.id, "")
    open_incident(world.ledger, MODEL, kind="label_shift", severity="critical", summary="grave")
    world.register(1)
    assert figures(world)["alerts_in_time"].text == "100% (1 of 1, 1 not due yet)"
    world.clock.pass_days(1)
    found = figures(world)["alerts_in_time"]
    assert (found.text, found.median_hours) == ("50% (1 of 2)", pytest.approx(6, abs=0.1))
    assert found.cases[1].why == "not yet acknowledged after 24.0 hours, limit 10.0 hours"


def test_what_concerns_the_fleet_is_held_to_the_strictest_promise(world: World) -> None:
    open_incident(world.ledger, "", kind="source_unreadable", severity="act", summary="gone")
    world.clock.pass_days(0.25)
    lax = ServiceLevels(acknowledged_hours=500)
    found = figures(world, levels={MODEL: ServiceLevels(acknowledged_hours=1), "cards": lax})["alerts_in_time"]
    assert found.share == 0
    assert strictest([]) == ServiceLevels()


@pytest.mark.parametrize(
    ("outcome", "days", "text"),
    [
        ("refused", 5, "100% (1 of 1)"),
        ("withdrawn", 25, "0% (0 of 1)"),
        ("failed", 5, "0% (0 of 1)"),
        ("challenger", 5, "no data yet: 1 not due"),
        ("challenger", 25, "0% (0 of 1)"),
    ],
)
def test_a_request_counts_when_it_has_come_to_an_end(world: World, outcome: str, days: int, text: str) -> None:
    request = asked(world)
    world.clock.pass_days(days)
    close_request(world.ledger, request, outcome)  # pyright: ignore[reportArgumentType]
    assert figures(world)["retraining_in_time"].text == text


def test_a_request_is_answered_by_the_promotion_of_its_version(world: World) -> None:
    request = asked(world)
    event = world.register(2).event
    world.ledger.append(
        event.model_copy(update={"request": request.subject, "artifact_digest": "a" * 64}), model=MODEL, subject="3"
    )
    world.clock.pass_days(4)
    close_request(world.ledger, request, "challenger", version=3)
    world.ledger.append(promotion(1), model=MODEL, subject="3")
    found = figures(world)["retraining_in_time"]
    assert (found.text, found.median_hours) == ("100% (1 of 1)", pytest.approx(96, abs=0.1))


def asked(world: World) -> Record[RetrainingRequested]:
    """A retraining request."""
    day = date(2026, 1, 1)
    found = consider(
        world.ledger, DEFAULT, MODEL, cause="c", kind="concept_drift", window=day, until=day, cadence=Cadence.MONTH
    )
    world.register(1)
    assert found.request is not None
    return found.request


def test_lineage_lacks_what_no_record_names(world: World) -> None:
    world.register(1)
    found = figures(world)["lineage_complete"]
    assert found.text == "0% (0 of 1)"
    assert found.cases[0].why == "no signature of the artifact; record 0 of its training rows is not there"
    world.ledger.append(promotion(), model=MODEL, subject="1")
    found = figures(world)["lineage_complete"]
    assert "promoted without a decision of a gate; promoted without a card" in found.cases[0].why


def test_coverage_and_cards_say_what_lacks(world: World) -> None:
    world.register(1)
    known = replace(ROW, name="score.py", standing="governed")
    ignored = replace(ROW, standing="ignored", how="risk (model-risk): an experiment")
    found = Coverage(governed=1, ignored=1, open=0, searches={}, unread=0, rows=(known, ignored))
    cards = [CardNeeds(MODEL, "1", ("ss1_23 3.2: fairness",), (7,))]
    found = figures(world, coverage=found, cards=cards)
    assert found["inventory_coverage"].text == "50% (1 of 2)"
    assert found["inventory_coverage"].cases[1].why == "ignored: risk (model-risk): an experiment"
    assert (found["cards_complete"].share, found["cards_complete"].cases[0].why) == (0, "ss1_23 3.2: fairness")


def test_the_page_has_every_figure_its_definition_and_what_does_not_meet_it(world: World) -> None:
    world.register(1)
    open_incident(world.ledger, MODEL, kind="data_quality", severity="act", summary="<script>alert(1)</script>")
    world.clock.pass_days(3)
    metrics = list(figures(world).values())
    page = render(metrics, Period(world.clock.now, world.clock.now))
    for metric in metrics:
        assert metric.title in page
        assert html.escape(metric.definition, quote=False).replace("'", "&#39;") in page
    assert "not yet acknowledged after 3.0 days, limit 10.0 hours" in page
