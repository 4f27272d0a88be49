"""What is due, read from a real ledger; the project is a stand-in, so that a fleet of a hundred costs no training."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from mlops_assets.datasets.accounting import ids_by_window
from mlops_assets.datasets.sources import deliver
from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.events.windows import HealthVerdict, WindowDue, WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Entry
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.pipeline import windows_due as windows_due_module
from mlops_assets.pipeline.due import Due, Found
from mlops_assets.pipeline.failures import give_up
from mlops_assets.pipeline.trainings_due import trainings_due
from mlops_assets.pipeline.windows_due import JUDGED_AGAIN, trainable_until, windows_due
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.scoring.outcome_content import outcomes_by_window
from mlops_assets.stores.lake import Lake
from mlops_assets_tests.ledger.made import health_verdict, promotion, registration
from mlops_assets_tests.training.tables import declare

NOW = datetime(2021, 6, 15, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "row id": [f"{month}-{i}" for month in range(1, 6) for i in range(4)],
        "opened": [date(2021, month, 3) for month in range(1, 6) for _ in range(4)],
        "y": ["bad", "good", "good", "bad"] * 5,
    }
)


class Counted(Ledger):
    """A ledger that counts how often it is read."""

    reads = 0

    def records(self, **asked: Any):
        self.reads += 1
        return super().records(**asked)

    def latest(self, *args: Any, **asked: Any):
        self.reads += 1
        return super().latest(*args, **asked)


class World:
    """A fleet whose models have a champion each, read from one table each."""

    def __init__(self, root, models: int = 1, **changes: Any) -> None:
        self.root = root
        self.moment = datetime(2021, 6, 1, 12, tzinfo=UTC)
        self.ledger = Counted(f"sqlite:///{root / 'ledger.db'}", clock=lambda: self.moment)
        self.declared: dict[str, Declaration] = {}
        for i in range(models):
            name = f"m{i:03d}"
            self.declared[name] = declare(name=name, source={"path": f"{name}.parquet"}, **changes)
            self.deliver(name, ROWS)
        for name, declaration in self.declared.items():
            made = {"declaration_digest": declaration.digest, "declaration": declaration.model_dump(mode="json")}
            self.ledger.append(registration(name, **made), model=name, subject="1")
        self.ledger.append_all([Entry(promotion(), name, "1") for name in self.declared])

    def deliver(self, model: str, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.root / f"{model}.parquet")

    def rows(self, model: str) -> pl.LazyFrame:
        return deliver(self.declared[model], self.root).rows

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    def content(self, model: str = "m000") -> dict[str, str]:
        return outcomes_by_window(pl.scan_parquet(self.root / f"{model}.parquet"), self.declared[model])

    def judge(self, *windows: str, model: str = "m000", outcomes: Mapping[str, str] | None = None) -> None:
        """Verdicts that rest on the outcomes as they are."""
        known = self.content(model) if outcomes is None else outcomes
        cadence = self.declared[model].monitoring.cadence
        entries = [
            Entry(health_verdict(w, window_end=window_of_key(w, cadence).end, outcomes=known.get(w, "0")), model, w)
            for w in windows
        ]
        ids = ids_by_window(self.rows(model), self.declared[model])
        scored = [Entry(WindowScored(version=1, rows=4, ids=ids.get(w, "0")), model, w) for w in windows]
        for window in windows:
            kept = self.rows(model).filter(pl.col("opened").dt.month() == int(window[5:7])).collect()
            self.lake.write_window(f"{model}/scored_rows", window, kept)
        self.ledger.append_all([*scored, *entries])
        self.moment += timedelta(seconds=1)

    def due(self, now: datetime = NOW) -> Found:
        return windows_due(self.platform, now)[0]

    @property
    def platform(self) -> Platform:
        project = SimpleNamespace(
            declarations=self.declared, root=self.root, defs=self.root, declaration=self.declared.__getitem__
        )
        policy = Policy(tier="low", approvals=())
        stand_in = SimpleNamespace(
            project=project, ledger=self.ledger, lake=self.lake, policy_of=lambda _: policy, policy=lambda _: policy
        )
        return cast(Platform, stand_in)


WINDOWS = tuple(f"2021-0{month}-01" for month in range(1, 6))


def corrected(row: int, outcome: str | None) -> pl.DataFrame:
    y = ROWS["y"].to_list()
    y[row] = outcome
    return ROWS.with_columns(y=pl.Series(y))


def test_windows_are_judged_in_order(tmp_path):
    world = World(tmp_path)
    for window in WINDOWS:
        (one,) = world.due().due
        assert (one.window, one.stages) == (window, ()), "all of the job"
        world.judge(window)
    assert world.due() == Found((), ("m000: every window that has ended has its verdict",))


def test_a_version_is_not_trained_on_rows_that_it_will_be_judged_on(tmp_path):
    world, declared, today = World(tmp_path), declare(name="m000"), NOW.date()

    def until(declaration: Declaration = declared, today: date = today) -> str:
        return trainable_until(declaration, world.ledger.state().model("m000"), today).isoformat()

    assert until() == "2021-01-01", "no window is judged"
    world.judge(*WINDOWS[:2])
    assert until() == "2021-03-01", "the first window without a verdict"
    world.judge(*WINDOWS[2:])
    assert until() == "2021-06-01", "the window that has not ended will be judged"
    ended = declare(monitoring={"cadence": "month", "end": "2021-04-01"})
    assert until(ended) == "2021-04-01"
    late = declare(monitoring={"cadence": "month", "start": "2021-09-01", "end": "2021-12-01"})
    assert until(late) == "2021-06-15", "not later than today"
    assert until(declare(event_time=None, training={}, monitoring={})) == "2021-06-15", "without time: every row"


@pytest.mark.parametrize(
    ("row", "outcome", "window", "why"),
    [
        (5, "bad", "2021-02-01", "corrected"),
        (4, None, "2021-02-01", "withdrawn"),
        (19, "good", "2021-05-01", "another"),
    ],
)
def test_a_window_whose_outcomes_changed_is_judged_again_once(tmp_path, row, outcome, window, why):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    assert not world.due().due, "nothing has changed"
    world.deliver("m000", corrected(row, outcome))
    (one,) = world.due().due
    assert (one.window, one.stages) == (window, JUDGED_AGAIN), why
    assert one.state == world.due().due[0].state, "asked again, it is the same run"
    assert world.content().get(window, "0") in one.state
    world.judge(window)
    assert not world.due().due, "judged once more, it rests on what is known"
    world.deliver("m000", ROWS)
    (back,) = world.due().due
    assert back.state != one.state, "put back, it is another run"


@pytest.mark.parametrize(
    ("ends", "because"),
    [(["2021-02-01"], "it is the month's"), (["2021-04-01", "2021-02-01"], "the quarter has a verdict")],
    ids=["judged as a month", "as a quarter, and then as a month again"],
)
def test_a_verdict_on_a_shorter_window_that_began_on_the_same_day_is_no_verdict(tmp_path, ends, because):
    """After a change from months to quarters the first quarter begins where January did."""
    world = World(tmp_path, monitoring={"cadence": "quarter"})
    for end in ends:
        world.ledger.append(
            health_verdict("2021-01-01", window_end=end, outcomes="0"), model="m000", subject="2021-01-01"
        )
    found = [due.window for due in world.due().due if not due.stages]
    assert found == (["2021-01-01"] if ends == ["2021-02-01"] else []), because


def test_windows_of_two_lengths_are_two_runs(tmp_path):
    keys = set()
    for cadence in ("month", "quarter"):
        folder = tmp_path / cadence
        folder.mkdir()
        keys.add(World(folder, monitoring={"cadence": cadence}).due().due[0].state)
    assert len(keys) == 2


def test_outcomes_that_come_late_and_in_parts(tmp_path):
    world = World(tmp_path)
    without = ROWS.with_columns(y=pl.lit(None, pl.String))
    world.deliver("m000", without)
    world.judge(*WINDOWS)
    world.deliver("m000", pl.concat([ROWS[:2], without[2:]]))
    (part,) = world.due().due
    assert part.window == WINDOWS[0]
    world.judge(WINDOWS[0])
    world.deliver("m000", ROWS)
    (rest,) = world.due().due
    assert (rest.window, rest.state == part.state) == (WINDOWS[0], False)


def test_a_window_is_judged_again_when_the_file_that_its_verdict_blames_is_mended(tmp_path, monkeypatch):
    world, damaged = World(tmp_path), "late.csv: cannot be read; it is damaged. Deliver it again."
    world.judge(*WINDOWS)
    end = window_of_key(WINDOWS[1], world.declared["m000"].monitoring.cadence).end
    scored = WindowScored(version=1, rows=4, ids=ids_by_window(world.rows("m000"), world.declared["m000"])[WINDOWS[1]], problems=(damaged,))  # fmt: skip

    def judged(reason: str) -> Entry:
        known = world.content()[WINDOWS[1]]
        return Entry(health_verdict(WINDOWS[1], window_end=end, outcomes=known, reasons=[reason]), "m000", WINDOWS[1])

    world.ledger.append_all([Entry(scored, "m000", WINDOWS[1]), judged(f"Data quality: {damaged}")])
    problems = [damaged]
    real = windows_due_module.delivery
    monkeypatch.setattr(windows_due_module, "delivery", lambda made, root: Damaged(real(made, root), problems))
    assert not world.due().due, "it still cannot be read"
    problems.clear()
    world.moment += timedelta(days=1)
    (due,) = world.due(world.moment + timedelta(days=1)).due
    assert (due.window, due.stages) == (WINDOWS[1], JUDGED_AGAIN)
    assert "were mended or removed" in due.why
    world.ledger.append_all([judged("No change was found.")])
    assert not world.due(world.moment + timedelta(days=1)).due


class Damaged:
    """A delivery with files that cannot be read."""

    def __init__(self, opened, problems):
        self.source = replace(opened.source, problems=tuple(problems))
        self.contents = opened.contents
        self.placement = opened.placement


def test_rows_that_come_after_their_window_was_scored_open_an_incident(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    late = ROWS[:1].with_columns(pl.lit("late").alias("row id"), pl.lit(None, pl.String).alias("y"))
    world.deliver("m000", pl.concat([ROWS, late]))
    world.due()
    (found,) = world.ledger.state().model("m000").incidents.values()
    assert (found.kind, found.window, found.rule) == ("data_quality", WINDOWS[0], "late_rows")
    assert "1 of 5 rows (20.0%)" in found.summary
    records = len(world.ledger.records())
    world.due()
    assert len(world.ledger.records()) == records, "told once"


def test_a_window_whose_rows_were_removed_is_not_judged_again_and_has_no_late_rows(tmp_path, monkeypatch):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    monkeypatch.setattr(ModelState, "removed_windows", frozenset({WINDOWS[0], "2021-02-01"}))
    late = ROWS[:1].with_columns(pl.lit("late").alias("row id"), pl.lit(None, pl.String).alias("y"))
    world.deliver("m000", pl.concat([corrected(5, "bad"), late]))
    assert not world.due().due
    assert not world.ledger.state().model("m000").incidents


def test_a_window_that_was_judged_before_its_rows_came_is_scored_when_they_are_there(tmp_path):
    world = World(tmp_path)
    missing = ROWS.filter(pl.col("opened").dt.month() != 2)
    world.deliver("m000", missing)
    world.judge(*WINDOWS)
    world.ledger.append(WindowScored(version=1, rows=0, ids="0"), model="m000", subject=WINDOWS[1])
    assert not world.due().due, "rows of other windows are no reason"
    world.deliver("m000", ROWS)
    (due,) = world.due().due
    assert (due.window, due.stages) == (WINDOWS[1], ())
    assert due.why == f"rows have come for the window {WINDOWS[1]}, which was judged without any"
    assert "late_rows" not in [i.rule for i in world.ledger.state().model("m000").incidents.values()]
    world.judge(WINDOWS[1])
    assert not world.due().due


def test_a_corrected_outcome_is_no_late_row(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    world.deliver("m000", corrected(5, "bad"))
    world.due()
    assert not world.ledger.state().model("m000").incidents


def test_rows_of_a_new_window_change_no_verdict_of_an_old_one(tmp_path):
    world = World(tmp_path)
    world.deliver("m000", ROWS[:16])
    world.judge(*WINDOWS[:4])
    assert "no rows have come for the window 2021-05-01" in world.due().waiting[0]
    world.deliver("m000", ROWS)
    assert [(d.window, d.stages) for d in world.due().due] == [(WINDOWS[4], ())]


def test_a_window_without_a_verdict_comes_before_one_that_is_judged_again(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS[:4])
    world.deliver("m000", corrected(0, "good"))
    assert [d.window for d in world.due().due] == [WINDOWS[4]]
    world.judge(WINDOWS[4])
    assert [d.window for d in world.due().due] == [WINDOWS[0]]


def test_outcomes_that_mature_after_the_verdict_are_judged_when_they_are_due(tmp_path):
    world = World(tmp_path, target={"column": "y", "positive": "bad", "matures_after": "3 months"})
    world.judge(*WINDOWS)
    world.deliver("m000", corrected(16, "good"))
    assert not world.due().due, "a correction in May waits until all of May is due"
    (one,) = world.due(datetime(2021, 7, 1, tzinfo=UTC)).due
    assert (one.window, one.stages) == ("2021-03-01", JUDGED_AGAIN), "March has matured since its verdict"
    world.moment = datetime(2021, 8, 1, 1, tzinfo=UTC)
    world.judge("2021-03-01", "2021-04-01")
    world.ledger.append_all(
        [Entry(WindowDue(ended=date(2021, month + 1, 1)), "m000", f"2021-0{month}-01") for month in (6, 7)]
    )
    later = datetime(2021, 9, 1, tzinfo=UTC)
    assert [d.window for d in world.due(later).due] == ["2021-06-01"], "windows without a verdict come first"
    world.judge("2021-06-01", "2021-07-01", "2021-08-01")
    (may,) = world.due(later).due
    assert may.window == "2021-05-01"
    assert world.content()["2021-05-01"] in may.state


def test_after_a_change_of_cadence_verdicts_on_windows_of_another_length_stand(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    world.ledger.append(
        health_verdict("2021-02-15", window_end="2021-02-22", outcomes="other"), model="m000", subject="2021-02-15"
    )
    assert world.due() == Found((), ("m000: every window that has ended has its verdict",))
    retrain = health_verdict(
        "2021-02-15", window_end="2021-02-22", action=["retrain"], reasons=["moved"], kind="covariate_shift"
    )
    world.ledger.append(retrain, model="m000", subject="2021-02-15")
    found, _ = trainings_due(world.platform, -1)
    assert not found.due
    assert "the month of that day starts on 2021-02-01" in found.waiting[0]


class TestARunThatFailsTooOften:
    @pytest.fixture
    def world(self, tmp_path) -> World:
        return World(tmp_path)

    def give_up(self, world: World) -> Due:
        (due,) = world.due().due
        give_up(world.platform, due, "the column 'x' is gone")
        world.moment += timedelta(seconds=1)
        return due

    def test_its_window_is_not_measurable_and_the_next_one_goes_on(self, world):
        due = self.give_up(world)
        last = world.ledger.state().model("m000").window_verdicts[due.window]
        assert (last.severity, last.kind) == ("not_measurable", "none")
        assert "the column 'x' is gone" in last.reasons[0]
        assert [d.window for d in world.due().due] == [WINDOWS[1]]

    def test_it_opens_one_incident_however_often_it_is_given_up(self, world):
        due = self.give_up(world)
        give_up(world.platform, due, "the column 'x' is gone")
        (incident,) = world.ledger.state().model("m000").open_incidents
        assert (incident.kind, incident.window) == ("stage_failed", WINDOWS[0])
        assert "failed 3 times: the column 'x' is gone." in incident.summary
        assert len([r for r in world.ledger.of(HealthVerdict) if r.subject == due.window]) == 1

    def test_closing_the_incident_asks_for_the_window_again(self, world, monkeypatch):
        due = self.give_up(world)
        closed = world.ledger.last().seq + 1
        monkeypatch.setattr("mlops_assets.pipeline.windows_due.open_failure", lambda model, cause: None)
        monkeypatch.setattr(
            "mlops_assets.pipeline.windows_due.last_closed", lambda model, cause: closed if due.window in cause else 0
        )
        (again,) = world.due().due
        assert again.window == due.window
        assert again.state != due.state, "another state asks, so another run is started"

    def test_judging_outcomes_again_is_given_up_too(self, world):
        world.judge(*WINDOWS)
        world.deliver("m000", corrected(5, "bad"))
        due = self.give_up(world)
        assert due.stages == JUDGED_AGAIN
        assert not world.due().due, "what was given up is not asked for again"


def test_a_tick_reads_the_ledger_a_few_times_whatever_the_fleet(tmp_path):
    reads = {}
    for models in (2, 12):
        folder = tmp_path / str(models)
        folder.mkdir()
        world = World(folder, models)
        for name in world.declared:
            world.judge(*WINDOWS, model=name)
        world.ledger.reads = 0
        assert len(world.due().waiting) == models
        reads[models] = world.ledger.reads
    assert reads[2] == reads[12] <= 6


class TestALaterLook:
    """What it costs grows with what is new."""

    @pytest.fixture
    def world(self, tmp_path) -> World:
        world = World(tmp_path, models=3)
        for model in world.declared:
            world.judge(*WINDOWS, model=model)
        return world

    @pytest.fixture
    def looked_at(self, monkeypatch) -> list[str]:
        found: list[str] = []
        real = windows_due_module._next_window

        def noted(declared: Declaration, *rest: Any) -> Any:
            found.append(declared.name)
            return real(declared, *rest)

        monkeypatch.setattr(windows_due_module, "_next_window", noted)
        return found

    def test_a_model_of_which_nothing_is_new_is_left_out(self, world, looked_at):
        first = world.due()
        assert looked_at == list(world.declared)
        assert world.due() == first
        assert looked_at == list(world.declared), "no model was looked at again"

    @pytest.mark.parametrize("new", ["a record", "rows", "a declaration"])
    def test_only_the_model_of_which_something_is_new_is_looked_at(self, world, looked_at, new):
        world.due()
        looked_at.clear()
        match new:
            case "a record":
                world.ledger.append(WindowScored(version=1, rows=4), model="m001", subject=WINDOWS[0])
            case "rows":
                world.deliver("m001", corrected(0, "good"))
            case _:
                world.declared["m001"] = declare(name="m001", source={"path": "m001.parquet"}, purpose="Another one.")
        world.due()
        assert looked_at == ["m001"]

    def test_a_source_is_opened_once_for_all_that_a_look_asks_of_it(self, world, monkeypatch):
        """How far it reaches, the outcomes in it, and the rows that came late."""
        opened: list[str] = []
        real = windows_due_module.delivery

        def counted(declaration: Declaration, *rest: Any) -> Any:
            opened.append(declaration.name)
            return real(declaration, *rest)

        monkeypatch.setattr(windows_due_module, "delivery", counted)
        for model in world.declared:
            world.deliver(model, corrected(0, "good"))
        found, known = windows_due(world.platform, NOW)
        assert [due.stages for due in found.due] == [JUDGED_AGAIN] * 3
        assert opened == list(world.declared)
        windows_due(world.platform, NOW, known)
        assert opened == list(world.declared), "nor again while nothing of it is new"

    def test_another_day_is_another_look(self, world, looked_at):
        world.due()
        looked_at.clear()
        world.due(NOW + timedelta(days=1))
        assert looked_at == list(world.declared)

    def test_only_the_models_of_a_code_location_are_looked_at(self, world, looked_at):
        found, _ = windows_due(world.platform, NOW, models={"m002"})
        assert looked_at == ["m002"]
        assert [text.partition(":")[0] for text in found.waiting] == ["m002"]
