"""What is past its date goes, what is not stays, and both are said."""

from datetime import date, timedelta

import polars as pl
import pytest

from mlops_assets.inspection.lookup import prediction_row
from mlops_assets.inspection.recorded_tables import RowsRemoved
from mlops_assets.inspection.replay import replay_version
from mlops_assets.ledger.events.privacy import RemovedFrom, RowsExpired
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.privacy.retention import due, enforce
from mlops_assets_tests.privacy.stored import DAYS, ID, MODEL, ROWS, Stored
from mlops_assets_tests.privacy.test_erasure import names, problems, take_out


@pytest.fixture
def third(stored) -> Stored:
    """A third version decides, the second is the former champion: the first has ended."""
    stored.train(3, ROWS.tail(115), "2021-03-02")
    return stored


def places(stored: Stored, days: float) -> set[tuple[str, str | None]]:
    found = due(stored.platform, MODEL, stored.clock.at + timedelta(days=days))
    return {(one.part.table.split("/")[1], one.part.window) for one in found if one.part.written_at is None}


def test_what_is_due_and_when(third):
    assert places(third, DAYS - 40) == set(), "version 1 decided until 2021-02-03"
    assert places(third, 3) == {
        ("training_data", None), ("without_outcome", None), ("features", None),
        ("predictions", "2021-01-01"), ("scored_rows", "2021-01-01"), ("outcomes", "2021-01-01"),
        ("scoring_quarantine", "2021-01-01"), ("reference_sample", "v1"), ("held_out_losses", "v1"),
    }  # fmt: skip
    assert places(third, 4000) == places(third, 3), "what may decide again keeps its data"


def test_it_is_removed_and_said(third):
    third.clock.at += timedelta(days=3)
    verdicts = len(third.ledger.records())
    found = [one for one in due(third.platform, MODEL, third.clock.at) if one.part.written_at is None]
    done = enforce(third.platform, MODEL, found, third.key)
    assert done.files >= 10
    assert problems(third) == []
    assert third.lake.windows(f"{MODEL}/predictions") == ["2021-02-01"]
    assert due(third.platform, MODEL, third.clock.at) == []
    assert len(third.ledger.records()) == verdicts + 1, "no record goes"
    assert third.ledger.state().model(MODEL).removed_windows == {"2021-01-01"}
    for asked in (
        lambda: prediction_row(third.platform, names("r00008")),
        lambda: replay_version(third.platform, MODEL, 1),
    ):
        with pytest.raises(RowsRemoved, match=r"all rows removed under retention by record \d+ \(more than 30 days"):
            asked()
    assert prediction_row(third.platform, names("r00008", "2021-02-01", 2))["score"] == 8.0
    take_out(third)
    assert problems(third) == []


def test_what_was_removed_and_is_there_again_is_named(third):
    third.clock.at += timedelta(days=3)
    rows = third.lake.read(f"{MODEL}/reference_sample", window="v1", salted=True).drop("mlops_window")
    enforce(third.platform, MODEL, due(third.platform, MODEL, third.clock.at), third.key)
    third.lake.write_window(f"{MODEL}/reference_sample", "v1", rows)
    assert [("removed under retention" in what, "still in the lake" in what) for what in problems(third)] == [
        (True, True)
    ]


def test_a_retired_model_keeps_nothing_for_longer(third):
    from mlops_assets.ledger.events.champion import Retirement

    third.life.intervene("model-risk", Retirement, "3", "replaced by another system", "2021-03-03")
    assert len(places(third, DAYS + 1)) == 3 + 4 * 2 + 2 * 3
    enforce(third.platform, MODEL, due(third.platform, MODEL, third.clock.at + timedelta(days=DAYS + 1)), third.key)
    assert problems(third) == []
    left = {path.parts[-2] for path in third.lake.root.rglob("*.parquet") if pl.read_parquet(path).height}
    assert left == {"quarantine"}, "those were written today"


def test_who_may_not_and_what_no_policy_says_counts_for_nothing(third):
    third.clock.at += timedelta(days=3)
    found = due(third.platform, MODEL, third.clock.at)
    with pytest.raises(NotAllowed, match="developer built this version and may not sign retention"):
        enforce(third.platform, MODEL, found, third.life.keys["developer"])
    gone = RemovedFrom(table=f"{MODEL}/predictions", window="2021-02-01", rows=50, removed=50)
    for person, digest in (
        ("developer", third.ledger.state().model(MODEL).policy.event.policy_digest),
        ("model-risk", "a" * 64),
    ):
        forged = third.life.sign(
            person,
            RowsExpired,
            {"policy": digest},
            day=date(2021, 3, 4),
            reason="old",
            policy_digest=digest,
            retention_days=1,
            versions=(),
            tables=(gone,),
        )
        assert third.life.write(forged, "2021-03-04").seq in third.ledger.state().refusals
    assert third.ledger.state().model(MODEL).removals == {}
    assert ID in third.lake.read(f"{MODEL}/training_data").columns
