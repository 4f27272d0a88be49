import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.two_tables.comparison import compare_tables


def table(rows: int, seed: int, first_day: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=rows)
    chance = 1 / (1 + np.exp(-x))
    days = pl.Series(first_day + np.arange(rows) // 50, dtype=pl.Int32).cast(pl.Date)
    return pl.DataFrame(
        {"x": x, "z": generator.normal(size=rows), "repaid": generator.random(rows) < chance}
    ).with_columns(day=days, y_pred_proba=pl.Series(chance))


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "reference.csv", tmp_path / "current.csv"


def written(paths: tuple[Path, Path], form: str, *drop: str) -> tuple[Path, Path]:
    for path, rows in zip(paths, (table(4000, 1, 18_000), table(2000, 2, 18_080)), strict=True):
        rows = rows.with_columns(day=pl.col("day").cast(pl.Datetime).dt.strftime(form))
        (rows.drop(drop) if path == paths[1] else rows).write_csv(path)
    return paths


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d"])
def test_days_written_as_text_are_days(paths: tuple[Path, Path], form: str) -> None:
    found = compare_tables(*written(paths, form))
    assert found.left_out["day"] == "the time that separates the tables"
    assert (found.health.severity, found.health.kind) == ("none", "none")


def test_days_that_are_written_otherwise_break_the_feed(paths: tuple[Path, Path]) -> None:
    written(paths, "%Y/%m/%d")
    rows = pl.read_csv(paths[1])
    rows.with_columns(day=pl.col("day").str.replace_all("/", " - ")).write_csv(paths[1])
    found = compare_tables(*paths)
    assert (found.health.kind, found.health.columns) == ("data_quality", ("day",))


def test_an_outcome_that_is_not_known_yet_is_no_broken_feed(paths: tuple[Path, Path]) -> None:
    found = compare_tables(*written(paths, "%Y-%m-%d", "repaid"))
    assert (found.health.severity, found.health.kind) == ("none", "none")
    assert any("'repaid' was taken for the outcome" in remark for remark in found.remarks)
    named = compare_tables(*paths, target="")
    assert (named.health.kind, named.health.columns) == ("data_quality", ("repaid",))


def test_a_lone_missing_column_may_be_the_outcome(paths: tuple[Path, Path]) -> None:
    written(paths, "%Y-%m-%d", "repaid")
    for path in paths:
        pl.read_csv(path).drop("y_pred_proba").write_csv(path)
    found = compare_tables(*paths)
    assert found.health.kind == "data_quality"
    assert any("--target 'repaid' says so" in remark for remark in found.remarks)


def test_a_missing_input_is_named_though_a_prediction_is_there(paths: tuple[Path, Path]) -> None:
    found = compare_tables(*written(paths, "%Y-%m-%d", "repaid", "z"))
    assert found.health.kind == "data_quality"
    assert set(found.health.columns) == {"repaid", "z"}


def test_a_prediction_is_taken_for_the_score(paths: tuple[Path, Path]) -> None:
    found = compare_tables(*written(paths, "%Y-%m-%d"), target="repaid")
    assert found.outcomes is not None
    assert found.outcomes.score == "y_pred_proba"
    assert any("taken for a model's score" in remark for remark in found.remarks)
    learned = compare_tables(*paths, target="repaid", score="")
    assert learned.outcomes is not None
    assert learned.outcomes.score == ""


def plain_csv(paths: tuple[Path, Path], change) -> tuple[Path, Path]:
    for path, seed in zip(paths, (1, 2), strict=True):
        text = table(400, seed, 18_000).select("x", "z").write_csv()
        path.write_text(change(text) if path == paths[1] else text)
    return paths


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.split("\n", 1)[1], "first line holds values"),
        (lambda text: text.replace("x,z", " x,Z", 1), "differ in spaces or capitals only"),
    ],
)
def test_a_file_that_is_read_wrongly_says_why(paths: tuple[Path, Path], change, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        compare_tables(*plain_csv(paths, change))
    assert str(paths[1]) in str(error.value)


def test_a_file_with_another_separator_is_read_as_it_was_written(paths: tuple[Path, Path]) -> None:
    found = compare_tables(*plain_csv(paths, lambda text: text.replace(",", ";")))
    assert sorted(column.name for column in found.columns) == ["x", "z"]
    assert found.verdict["severity"] == "none"


def test_row_numbers_without_a_name_are_left_out(paths: tuple[Path, Path]) -> None:
    for path, seed in zip(paths, (1, 2), strict=True):
        table(400, seed, 18_000).select("x", "z").with_row_index("").write_csv(path)
    assert list(compare_tables(*paths).left_out) == ["(no name)"]


def test_a_number_that_never_varied_and_does_now_is_named(paths: tuple[Path, Path]) -> None:
    for path, value in zip(paths, (1, 2), strict=True):
        table(400, value, 18_000).select("x", "z").with_columns(k=pl.lit(value)).write_csv(path)
    found = compare_tables(*paths)
    assert found.health.severity == "act"
    assert found.health.columns == ("k",)
