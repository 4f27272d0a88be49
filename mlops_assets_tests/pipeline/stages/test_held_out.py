"""Which rows a version is compared with the champion on, and which comparison on them it is."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.kept_rows import keep_snapshot
from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.governance.stored_evidence import EvidenceBook
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.pipeline.stages.decisions import record_decisions
from mlops_assets.pipeline.stages.held_out import HeldOut, attempt_on, fitted_rows, holdout_digest
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import Lake
from mlops_assets_tests.gates.checks import decided
from mlops_assets_tests.gates.test_performance import performance, tried
from mlops_assets_tests.governance.world import MODEL, build, policy
from mlops_assets_tests.ledger.made import registration
from mlops_assets_tests.training.tables import declare, table

ROWS = table(400)
DECLARED = declare()


def held(rows: pl.DataFrame, version: int = 2) -> HeldOut:
    """Rows held out for a version that is registered in name only."""
    registered = cast(Record[VersionRegistered], SimpleNamespace(subject=str(version)))
    return HeldOut(DECLARED, registered, None, rows, np.zeros(rows.height), np.zeros(rows.height), 0.5, None)


class TestWhichComparisonItIs:
    def test_inputs_of_the_rows_make_no_new_hold_out_and_outcomes_do(self) -> None:
        first = holdout_digest(held(ROWS))
        assert holdout_digest(held(ROWS.reverse().drop("größe"))) == first
        assert holdout_digest(held(ROWS[1:])) != first
        corrected = ROWS.with_columns(pl.lit("bad").alias("y"))
        assert holdout_digest(held(corrected)) != first

    def test_each_version_against_each_champion_counts_once(self, tmp_path: Path) -> None:
        world, rules = build(tmp_path), policy()
        for version in (1, 2, 3):
            world.register(version)

        def numbers(holdout: str, *pairs: tuple[int, int]) -> list[int]:
            found = []
            for version, champion in pairs:
                model = world.ledger.state().model(MODEL)
                found.append(attempt_on(model, holdout, version, champion))
                compared = {**tried(found[-1]), "holdout": holdout, "champion_version": champion}
                result = decided("performance", {}, performance(comparison=compared))
                record_decisions(world.ledger, rules, MODEL, version, [result])
            return found

        assert numbers("a" * 64, (2, 1), (3, 1), (2, 1)) == [1, 2, 1]
        assert numbers("a" * 64, (3, 2)) == [3], "another champion is another comparison"
        assert numbers("b" * 64, (3, 1)) == [1], "other rows begin again"
        assert world.ledger.state().model(MODEL).holdouts["a" * 64] == (("2", "1"), ("3", "1"), ("3", "2"))
        assert world.ledger.state(fresh=True) == world.ledger.state()

    @pytest.mark.parametrize("comparison", [None, {**tried(1), "holdout": ""}])
    def test_where_nothing_was_compared_nothing_is_spent(self, tmp_path: Path, comparison: Any) -> None:
        world = build(tmp_path)
        world.register(2)
        result = decided("performance", {}, performance(comparison=comparison))
        record_decisions(world.ledger, policy(), MODEL, 2, [result])
        assert not world.ledger.state().model(MODEL).holdouts


class TestRowsTheChampionWasFittedOn:
    @pytest.fixture
    def platform(self, tmp_path: Path) -> Platform:
        ledger, lake = Ledger(f"sqlite:///{tmp_path}/ledger.db"), Lake(tmp_path / "lake")
        parts = ROWS.with_row_index().with_columns(
            pl.when(pl.col("index") < 300).then(pl.lit("fit")).otherwise(pl.lit("holdout")).alias(PART)
        )
        digest = rows_digest(ROWS)
        kept = keep_snapshot(lake, f"{DECLARED.name}/features", parts.drop("index"), "row id", tag=f":{digest}")
        event = SnapshotTaken(
            rows=400, quarantined=0, table="t", ordered_by="row id", delta_version=0, declaration_digest=DECLARED.digest
        )
        ledger.append(event, model=DECLARED.name, subject=digest)
        book = EvidenceBook(lambda: ledger)
        book.keep(DECLARED.name, f"{DECLARED.name}@{digest}", "features", kept.digest, kept.root)
        return cast(Platform, SimpleNamespace(ledger=ledger, lake=lake, evidence_book=book))

    def registered(self, platform: Platform, snapshot: int | None = None) -> Record[VersionRegistered]:
        last = platform.ledger.records(kind="snapshot_taken")[-1].seq
        event = registration(
            DECLARED.name, declaration_digest=DECLARED.digest, snapshot_record=last if snapshot is None else snapshot
        )
        return platform.ledger.append(event, model=DECLARED.name, subject="1")

    def test_they_are_told_by_their_ids(self, platform: Platform) -> None:
        champion = self.registered(platform)
        found = fitted_rows(platform, champion, held(ROWS[250:400]))
        assert found.count == 50
        assert found.positions is not None
        assert held(ROWS[250:400]).only(found.positions).rows["row id"].to_list() == ROWS["row id"][300:].to_list()

    def test_none_are_left_out_where_there_are_none(self, platform: Platform) -> None:
        found = fitted_rows(platform, self.registered(platform), held(ROWS[300:]))
        assert (found.count, found.positions) == (0, None)

    def test_rows_that_are_no_longer_kept_are_said_to_be_unknown(self, platform: Platform) -> None:
        champion = self.registered(platform)
        shutil.rmtree(platform.lake.root)
        found = fitted_rows(platform, champion, held(ROWS[250:]))
        assert (found.count, found.positions) == (None, None)

    def test_a_snapshot_without_a_record_is_unknown(self, platform: Platform) -> None:
        assert fitted_rows(platform, self.registered(platform, snapshot=10_000), held(ROWS)).count is None
