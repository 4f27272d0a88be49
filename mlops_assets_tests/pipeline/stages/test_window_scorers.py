"""Who decides a row: every prediction is that of the version that decided it, with the other version's beside it."""

from datetime import date
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from mlops_assets.declaration.changes import retraining_note
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.pipeline.stages.window_scorers import (
    cannot_score,
    decided,
    load_scorers,
    scores_of_version,
    undecided,
)
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.scoring.routing import route
from mlops_assets_tests.ledger.made import promotion, registration
from mlops_assets_tests.training.tables import declare

CHOSEN = pl.Series([False, True, False])


def predictions(version: int, scores: list[float], **classes: list[float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prediction_id": [f"m:2021-01-01:v{version}:{i}" for i in range(len(scores))],
            "id": ["a", "b", "c"],
            "score": scores,
            "prediction": [int(score > 0.5) for score in scores],
            **{f"score:{name}": values for name, values in classes.items()},
            "version": pl.Series([version] * len(scores), dtype=pl.Int64),
        }
    )


CHAMPION, CHALLENGER = predictions(1, [0.1, 0.2, 0.9]), predictions(2, [0.6, 0.7, 0.8])


def test_id_version_score_and_decision_are_those_of_the_version_that_decides():
    found = decided(CHAMPION, CHALLENGER, CHOSEN)
    assert found["version"].to_list() == [1, 2, 1]
    assert found["prediction_id"].to_list() == ["m:2021-01-01:v1:0", "m:2021-01-01:v2:1", "m:2021-01-01:v1:2"]
    assert found["score"].to_list() == [0.1, 0.7, 0.9]
    assert found["prediction"].to_list() == [0, 1, 1]


def test_what_the_other_version_made_of_the_row_is_beside_it():
    found = decided(CHAMPION, CHALLENGER, CHOSEN)
    assert found["beside_version"].to_list() == [2, 1, 2]
    assert found["beside_score"].to_list() == [0.6, 0.2, 0.8]
    assert found["beside_prediction"].to_list() == [1, 0, 1]


def test_a_version_alone_has_the_same_columns():
    alone, both = undecided(CHAMPION, None), decided(CHAMPION, CHALLENGER, CHOSEN)
    assert alone.schema == both.schema
    assert alone["beside_score"].null_count() == 3


@pytest.mark.parametrize(("version", "scores"), [(1, [0.1, 0.2, 0.9]), (2, [0.6, 0.7, 0.8])])
def test_one_versions_scores_of_all_rows_are_found_again(version, scores):
    assert scores_of_version(decided(CHAMPION, CHALLENGER, CHOSEN), version).to_list() == scores


def test_a_class_that_one_version_does_not_know_has_no_probability():
    first = predictions(1, [0.6, 0.6, 0.6], box=[0.6, 0.6, 0.6], letter=[0.4, 0.4, 0.4])
    second = predictions(2, [0.5, 0.5, 0.5], box=[0.5, 0.5, 0.5], pallet=[0.5, 0.5, 0.5])
    found = decided(first, second, CHOSEN)
    assert found["score:letter"].to_list() == [0.4, 0.0, 0.4]
    assert found["score:pallet"].to_list() == [0.0, 0.5, 0.0]


def test_a_challenger_that_was_sent_back_scores_no_further_window(tmp_path):
    ledger, declaration, policy = (
        Ledger(f"sqlite:///{tmp_path}/l.db"),
        declare(name="m"),
        Policy(tier="low", approvals=()),
    )
    made = {"declaration_digest": declaration.digest, "declaration": declaration.model_dump(mode="json")}
    for version in ("1", "2"):
        ledger.append(registration("m", **made), model="m", subject=version)
        if version == "1":
            ledger.append(promotion(), model="m", subject="1")
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    beside = load_scorers(platform, policy, declaration, 1, list(declaration.columns))
    assert beside.challenger is not None
    assert (beside.challenger.version, beside.note) == (2, "")
    check = LadderCheck(name="performance", outcome="failed", reason="it ranks worse")
    failed = LadderTested(
        window=date(2021, 1, 1),
        champion=1,
        canary_share=0.0,
        outcome="failed",
        tests=(check,),
        policy_digest=policy.digest,
    )
    ledger.append(failed, model="m", subject="2")
    beside = load_scorers(platform, policy, declaration, 1, list(declaration.columns))
    assert beside.challenger is None
    assert "does not score beside the champion: it failed beside version 1" in beside.note


def test_the_same_rows_are_the_canarys_at_every_run():
    ids = pl.Series([f"row {i}" for i in range(5000)])
    first = route(ids, 0.1, "m/2")
    assert first.equals(route(ids, 0.1, "m/2"))
    assert 400 < first.sum() < 600


class TestADeclarationThatChanged:
    """A version goes on scoring under the declaration it was made with."""

    NOW = declare(features={"code": "categorical", "born": "date"}, source={"path": "moved.parquet"})

    def record(self, **fields: object) -> Record:
        made = declare()
        event = registration(
            "odd_table", declaration_digest=made.digest, declaration=made.model_dump(mode="json"), **fields
        )
        return Record(1, event.KIND, "odd_table", "1", None, None, event.body(), "", "", None)  # pyright: ignore

    def test_the_version_keeps_its_inputs_and_reads_the_source_of_today(self):
        found = declared_with(self.record(), self.NOW)
        assert set(found.features) == set(declare().features)
        assert found.source == self.NOW.source

    def test_an_unchanged_declaration_is_the_one_at_hand(self):
        now = declare()
        assert declared_with(self.record(), now) is now
        assert retraining_note(now, now) is None

    def test_the_reviewer_is_told_what_changed(self):
        found = retraining_note(declared_with(self.record(), self.NOW), self.NOW)
        assert found is not None
        assert "input flag was removed" in found
        assert found.endswith("so a retraining is due.")

    @pytest.mark.parametrize(
        ("challenger", "columns", "problem"),
        [
            (declare(features={"new": "numeric"}), ["row id", "opened", "new"], ""),
            (declare(features={"new": "numeric"}), ["row id", "opened"], "the source has no column new"),
            (declare(id="other id"), [], "another identifier"),
        ],
    )
    def test_a_challenger_of_another_declaration_scores_where_its_inputs_are(self, challenger, columns, problem):
        found = cannot_score(declare(), challenger, columns)
        assert (problem in found) if problem else not found
