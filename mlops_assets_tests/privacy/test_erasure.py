"""A person is taken out of every table, everything else still verifies, and nobody can take out more than is listed."""

from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from mlops_assets.inspection.lake_check import lake_problems, removed_rows
from mlops_assets.inspection.lookup import NotFound, prediction_row, scored_row
from mlops_assets.inspection.recorded_tables import ChangedRows, RowsRemoved, kept_with_version
from mlops_assets.inspection.replay import replay_version
from mlops_assets.ledger.events.privacy import RowsErased
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.privacy import erasure
from mlops_assets.privacy.erasure import Erased, ErasureRefused, erase, rows_of
from mlops_assets.scoring.prediction_id import parse, prediction_ids
from mlops_assets_tests.privacy.stored import COLUMNS, ID, MODEL, PERSON, ROWS, Stored

TABLES = {
    "training_data", "without_outcome", "quarantine", "features", "predictions", "scored_rows", "outcomes",
    "scoring_quarantine", "reference_sample", "held_out_losses",
}  # fmt: skip


def names(ids: str, window: str = "2021-01-01", version: int = 1) -> str:
    return prediction_ids(pl.Series([ids]), MODEL, window, version)[0]


def problems(stored: Stored) -> list[str]:
    return [one["what"] for one in lake_problems(stored.platform)]


def take_out(stored: Stored, person: str = PERSON) -> Erased:
    found = rows_of(stored.platform, MODEL, person)
    return erase(
        stored.platform, MODEL, found, stored.key, "asked for on 2 March", "GDPR Article 17(1)(b)", "erasure-1"
    )


def holding(folder: Path, text: str) -> set[str]:
    """Tables with a file in which a text is found, uncompressed."""
    found = set()
    for path in folder.rglob("*"):
        if path.suffix == ".parquet" and text in str(pl.read_parquet(path).to_dicts()):
            found.add(path.relative_to(folder).parts[1])
        elif path.suffix == ".json" and text in path.read_text(encoding="utf-8"):
            found.add(path.name)
    return found


def test_a_person_is_in_no_file_afterwards_and_everything_else_verifies(stored):
    assert problems(stored) == []
    assert holding(stored.folder / "lake", PERSON) == TABLES
    before = prediction_row(stored.platform, names("r00008"))
    found = rows_of(stored.platform, MODEL, PERSON)
    assert {one.part.table.split("/")[1] for one in found} == TABLES
    assert holding(stored.folder / "lake", PERSON) == TABLES, "looking changes nothing"
    done = take_out(stored)
    assert done.files > len(TABLES)
    assert holding(stored.folder / "lake", PERSON) == set()
    assert problems(stored) == []
    assert PERSON not in str(done.record.body)
    assert done.record.event.tables
    assert prediction_row(stored.platform, names("r00008")) == before
    assert scored_row(stored.platform, parse(names("r00008")))[ID].to_list() == ["r00008"]
    assert kept_with_version(stored.platform, MODEL, "reference_sample", 1)[ID].to_list() == [
        name for name in ROWS[ID].head(30) if name != PERSON
    ]
    assert rows_of(stored.platform, MODEL, PERSON) == []
    with pytest.raises(
        NotFound, match=r"1 of 40 rows erased under record \d+ \(asked for on 2 March\), and it may be among"
    ):
        prediction_row(stored.platform, names(PERSON))
    with pytest.raises(RowsRemoved, match=r"1 of 120 rows erased .* so the training cannot be replayed any more"):
        replay_version(stored.platform, MODEL, 1)
    said = [one["what"] for one in removed_rows(stored.platform)]
    assert len(said) == len({(t.table, t.window, t.root) for t in done.record.event.tables})
    assert all("erased under record" in one for one in said)


def test_a_second_person_and_a_window_that_is_scored_again(stored):
    take_out(stored)
    take_out(stored, "r00011")
    stored.score("2021-02-01", 2, ROWS.head(50).filter(~pl.col(ID).is_in([PERSON, "r00011"])), "2021-03-05")
    assert problems(stored) == []
    assert holding(stored.folder / "lake", "r00011") == set()
    take_out(stored, "r00012")
    assert problems(stored) == []
    assert prediction_row(stored.platform, names("r00013", "2021-02-01", 2))["score"] == 13.0


@pytest.mark.parametrize(
    "table", ["predictions", "scored_rows", "outcomes", "reference_sample", "training_data", "features"]
)
def test_what_remains_cannot_be_changed(stored, table):
    take_out(stored)
    folder = str(stored.lake.path(f"{MODEL}/{table}"))
    rows = pl.read_delta(folder)
    column = {"outcomes": "recorded_at", "predictions": "score"}.get(table, "flag")
    other = pl.col(column).reverse() if column == "score" else pl.lit(None, dtype=rows.schema[column]).alias(column)
    harmed = rows.with_columns(other)
    if table in ("training_data", "features"):
        (kept,) = {
            one["path"]
            for one in stored.lake._open(f"{MODEL}/{table}").get_add_actions(flatten=True).to_struct_array().to_pylist()
        }
        harmed.write_parquet(Path(folder) / kept)
    else:
        write_deltalake(folder, harmed.to_arrow(), mode="overwrite", schema_mode="overwrite")
    assert any(f"{MODEL}/{table}" in what for what in problems(stored))


def test_a_further_row_that_goes_missing_is_named(stored):
    take_out(stored)
    folder = str(stored.lake.path(f"{MODEL}/predictions"))
    rows = pl.read_delta(folder)
    write_deltalake(folder, rows.filter(pl.col("id") != "r00020").to_arrow(), mode="overwrite")
    assert len(problems(stored)) == 2, "both windows had the row"


@pytest.mark.parametrize("person", ["developer", "validator"])
def test_a_list_by_a_role_that_may_not_erase_counts_for_nothing(stored, person):
    with pytest.raises(NotAllowed, match=r"may not sign erasure|erasure needs data-protection or model-risk"):
        erase(stored.platform, MODEL, rows_of(stored.platform, MODEL, PERSON), stored.life.keys[person], "r", "b", "e")
    tables = tuple(one.removed for one in rows_of(stored.platform, MODEL, PERSON))
    forged = stored.life.sign(
        person, RowsErased, {"tables": "a" * 64}, id="e", reason="bad window", basis="none", tables=tables
    )
    record = stored.life.write(forged, "e")
    for one in rows_of(stored.platform, MODEL, PERSON):
        if one.part.table == f"{MODEL}/predictions":
            stored.lake.write_window(one.part.table, one.part.window or "", one.rows.filter(~one.theirs))
    assert record.seq in stored.ledger.state().refusals
    assert any("predictions" in what and "other rows" in what for what in problems(stored))


def test_an_interrupted_removal_is_named_and_finished_by_doing_it_again(stored, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "take_out", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take_out(stored)
    assert all("are still in the lake" in what for what in problems(stored))
    assert len(problems(stored)) > 5
    assert prediction_row(stored.platform, names("r00008"))["score"] == 8.0, "what is on record is there"
    take_out(stored)
    assert problems(stored) == []
    assert holding(stored.folder / "lake", PERSON) == set()


def test_nothing_is_erased_from_a_table_that_was_changed(stored):
    folder = str(stored.lake.path(f"{MODEL}/predictions"))
    rows = pl.read_delta(folder).with_columns(pl.col("score") + 1)
    write_deltalake(folder, rows.to_arrow(), mode="overwrite")
    with pytest.raises(ErasureRefused, match="an erasure would hide what was changed"):
        rows_of(stored.platform, MODEL, PERSON)


def test_a_person_is_found_by_another_column(stored):
    """The identifiers of the rows lead to the tables that do not have the column."""
    assert "größe" in COLUMNS
    rare = ROWS["größe"].value_counts().sort("count")["größe"][0]
    found = rows_of(stored.platform, MODEL, rare, column="größe")
    theirs = set(ROWS.filter(pl.col("größe") == rare)[ID])
    assert {one.part.table.split("/")[1] for one in found} >= {"training_data", "scored_rows", "predictions"}
    (window,) = (one for one in found if one.part.table.endswith("/predictions") and one.part.window == "2021-02-01")
    assert set(window.rows.filter(window.theirs)["id"]) == theirs & set(ROWS[ID].head(50))


@pytest.mark.parametrize(("reason", "basis"), [("", "law"), ("asked", " ")])
def test_an_erasure_says_why(stored, reason, basis):
    with pytest.raises(ValueError, match="a reason and a legal basis"):
        erase(stored.platform, MODEL, rows_of(stored.platform, MODEL, PERSON), stored.key, reason, basis, "e")


def test_changed_rows_are_refused_when_they_are_read(stored):
    take_out(stored)
    table = f"{MODEL}/reference_sample"
    rows = stored.lake.read(table, window="v1", salted=True).drop("mlops_window")
    stored.lake.write_window(table, "v1", rows.with_columns(pl.lit(1.0).alias("constant") * 2))
    with pytest.raises(ChangedRows, match="root, removed ones included"):
        kept_with_version(stored.platform, MODEL, "reference_sample", 1)
