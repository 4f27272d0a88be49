from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets.text_tables import scan_text

MANY = 3000
"""Rows, more than anything that looks at the first ones only would look at."""


@pytest.mark.parametrize(
    "values",
    [
        ["2020-01-02", None, "2020-02-03"],
        ["2020-01-02", "unknown", "2020-02-03"],
        ["2020-01-02T00:00:00Z", "2020-01-02T01:00:00Z", "2020-01-02T02:00:00Z"],
        ["13/02/2020", "14/02/2020", "01/02/2020"],
        ["2020-01-01", "2020-01-01 10:00:00", "2020-01-02"],
        ["2020-01-01 10:00:00", "2020-01-01 10:00:00.123", "2020-01-01 10:00:00"],
        ["10:00:00", "11:00:00", "12:00:01"],
        [None, None, None],
        ["1", "2", "3.5"],
        ["1", "2", "x"],
        ["true", "false", "true"],
    ],
    ids=[
        "dates",
        "dates and a word",
        "times with a zone",
        "day first",
        "dates and times",
        "fractions of a second",
        "time of day",
        "nothing",
        "whole and broken numbers",
        "numbers and a word",
        "yes and no",
    ],
)
@pytest.mark.parametrize("before", [[], ["first"] * MANY], ids=["from the first row on", "after many rows"])
def test_types_are_those_that_a_look_at_all_rows_gives(tmp_path: Path, values: list[str | None], before: list[str]):
    path = tmp_path / "table.csv"
    filled = [values[0]] * len(before)
    pl.DataFrame(
        {"n": range(len(before) + 3), "v": [*filled, *values]}, schema={"n": pl.Int64, "v": pl.String}
    ).write_csv(path)
    expected = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
    found = scan_text([path]).collect()
    assert found.schema == expected.schema
    assert found.equals(expected)


def test_a_file_written_anew_is_looked_at_anew(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("when\n2020-01-01\n")
    assert scan_text([path]).collect_schema()["when"] == pl.Date
    path.write_text("when\nsometime\n")
    assert scan_text([path]).collect()["when"].to_list() == ["sometime"]


def test_several_files_are_one_table(tmp_path: Path):
    for name, value in (("a", "1"), ("b", "1.5")):
        (tmp_path / f"{name}.tsv").write_text(f"id\tv\n{name}\t{value}\n")
    frame = scan_text([tmp_path / "a.tsv", tmp_path / "b.tsv"]).collect()
    assert frame.to_dict(as_series=False) == {"id": ["a", "b"], "v": [1.0, 1.5]}
