"""Reports of outcomes from a source of their own: each is in one place, and none is lost."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets.delivered import content_digest, deliver
from mlops_assets.datasets.outcome_source import PLACES
from mlops_assets.datasets.sources import SourceError
from mlops_assets.scoring.prediction_id import prediction_ids
from mlops_assets_tests.declaration.test_external import VENDOR, declared

TRAINED = {"origin": "trained", "external": None}
INPUTS = {
    "application": ["a", "b", "c", "d"],
    "decided_on": ["2023-11-01", "2023-11-02", "2023-11-03", "2023-11-04"],
    "income": [1, 2, 3, 4],
    "request": ["r1", "r2", "r3", "r3"],
    "vendor_score": [0.1, 0.2, 0.3, 0.4],
}
TIMED = {"recorded_at": "reported", "withdrawn": {"column": "status", "values": ["withdrawn"]}}


@pytest.fixture
def settled(tmp_path):
    def of(reports: dict, inputs: dict = INPUTS, outcomes: dict | None = None, **changes):
        pl.DataFrame(inputs).write_csv(tmp_path / "inputs.csv")
        pl.DataFrame(reports).write_csv(tmp_path / "outcomes.csv")
        declaration = declared(
            **{**TRAINED, **changes},
            source={"path": "inputs.csv"},
            outcomes={"source": {"path": "outcomes.csv"}, **(outcomes or {})},
        )
        delivered = deliver(declaration, tmp_path, declaration.columns)
        found = delivered.reports
        assert sum(found.counts.values()) == pl.DataFrame(reports).height
        assert sum(found.reasons.values()) == found.counts["quarantined"] == found.quarantined.height
        target = delivered.rows.select("application", "defaulted").collect()
        return found, dict(target.iter_rows())

    return of


def test_outcomes_find_their_rows(settled):
    found, target = settled({"application": ["c", "a"], "defaulted": [1, 0]})
    assert target == {"a": "0", "b": None, "c": "1", "d": None}
    assert found.counts["counts"] == 2


def test_untidy_reports_without_a_time(settled):
    reports = {
        "application": ["a", "a", "b", "b", "c", "zz", None, "d"],
        "defaulted": ["1", "1", "0", "1", None, "1", "0", "0"],
    }
    found, target = settled(reports)
    assert target == {"a": "1", "b": None, "c": None, "d": "0"}
    expected = {"counts": 2, "repeated": 1, "open": 1, "quarantined": 4}
    assert {k: v for k, v in found.counts.items() if v} == expected
    assert found.reasons == {
        "the last reports about its row contradict each other: no recorded_at says which one is later": 2,
        "about no row of the inputs": 1,
        "no identifier that can be read": 1,
    }
    assert "zz" in found.quarantined["application"].to_list()


@pytest.mark.parametrize(("reported", "row"), [("7", "007"), ("007", "7"), ("A7 ", "a7"), ("7.0", "007")])
def test_an_identifier_that_is_written_in_another_way_is_named(settled, reported, row):
    inputs = {**INPUTS, "application": [row, "b", "c", "d"]}
    found, target = settled({"application": [reported, "b", "zz"], "defaulted": [1, 1, 1]}, inputs)
    assert target["b"] == "1"
    assert (found.otherwise.reports, found.otherwise.row) == (1, row)
    assert "2 of 3 reports are quarantined: about no row of the inputs (2)" in found.remarks
    assert f"which is {row!r} in the inputs" in found.remarks[1]


def test_corrections_and_withdrawals_in_whatever_order_they_come(settled):
    reports = {
        "application": ["a", "a", "a", "b", "b", "c", "c", "c", "d", "d", "d"],
        "defaulted": ["1", "0", "1", "1", None, "1", None, "0", "1", "0", "1"],
        "status": ["", "", "", "", "withdrawn", "", "withdrawn", "", "", "", ""],
        "reported": [
            "2024-02-01", "2024-01-01", "2024-01-01",  # the correction settles a contradiction that comes after it
            "2024-01-01", "2024-02-01",
            "2024-01-01", "2024-02-01", "2024-03-01",
            "2024-01-01", "2024-01-02", "2024-01-02",
        ],
    }  # fmt: skip
    found, target = settled(reports, outcomes=TIMED)
    assert target == {"a": "1", "b": None, "c": "0", "d": None}
    counts = {"counts": 2, "superseded": 5, "withdrawn": 1, "quarantined": 3}
    assert {k: v for k, v in found.counts.items() if v} == counts
    assert list(found.reasons) == [
        "the last reports about its row contradict each other: they were recorded at the same time"
    ]


def test_a_time_that_cannot_be_read_is_quarantined(settled):
    reports = {
        "application": ["a", "c", "d", "b"],
        "defaulted": [1, 1, 1, 1],
        "status": ["", "", "", ""],
        "reported": ["2024-01-01", "2024-01-01", "2024-01-02", "soon"],
    }
    found, target = settled(reports, outcomes=TIMED)
    assert target["b"] is None
    assert found.reasons == {"reported: no time that can be read": 1}


def test_before_the_first_report_no_outcome_is_known(settled):
    found, target = settled({"application": pl.Series([], dtype=pl.String), "defaulted": pl.Series([], dtype=pl.Int64)})
    assert set(target.values()) == {None}
    assert set(found.counts.values()) == {0}


def test_identifier_and_day(settled):
    inputs = {**INPUTS, "application": ["a", "b", "c", "d"]}
    reports = {"application": ["a", "a", "b"], "on": ["2023-11-01", "2023-11-09", "2023-11-02"], "defaulted": [1, 0, 0]}
    found, target = settled(reports, inputs, {"event_day": "on"})
    assert target == {"a": "1", "b": "0", "c": None, "d": None}
    assert found.reasons == {"about no row of the inputs": 1}


def test_the_identifier_that_scoring_gave(settled):
    ids = prediction_ids(pl.Series(["a", "b"]), "card_default", "2023-11-01", 3).to_list()
    reports = {
        "prediction": [*ids, ids[0].replace("card_default", "another_model"), "nonsense"],
        "defaulted": [1, 0, 1, 1],
    }
    found, target = settled(reports, outcomes={"prediction_id": "prediction"})
    assert target == {"a": "1", "b": "0", "c": None, "d": None}
    assert found.reasons == {"no identifier that can be read": 2}


def test_the_suppliers_identifier_that_names_two_rows_names_none(settled):
    external = {**VENDOR, "prediction_id": "request"}
    reports = {"ref": ["r1", "r3"], "defaulted": [1, 1]}
    found, target = settled(reports, outcomes={"prediction_id": "ref"}, origin="external", external=external)
    assert target == {"a": "1", "b": None, "c": None, "d": None}
    assert found.reasons == {"about several rows of the inputs": 1}


def test_an_outcome_in_both_sources_is_refused(settled, tmp_path):
    with pytest.raises(SourceError, match="expected it in one of them"):
        settled({"application": ["a"], "defaulted": [1]}, {**INPUTS, "defaulted": [0, 0, 0, 0]})


def test_new_outcomes_are_new_content(settled, tmp_path):
    digests = set()
    for value in (0, 1):
        settled({"application": ["a"], "defaulted": [value]})
        declaration = declared(**TRAINED, source={"path": "inputs.csv"}, outcomes={"source": {"path": "outcomes.csv"}})
        digests.add(content_digest(declaration, tmp_path))
    assert len(digests) == 2


REPORT = st.tuples(
    st.sampled_from(["a", "b", "zz", None]),
    st.sampled_from(["0", "1", None]),
    st.sampled_from(["", "withdrawn"]),
    st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-03", None]),
)


@given(st.lists(REPORT, min_size=1, max_size=12))
def test_every_report_is_in_one_place_and_each_row_has_one_outcome_at_most(tmp_path_factory, reports):
    root = tmp_path_factory.mktemp("drawn")
    columns = ["application", "defaulted", "status", "reported"]
    frame = pl.DataFrame(reports, schema=dict.fromkeys(columns, pl.String), orient="row")
    pl.DataFrame(INPUTS).write_csv(root / "inputs.csv")
    frame.write_parquet(root / "outcomes.parquet")
    outcomes = {"source": {"path": "outcomes.parquet"}, **TIMED}
    found = deliver(declared(**TRAINED, source={"path": "inputs.csv"}, outcomes=outcomes), root).reports
    assert set(found.reports["mlops_status"].unique()) <= set(PLACES)
    assert sum(found.counts.values()) == frame.height
    assert found.standing["mlops_key"].is_unique().all()
    assert found.standing["mlops_recorded_at"].null_count() == 0
