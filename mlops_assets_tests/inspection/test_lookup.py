"""What was decided is found for ever, also in a window that was scored again."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from mlops_assets.datasets.kept_rows import SaltedWindow
from mlops_assets.inspection.lookup import ChangedPredictions, NotFound, prediction_row, scored_row
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.platform import Platform
from mlops_assets.scoring.prediction_id import parse, prediction_ids
from mlops_assets.stores.lake import Lake
from mlops_assets_tests.ledger.made import registration

MODEL, WINDOW = "loans", "2021-01-01"


class Scored:
    """A model whose window is scored as often as a test wants."""

    def __init__(self, folder) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        self.lake = Lake(folder / "lake")
        declaration = {"name": MODEL, "id": "nr", "event_time": None}
        for version in ("1", "2"):
            self.ledger.append(registration(MODEL, declaration=declaration), model=MODEL, subject=version)

    @property
    def platform(self) -> Platform:
        return cast(Platform, SimpleNamespace(ledger=self.ledger, lake=self.lake))

    def score(self, scores: dict[str, float], canary: tuple[str, ...] = ()) -> None:
        """A run that gives these rows these scores; version 2 decides those of the canary."""
        numbers = pl.Series("nr", list(scores))
        versions = [2 if nr in canary else 1 for nr in scores]
        names = [
            prediction_ids(pl.Series([nr]), MODEL, WINDOW, version)[0]
            for nr, version in zip(scores, versions, strict=True)
        ]
        rows = pl.DataFrame(
            {
                "prediction_id": names,
                "id": numbers,
                "score": list(scores.values()),
                "prediction": [1] * len(scores),
                "version": versions,
                "reasons": [f'[{{"phrase": "too little", "feature": "a", "version": {v}}}]' for v in versions],
            }
        )
        inputs = pl.DataFrame({"nr": numbers, "a": list(scores.values())})
        with (
            SaltedWindow(self.lake, f"{MODEL}/predictions", WINDOW, "prediction_id") as predicted,
            SaltedWindow(self.lake, f"{MODEL}/scored_rows", WINDOW, "nr") as kept,
        ):
            predicted.add(rows)
            kept.add(inputs)
            of_predictions, of_rows = predicted.sealed("prediction_id"), kept.sealed("nr")
            versions_written = predicted.commit().version, kept.commit().version
        event = WindowScored(
            version=1,
            challenger=2 if canary else None,
            rows=len(scores),
            predictions_digest=of_predictions.digest,
            predictions_root=of_predictions.root,
            predictions_version=versions_written[0],
            rows_digest=of_rows.digest,
            rows_root=of_rows.root,
            rows_version=versions_written[1],
        )
        self.ledger.append(event, model=MODEL, subject=WINDOW)


@pytest.fixture
def scored(tmp_path) -> Scored:
    found = Scored(tmp_path)
    found.score({"a": 0.1, "b": 0.7, "c": 0.9}, canary=("b",))
    return found


def name(nr: str, version: int = 1) -> str:
    return prediction_ids(pl.Series([nr]), MODEL, WINDOW, version)[0]


def test_a_canarys_decision_is_that_of_the_canary(scored):
    row = prediction_row(scored.platform, name("b", 2))
    assert (row["version"], row["role"], row["score"]) == ("2", "canary", 0.7)
    assert prediction_row(scored.platform, name("a"))["role"] == "champion"
    with pytest.raises(NotFound, match=r"no such prediction; .* 0012 and 12 are two identifiers"):
        prediction_row(scored.platform, name("b", 1))


def test_what_was_decided_is_found_after_the_window_was_scored_again(scored):
    first = prediction_row(scored.platform, name("a"))
    scored.score({"b": 0.6, "c": 0.8})
    again = prediction_row(scored.platform, name("a"))
    assert (again["score"], again["record"], again["scored_again"]) == (0.1, first["record"], [])
    assert scored_row(scored.platform, parse(name("a")))["a"].to_list() == [0.1], "the row as it was then"


def test_a_later_run_is_listed_and_changes_no_decision(scored):
    scored.score({"a": 0.2, "b": 0.6, "c": 0.8})
    row = prediction_row(scored.platform, name("c"))
    assert row["score"] == 0.9
    assert [(run["score"], run["record"]) for run in row["scored_again"]] == [(0.8, scored.ledger.last().seq)]


def test_what_turned_out_to_be_true_is_shown_as_it_is_known_last(scored):
    assert prediction_row(scored.platform, name("a"))["outcome"] is None
    known = [datetime(2021, day, 1, tzinfo=UTC) for day in (5, 6, 6)]
    rows = pl.DataFrame({"id": ["a", "a", "c"], "outcome": ["0", "1", "0"], "recorded_at": known})
    scored.lake.write_window(f"{MODEL}/outcomes", WINDOW, rows)
    assert prediction_row(scored.platform, name("a"))["outcome"] == {"value": "1", "recorded_at": known[1]}
    assert prediction_row(scored.platform, name("b", 2))["outcome"] is None


def test_rows_that_were_written_past_the_scoring_are_refused(scored):
    rows = scored.lake.read(f"{MODEL}/predictions", window=WINDOW).drop("mlops_window", strict=False)
    scored.lake.write_window(f"{MODEL}/predictions", WINDOW, rows.with_columns(score=pl.lit(0.5)))
    with pytest.raises(ChangedPredictions, match="are not those that record"):
        prediction_row(scored.platform, name("a"))


def test_a_window_that_was_never_scored_has_no_prediction(tmp_path):
    with pytest.raises(NotFound, match="no record that the window"):
        prediction_row(Scored(tmp_path).platform, name("a"))
