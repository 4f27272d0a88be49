"""A model with every table it can have, written as the stages write them; no model is fitted for it."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import polars as pl

from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.internal_columns import REASONS as QUARANTINE_REASONS
from mlops_assets.datasets.kept_rows import SaltedWindow, keep_snapshot
from mlops_assets.datasets.snapshot import split
from mlops_assets.governance.stored_evidence import EvidenceBook
from mlops_assets.inspection.recorded_tables import HELD_OUT_LOSSES, REFERENCE_SAMPLE, keep_with_version
from mlops_assets.ledger.events.versions import RowsWithoutOutcome, SnapshotTaken
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.monitoring.window_results import OUTCOMES, OutcomesResult
from mlops_assets.platform import Platform
from mlops_assets.scoring.prediction_id import prediction_ids
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.results import OF, WindowResults
from mlops_assets_tests.evidence.life import POLICY, Clock, Life, at
from mlops_assets_tests.training.tables import declare, table

DECLARED = declare()
MODEL, ID = DECLARED.name, DECLARED.id
PERSON = "r00007"
"""In every table, refused rows included."""
DAYS = 30
KEPT = POLICY.model_copy(update={"retention_days": DAYS})
COLUMNS = [ID, "opened", "income (€)", "größe", "flag"]
ROWS = table(120)


class Stored:
    """The stores, and who writes to them."""

    def __init__(self, folder: Path, head: SigningKey, now: datetime) -> None:
        self.folder, self.lake, self.head = folder, Lake(folder / "lake"), head
        self.clock = Clock(now)
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db", head, folder / "anchor.json", clock=self.clock)
        self.life = Life(self.ledger, self.clock, MODEL, DECLARED.model_dump(mode="json"))
        book = EvidenceBook(lambda: self.ledger)
        self.platform = cast(
            Platform,
            SimpleNamespace(
                ledger=self.ledger,
                lake=self.lake,
                evidence_book=book,
                window_results=lambda model, window: WindowResults(folder / "reports", model, window, book),
            ),
        )

    def copy(self, folder: Path) -> "Stored":
        """The same with the files that were copied to another folder."""
        other = Stored(folder, self.head, self.clock.at)
        other.life.keys = self.life.keys
        return other

    @property
    def key(self) -> SigningKey:
        """Of somebody whose role may have rows removed."""
        return self.life.keys["model-risk"]

    def train(self, version: int, rows: pl.DataFrame, when: str) -> None:
        """A snapshot, what is derived from it, and a version that decides."""
        self.clock.at = max(self.clock.at, at(when))
        kept = keep_snapshot(self.lake, f"{MODEL}/training_data", rows, ID)
        without = keep_snapshot(self.lake, f"{MODEL}/without_outcome", rows.head(20), ID)
        refused = rows.head(10).with_columns(pl.lit("y: missing").alias(QUARANTINE_REASONS))
        keep_snapshot(self.lake, f"{MODEL}/quarantine", refused)
        taken = self.life.write(
            SnapshotTaken(
                rows=rows.height,
                quarantined=10,
                table=kept.written.table,
                ordered_by=ID,
                delta_version=kept.written.version,
                root=kept.root,
                declaration_digest=DECLARED.digest,
                without_outcome=RowsWithoutOutcome(
                    rows=20,
                    table=without.written.table,
                    delta_version=without.written.version,
                    digest=without.digest,
                    root=without.root,
                ),
            ),
            kept.digest,
        )
        parts = split(rows, DECLARED)
        both = pl.concat(
            [
                part.with_columns(pl.lit(name).alias(PART))
                for name, part in (("fit", parts.fit), ("holdout", parts.holdout))
            ]
        )
        features = keep_snapshot(self.lake, f"{MODEL}/features", both, ID, tag=f":{kept.digest}")
        book = self.platform.evidence_book
        book.keep(MODEL, f"{MODEL}{OF}{kept.digest}", "features", features.digest, features.root)
        self.life.register(str(version), snapshot_record=taken.seq, data_digest=kept.digest)
        self.life.decide(str(version), "performance")
        self.life.card(str(version))
        for person in ("validator", "model-risk"):
            self.life.approve(person, str(version))
        self.life.promote(str(version), version - 1 if version > 1 else None)
        keep_with_version(self.platform, MODEL, REFERENCE_SAMPLE, version, rows.head(30))
        keep_with_version(self.platform, MODEL, HELD_OUT_LOSSES, version, rows.select(COLUMNS).head(15))

    def score(
        self, window: str, version: int, rows: pl.DataFrame, when: str, shift: float = 0.0
    ) -> Record[WindowScored]:
        """A run over the rows of a window, and their outcomes."""
        self.clock.at = max(self.clock.at, at(when))
        names = prediction_ids(rows[ID], MODEL, window, version)
        predicted = rows.select(
            names,
            pl.col(ID).alias("id"),
            pl.int_range(pl.len()).cast(pl.Float64).alias("score") + shift,
            prediction=pl.lit("good"),
        )
        table = f"{MODEL}/"
        with (
            SaltedWindow(self.lake, table + "predictions", window, "prediction_id") as said,
            SaltedWindow(self.lake, table + "scored_rows", window, ID) as scored,
            SaltedWindow(self.lake, table + "outcomes", window) as known,
        ):
            said.add(predicted)
            scored.add(rows.select(COLUMNS))
            known.add(
                rows.select(pl.col(ID).alias("id"), pl.col("y").alias("outcome"), pl.col("opened").alias("recorded_at"))
            )
            hashes = [said.sealed("prediction_id"), scored.sealed(ID), known.sealed("id")]
            versions = [said.commit().version, scored.commit().version, known.commit().version]
        self.lake.write_window(table + "scoring_quarantine", window, rows.select(COLUMNS).head(9))
        digest, root = hashes[2].digest, hashes[2].root
        self.platform.window_results(MODEL, window).write(OUTCOMES, OutcomesResult("", versions[2], digest, root))
        return self.life.write(
            WindowScored(
                version=version,
                rows=rows.height,
                predictions_digest=hashes[0].digest,
                predictions_root=hashes[0].root,
                predictions_version=versions[0],
                rows_digest=hashes[1].digest,
                rows_root=hashes[1].root,
                rows_version=versions[1],
            ),
            window,
        )


def lived(folder: Path) -> Stored:
    """Two versions; the first window was scored twice, the second time without the person's row."""
    stored = Stored(folder, SigningKey.generate(), at("2021-01-01"))
    stored.life.enrol("2021-01-01")
    stored.life.adopt(KEPT, "2021-01-01")
    stored.train(1, ROWS, "2021-01-02")
    stored.score("2021-01-01", 1, ROWS.head(40), "2021-02-01")
    stored.score("2021-01-01", 1, ROWS.head(40).filter(pl.col(ID) != PERSON), "2021-02-02", shift=0.5)
    stored.train(2, ROWS.tail(117), "2021-02-03")
    stored.score("2021-02-01", 2, ROWS.head(50), "2021-03-01")
    return stored
