from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets.contract import check
from mlops_assets.datasets.files import SourceError
from mlops_assets.datasets.sources import deliver
from mlops_assets.declaration.declaration import Declaration


def declared(path: str, **source: object) -> Declaration:
    return Declaration.model_validate(
        {
            "name": "loans", "purpose": "A reduced case of files.", "owner": "team:tests", "developers": ["developer"],
            "tier": "low", "task": "binary", "source": {"path": path, **source}, "id": "id", "event_time": "day",
            "target": "bad", "features": {"age": "numeric", "code": "categorical"}, "training": {"until": "2024-06-01"},
        }
    )  # fmt: skip


def month(number: int, **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(
        {"id": [number], "day": [f"2024-0{number}-01"], "age": [30 + number], "code": ["a"], "bad": [0]}
    )
    return frame.with_columns(**columns)


def test_files_that_differ_are_one_table(tmp_path: Path) -> None:
    month(1).write_parquet(tmp_path / "1.parquet")
    month(2, age=pl.col("age").cast(pl.Float64), id=pl.lit("M2"), more=pl.lit(1)).write_parquet(tmp_path / "2.parquet")
    month(3).drop("age").write_parquet(tmp_path / "3.parquet")
    found = deliver(declared("*.parquet"), tmp_path)
    rows = check(found.rows, declared("*.parquet"), with_target=False).accepted
    assert rows.sort("day")["id"].to_list() == ["1", "M2", "3"]
    assert rows.sort("day")["age"].to_list() == [31.0, 32.0, None]
    assert any("age" in note and "no such column in 3.parquet" in note for note in found.notes)


def test_unfinished_files_are_left_alone_and_damaged_ones_are_named(tmp_path: Path) -> None:
    month(1).write_parquet(tmp_path / "1.parquet")
    (tmp_path / "_temporary").mkdir()
    month(2).write_parquet(tmp_path / "_temporary" / "2.parquet")
    month(2).write_parquet(tmp_path / ".2.parquet")
    (tmp_path / "3.parquet").write_bytes(b"")
    (tmp_path / "4.parquet").write_bytes(b"PAR1 cut")
    found = deliver(declared(str(tmp_path)), tmp_path)
    assert found.rows.collect().height == 1
    assert len(found.problems) == 1
    assert found.problems[0].startswith("4.parquet: cannot be read")
    assert "3.parquet (0 bytes)" in found.notes[0]


def test_text_is_read_as_written_and_the_guess_is_shown(tmp_path: Path) -> None:
    text = "id;day;age;code;bad\n007;2024-01-01;1,5;01;0\n8;2024-01-02;NA;NA;1\nÄ;2024-01-03;?;1;0\n"
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    model = declared("a.csv")
    found = deliver(model, tmp_path)
    rows = check(found.rows, model).accepted
    assert rows.select("id", "age", "code").rows() == [("007", 1.5, "01"), ("8", None, "NA"), ("Ä", None, "1")]
    (note,) = [n for n in found.notes if "guessed" in n]
    assert all(part in note for part in ("cp1252", "';'", "','"))
    marked = declared("a.csv", null_values=["NA", "?"], encoding="latin-1", separator=";", decimal=",")
    assert check(deliver(marked, tmp_path).rows, marked).accepted["code"].to_list() == ["01", None, "1"]


def test_a_line_with_too_many_fields_is_quarantined_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,day,age,code,bad\n1,2024-01-01,30,a,0\n2,2024-01-02,30,b,x,1\n3,2024-01-03,30,c,1\n"
    )
    model = declared("a.csv")
    found = check(deliver(model, tmp_path).rows, model)
    assert (found.accepted["id"].to_list(), found.summary) == (["1", "3"], {"found 6 fields, expected 5": 1})


def test_a_time_in_another_unit_is_refused_with_the_format(tmp_path: Path) -> None:
    month(1, day=pl.lit(1_704_067_200_000)).write_parquet(tmp_path / "1.parquet")
    with pytest.raises(SourceError, match=r"1.parquet: day: .* format: epoch_ms"):
        deliver(declared("1.parquet"), tmp_path)
