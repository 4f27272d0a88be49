"""What is due, read from a real ledger; the project is a stand-in, so that a fleet of a hundred costs no training."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.events.windows import WindowDue
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Entry
from mlops_assets.pipeline.due import JUDGED_AGAIN, Found, trainings_due, windows_due
from mlops_assets.platform import Platform
from mlops_assets.scoring.outcome_content import outcomes_by_window
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

    def records(self, **query: Any):
        self.reads += 1
        return super().records(**query)

    def latest(self, *args: Any, **query: Any):
        self.reads += 1
        return super().latest(*args, **query)


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
        for name in self.declared:
            self.ledger.append_all([Entry(registration(name), name, "1"), Entry(promotion(), name, "1")])

    def deliver(self, model: str, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.root / f"{model}.parquet")

    def content(self, model: str = "m000") -> dict[str, str]:
        return outcomes_by_window(pl.scan_parquet(self.root / f"{model}.parquet"), self.declared[model])

    def judge(self, *windows: str, model: str = "m000", outcomes: Mapping[str, str] | None = None) -> None:
        """Verdicts that rest on the outcomes as they are."""
        known = self.content(model) if outcomes is None else outcomes
        self.ledger.append_all([Entry(health_verdict(w, outcomes=known.get(w, "0")), model, w) for w in windows])
        self.moment += timedelta(seconds=1)

    def due(self, now: datetime = NOW) -> Found:
        project = SimpleNamespace(declarations=self.declared, root=self.root, defs=self.root)
        return windows_due(cast(Platform, SimpleNamespace(project=project, ledger=self.ledger)), now)[0]


WINDOWS = tuple(f"2021-0{month}-01" for month in range(1, 6))


def corrected(row: int, outcome: str | None) -> pl.DataFrame:
    y = ROWS["y"].to_list()
    y[row] = outcome
    return ROWS.with_columns(y=pl.Series(y))


def test_windows_are_judged_in_order(tmp_path):
    world = World(tmp_path)
    for window in WINDOWS:
        (one,) = world.due().due
        assert (one.partition, one.stages) == (window, ()), "all of the job"
        world.judge(window)
    assert world.due() == Found((), ("m000: every window that has ended has its verdict",))


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
    assert (one.partition, one.stages) == (window, JUDGED_AGAIN), why
    assert one.run_key == world.due().due[0].run_key, "asked again, it is the same run"
    assert world.content().get(window, "0") in one.run_key
    world.judge(window)
    assert not world.due().due, "judged once more, it rests on what is known"
    world.deliver("m000", ROWS)
    (back,) = world.due().due
    assert back.run_key != one.run_key, "put back, it is another run"


@pytest.mark.parametrize(
    ("ends", "because"),
    [(["2021-02-01"], "it is the month's"), (["2021-04-01", "2021-02-01"], "the month's came last")],
    ids=["judged as a month", "as a quarter, and then as a month again"],
)
def test_a_verdict_on_a_shorter_window_that_began_on_the_same_day_is_no_verdict(tmp_path, ends, because):
    """After a change from months to quarters the first quarter begins where January did."""
    world = World(tmp_path, monitoring={"cadence": "quarter"})
    for end in ends:
        event = health_verdict("2021-01-01", window_end=end, outcomes="0")
        world.ledger.append(event, model="m000", subject="2021-01-01")
    found = [due.partition for due in world.due().due if not due.stages]
    assert found == (["2021-01-01"] if ends == ["2021-02-01"] else []), because


def test_windows_of_two_lengths_are_two_runs(tmp_path):
    keys = set()
    for cadence in ("month", "quarter"):
        folder = tmp_path / cadence
        folder.mkdir()
        keys.add(World(folder, monitoring={"cadence": cadence}).due().due[0].run_key)
    assert len(keys) == 2


def test_outcomes_that_come_late_and_in_parts(tmp_path):
    world = World(tmp_path)
    without = ROWS.with_columns(y=pl.lit(None, pl.String))
    world.deliver("m000", without)
    world.judge(*WINDOWS)
    world.deliver("m000", pl.concat([ROWS[:2], without[2:]]))
    (part,) = world.due().due
    assert part.partition == WINDOWS[0]
    world.judge(WINDOWS[0])
    world.deliver("m000", ROWS)
    (rest,) = world.due().due
    assert (rest.partition, rest.run_key == part.run_key) == (WINDOWS[0], False)


def test_rows_of_a_new_window_change_no_verdict_of_an_old_one(tmp_path):
    world = World(tmp_path)
    world.deliver("m000", ROWS[:16])
    world.judge(*WINDOWS[:4])
    assert "no rows have come for the window 2021-05-01" in world.due().waiting[0]
    world.deliver("m000", ROWS)
    assert [(d.partition, d.stages) for d in world.due().due] == [(WINDOWS[4], ())]


def test_a_window_without_a_verdict_comes_before_one_that_is_judged_again(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS[:4])
    world.deliver("m000", corrected(0, "good"))
    assert [d.partition for d in world.due().due] == [WINDOWS[4]]
    world.judge(WINDOWS[4])
    assert [d.partition for d in world.due().due] == [WINDOWS[0]]


def test_outcomes_that_mature_after_the_verdict_are_judged_when_they_are_due(tmp_path):
    world = World(tmp_path, target={"column": "y", "positive": "bad", "matures_after": "3 months"})
    world.judge(*WINDOWS)
    world.deliver("m000", corrected(16, "good"))
    assert not world.due().due, "a correction in May waits until all of May is due"
    (one,) = world.due(datetime(2021, 7, 1, tzinfo=UTC)).due
    assert (one.partition, one.stages) == ("2021-03-01", JUDGED_AGAIN), "March has matured since its verdict"
    world.moment = datetime(2021, 8, 1, 1, tzinfo=UTC)
    world.judge("2021-03-01", "2021-04-01")
    world.ledger.append_all(
        [Entry(WindowDue(ended=date(2021, month + 1, 1)), "m000", f"2021-0{month}-01") for month in (6, 7)]
    )
    later = datetime(2021, 9, 1, tzinfo=UTC)
    assert [d.partition for d in world.due(later).due] == ["2021-06-01"], "windows without a verdict come first"
    world.judge("2021-06-01", "2021-07-01", "2021-08-01")
    (may,) = world.due(later).due
    assert may.partition == "2021-05-01"
    assert world.content()["2021-05-01"] in may.run_key


def test_after_a_change_of_cadence_verdicts_on_windows_of_another_length_stand(tmp_path):
    world = World(tmp_path)
    world.judge(*WINDOWS)
    week = {"window_end": date(2021, 2, 22), "outcomes": "other"}
    world.ledger.append(health_verdict("2021-02-15", **week), model="m000", subject="2021-02-15")
    assert world.due() == Found((), ("m000: every window that has ended has its verdict",))
    retrain = {**week, "action": ["retrain"], "reasons": ["moved"], "kind": "covariate_shift"}
    world.ledger.append(health_verdict("2021-02-15", **retrain), model="m000", subject="2021-02-15")
    project = SimpleNamespace(declarations=world.declared, root=world.root, defs=world.root)
    found, _ = trainings_due(cast(Platform, SimpleNamespace(project=project, ledger=world.ledger)), -1)
    assert not found.due
    assert "the month of that day starts on 2021-02-01" in found.waiting[0]


def test_a_verdict_from_before_outcomes_were_recorded_stands(tmp_path):
    world = World(tmp_path)
    world.ledger.append_all([Entry(health_verdict(w), "m000", w) for w in WINDOWS])
    assert not world.due().due


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
    assert reads[2] == reads[12] <= 4
