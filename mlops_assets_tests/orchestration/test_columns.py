"""What the UI shows of columns and pages, from the declaration alone."""

import dagster as dg
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.columns import lineage_of, schema_of
from mlops_assets.orchestration.metadata import LONG_CELL, PAGES_URL, markdown_table, page_link, to_metadata
from mlops_assets.orchestration.sources import source_specs

LOANS = Declaration.model_validate(
    {
        "name": "loans",
        "purpose": "Probability of default.",
        "owner": "team:credit",
        "developers": ["developer"],
        "tier": "low",
        "task": "binary",
        "source": {"path": "data/loans.parquet"},
        "id": "loan_id",
        "event_time": "approved",
        "target": "default",
        "features": {
            "employees": {
                "role": "numeric",
                "minimum": 0,
                "maximum": 500,
                "description": "On the day.",
                "nullable": False,
            },
            "state": {"role": "categorical", "allowed": ["CA", "TX"]},
        },
        "protected": [{"column": "age"}, {"column": "state"}],
        "training": {"until": "2020-01-01"},
    }
)


def columns(stage: str) -> dict[str, dg.TableColumn]:
    return {c.name: c for c in schema_of(LOANS, stage)["dagster/column_schema"].columns}


def test_training_data_shows_every_declared_column_with_its_rules() -> None:
    found = columns("training_data")
    assert {n: c.type for n, c in found.items()} == {
        "loan_id": "identifier",
        "approved": "time",
        "default": "target",
        "age": "protected",
        "employees": "numeric",
        "state": "categorical",
    }
    assert found["loan_id"].constraints.unique
    assert not found["employees"].constraints.nullable
    assert found["employees"].constraints.other == ["at least 0", "at most 500"]
    assert found["state"].constraints.other == ["one of CA, TX"]
    assert found["employees"].description == "On the day."


def test_features_are_the_inputs_alone() -> None:
    assert set(columns("features")) == {"employees", "state"}


@pytest.mark.parametrize(
    ("stage", "source"), [("training_data", ["source", "data", "loans"]), ("features", ["loans", "training_data"])]
)
def test_each_column_comes_from_the_one_of_its_name(stage: str, source: list[str]) -> None:
    deps = lineage_of(LOANS, stage)["dagster/column_lineage"].deps_by_column
    assert set(deps) == set(columns(stage))
    assert deps["state"] == [dg.TableColumnDep(dg.AssetKey(source), "state")]


@pytest.mark.parametrize("stage", ["challenger", "health"])
def test_what_is_no_table_has_no_columns(stage: str) -> None:
    assert schema_of(LOANS, stage) == {}
    assert lineage_of(LOANS, stage) == {}


def test_a_page_is_linked_where_it_is_served_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PAGES_URL, raising=False)
    assert page_link("fleet.html") == {}
    monkeypatch.setenv(PAGES_URL, "http://127.0.0.1:3001/")
    assert page_link("models/loans.html")["served page"].value == "http://127.0.0.1:3001/models/loans.html"


def test_a_source_shows_where_it_is() -> None:
    assert source_specs([LOANS])[0].metadata["path"] == "data/loans.parquet"
    assert "query" not in source_specs([LOANS])[0].metadata


def test_a_list_of_words_is_read_as_words() -> None:
    assert to_metadata({"actions": ["incident", "retrain"]})["actions"] == "incident, retrain"


def test_rows_are_a_table_and_sentences_are_a_list() -> None:
    short = [{"kind": "data_quality", "severity": "act", "n": 0.123456}]
    assert markdown_table(short) == "| kind | severity | n |\n| --- | --- | --- |\n| data_quality | act | 0.1235 |"
    long = [{**short[0], "columns": "", "evidence": "x" * (LONG_CELL + 1)}]
    assert markdown_table(long) == f"- **data_quality** · severity act · n 0.1235  \n  {'x' * (LONG_CELL + 1)}"
