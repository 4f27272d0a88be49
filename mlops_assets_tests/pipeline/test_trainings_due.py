"""What asks for a training, what policy answers, and what becomes of a request whose version was refused."""

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.ledger.events.response import IncidentOpened, RetrainingClosed, RetrainingRequested
from mlops_assets.ledger.events.versions import CardIssued, SnapshotTaken
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested, WindowScored
from mlops_assets.pipeline.trainings_due import WITHOUT_EFFECT, trainings_due
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.governance.world import World, build, policy
from mlops_assets_tests.ledger.made import health_verdict, promotion, registration
from mlops_assets_tests.training.tables import declare

NAME = "tables"
DECLARED = declare(name=NAME, training={"until": "2025-01-01"})


def rules(release: dict[str, Any] | None = None, **retraining: Any) -> Policy:
    return policy(
        gates={gate: {"required": False} for gate in policy().gates.names}, approvals=[],
        release=release or {}, retraining={"cooldown_windows": 0, "budget_per_year": 99, **retraining},
    )  # fmt: skip


@pytest.fixture
def world(tmp_path) -> World:
    return begun(tmp_path)


def begun(folder: Path) -> World:
    """A model with a champion that was trained on rows until 2025."""
    world = build(folder)
    made = {"declaration": DECLARED.model_dump(mode="json"), "declaration_digest": DECLARED.digest}
    world.ledger.append(registration(NAME, **made), model=NAME, subject="1")
    world.ledger.append(promotion(), model=NAME, subject="1")
    return world


def judge(world: World, window: str, kind: str = "none", rows: int = 100) -> None:
    end = window_of_key(window, DECLARED.monitoring.cadence).end
    asks = kind != "none"
    verdict = health_verdict(
        window, window_end=end, kind=kind, severity="act" if asks else "none", raw={kind: "act"} if asks else {},
        causes=({"kind": kind, "severity": "act", "evidence": f"it is {kind}"},) if asks else (),
        action=("retrain",) if asks else (),
    )  # fmt: skip
    world.ledger.append(WindowScored(version=1, rows=rows), model=NAME, subject=window)
    world.ledger.append(verdict, model=NAME, subject=window)


def look(world: World, at: Policy, since: int = 0):
    project = SimpleNamespace(declarations={NAME: DECLARED})
    platform = SimpleNamespace(ledger=world.ledger, project=project, policy=lambda _: at, policy_of=lambda _: at)
    return trainings_due(cast(Platform, platform), since)


def requested(world: World) -> list[tuple[str, str]]:
    return [(r.event.kind, r.event.until.isoformat()) for r in world.ledger.of(RetrainingRequested, model=NAME)]


def trained(world: World, version: int, refused: bool = True) -> str:
    """A version that answers the open request, and was worse than the champion beside it."""
    request = world.ledger.state().model(NAME).open_request
    assert request is not None
    made = {"declaration": DECLARED.model_dump(mode="json"), "request": request.id}
    world.ledger.append(registration(NAME, **made), model=NAME, subject=str(version))
    world.ledger.append(
        CardIssued(digest="c" * 64, path="cards", missing=(), files={}), model=NAME, subject=str(version)
    )
    if refused:
        test = LadderTested(
            window=date(2025, 6, 1), champion=1, canary_share=0.0, outcome="failed",
            tests=(LadderCheck(name="performance", outcome="failed", reason="AUC fell by 0.05"),), policy_digest="b" * 64,
        )  # fmt: skip
        world.ledger.append(test, model=NAME, subject=str(version))
    return request.id


class TestATrainingThatDidNotHelp:
    AT = rules()

    def test_its_request_is_closed_with_what_was_found(self, world):
        judge(world, "2025-01-01", "concept_drift")
        look(world, self.AT)
        trained(world, 2, refused=False)
        look(world, self.AT)
        assert world.ledger.state().model(NAME).open_request is not None, "it waits for the ladder"
        trained(world, 2)
        look(world, self.AT)
        closed = world.ledger.latest_of(RetrainingClosed, model=NAME).event
        assert (closed.outcome, closed.version) == ("refused", "2")
        assert "it failed beside version 1 in the window 2025-06-01" in closed.note
        assert "AUC fell by 0.05" in closed.note

    def test_the_next_one_of_the_same_cause_goes_to_a_person(self, world):
        judge(world, "2025-01-01", "concept_drift")
        _, seen = look(world, self.AT)
        trained(world, 2)
        judge(world, "2025-02-01", "concept_drift")
        found, seen = look(world, self.AT, seen)
        assert len(requested(world)) == 1
        assert "did not help: version 2" in found.waiting[0]
        incident = world.ledger.latest_of(IncidentOpened, model=NAME).event
        assert incident.kind == WITHOUT_EFFECT
        assert "mlops retrain tables --key PEM" in incident.summary
        judge(world, "2025-03-01", "label_shift")
        look(world, self.AT, seen)
        assert [kind for kind, _ in requested(world)] == ["concept_drift", "label_shift"], "another cause may ask"

    def test_a_promotion_lets_the_same_cause_ask_again(self, world):
        judge(world, "2025-01-01", "concept_drift")
        _, seen = look(world, self.AT)
        trained(world, 2)
        judge(world, "2025-02-01", "label_shift")
        _, seen = look(world, self.AT, seen)
        request = world.ledger.state().model(NAME).open_request.id
        world.ledger.append(RetrainingClosed(version="3", outcome="promoted"), model=NAME, subject=request)
        judge(world, "2025-03-01", "concept_drift")
        look(world, self.AT, seen)
        assert [kind for kind, _ in requested(world)] == ["concept_drift", "label_shift", "concept_drift"]


def test_a_change_must_persist_before_it_asks(world):
    at, seen = rules(persistent_windows=3), 0
    for window, kind in (
        ("2025-01-01", "concept_drift"), ("2025-02-01", "none"), ("2025-03-01", "concept_drift"),
        ("2025-04-01", "concept_drift"), ("2025-05-01", "concept_drift"),
    ):  # fmt: skip
        assert requested(world) == []
        judge(world, window, kind)
        found, seen = look(world, at, seen)
    assert requested(world) == [("concept_drift", "2025-06-01")]
    assert found.due[0].request == "tables-2025-05-01-concept_drift"


def test_the_calendar_asks_in_the_time_of_the_windows(world):
    at = rules(every_months=3)
    for window in ("2025-01-01", "2025-02-01"):
        judge(world, window)
        look(world, at)
    assert requested(world) == []
    judge(world, "2025-03-01")
    look(world, at)
    look(world, at)
    assert requested(world) == [("schedule", "2025-04-01")]
    trained(world, 2)
    judge(world, "2025-04-01")
    look(world, at)
    assert len(requested(world)) == 1, "the last training counts, whatever became of it"


def test_the_volume_of_new_rows_asks(world):
    of_thousand_rows(world)
    at = rules(new_rows_share=0.2)
    judge(world, "2024-12-01")
    judge(world, "2025-01-01")
    look(world, at)
    assert requested(world) == [], "100 of 1,000 rows: those before the training's end are no new ones"
    judge(world, "2025-02-01")
    look(world, at)
    assert requested(world) == [("new_data", "2025-03-01")]


def of_thousand_rows(world: World) -> None:
    taken = SnapshotTaken(
        rows=1000, quarantined=0, table=f"{NAME}/training_data", ordered_by="id", delta_version=1,
        declaration_digest="d" * 64,
    )  # fmt: skip
    record = world.ledger.append(taken, model=NAME, subject="d" * 64)
    made = registration(NAME, snapshot_record=record.seq, declaration=DECLARED.model_dump(mode="json"))
    world.ledger.append(made, model=NAME, subject="2")


def test_the_end_of_a_validation_asks_before_it_comes(world):
    at = rules(validation_ends_days=30)
    at = at.model_copy(update={"validity_days": 100})
    judge(world, "2025-01-01")
    look(world, at)
    assert requested(world) == []
    world.clock.pass_days(71)
    look(world, at)
    assert requested(world) == [("validation_ends", "2025-02-01")]
    cause = world.ledger.latest_of(RetrainingRequested, model=NAME).event.cause
    assert (world.clock() + timedelta(days=29)).date().isoformat() in cause


def test_what_policy_holds_back_is_said(world):
    at = rules(every_months=1, mode="on_signed_request")
    judge(world, "2025-01-01")
    found, _ = look(world, at)
    assert requested(world) == []
    assert found.waiting == ("tables: the policy of tier high requires a signed request",)
