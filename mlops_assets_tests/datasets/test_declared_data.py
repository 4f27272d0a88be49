import hashlib
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets.declared_data import check_data
from mlops_assets.project import DeclaredModel
from mlops_assets_tests.datasets.test_deliver import declared, month
from mlops_assets_tests.declaration.test_external import VENDOR
from mlops_assets_tests.declaration.test_external import declared as declared_external

DECLARED = "attributes:\n  target: bad\n  features:\n    age: numeric\n"


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (None, ["file not found"]),
        (
            month(1, bad=pl.lit(2, dtype=pl.Int64)).drop("age"),
            [
                ":4: features.age: the table has no column 'age'",
                ":2: target.positive: the positive value '1' never occurs in 'bad'; found '2'",
            ],
        ),
        (month(1, day=pl.lit(20240101, dtype=pl.Int64)), ["format: yyyymmdd"]),
        (
            pl.concat([month(1), month(2, bad=pl.lit(1, dtype=pl.Int64)), month(3, bad=pl.lit(2, dtype=pl.Int64))]),
            ["two values, found 3"],
        ),
        (pl.concat([month(1), month(2, bad=pl.lit(1, dtype=pl.Int64))]), []),
    ],
    ids=["no file", "no column and no positive", "another format", "three values", "as declared"],
)
def test_every_mistake_in_view_of_the_data_is_found(
    tmp_path: Path, frame: pl.DataFrame | None, found: list[str]
) -> None:
    if frame is not None:
        frame.write_parquet(tmp_path / "a.parquet")
    path = tmp_path / "defs.yaml"
    path.write_text(DECLARED)
    mistakes = check_data(DeclaredModel("m", path, declared("a.parquet")), tmp_path).mistakes
    assert len(mistakes) == len(found)
    assert all(text in mistake for text, mistake in zip(found, mistakes, strict=True))


def test_a_document_of_a_supplier_is_compared_with_its_declared_digest(tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"as it was handed over")
    digest = hashlib.sha256(report.read_bytes()).hexdigest()
    documents = [
        {"title": "Validation report", "sha256": digest, "path": "report.pdf"},
        {"title": "Kept elsewhere", "sha256": digest},
        {"title": "Not there", "sha256": digest, "path": "gone.pdf"},
    ]
    model = declared_external(external={**VENDOR, "documents": documents})
    path = tmp_path / "defs.yaml"
    path.write_text(DECLARED)

    def of_documents() -> list[str]:
        found = check_data(DeclaredModel("m", path, model), tmp_path).mistakes
        return [text for text in found if "external.documents" in text]

    (gone,) = of_documents()
    assert "external.documents.2: there is no file gone.pdf" in gone
    report.write_bytes(b"as somebody would have liked it")
    exchanged, _ = of_documents()
    assert (
        f"report.pdf has the SHA-256 {hashlib.sha256(report.read_bytes()).hexdigest()}, declared is {digest}"
        in exchanged
    )


@pytest.mark.parametrize(
    ("identifiers", "said"),
    [
        (
            ["1", "b"],
            ":4: outcomes: 1 report is about no row only because identifiers are written in two ways: found '1', ",
        ),
        (["x", "y"], ":4: outcomes: none of 2 reports gives a row its outcome: about no row of the inputs (2)"),
        (["001", "x"], None),
    ],
    ids=["zeros in front", "none joins", "some join"],
)
def test_outcomes_that_do_not_find_their_rows(tmp_path: Path, identifiers: list[str], said: str | None) -> None:
    inputs = {
        "application": ["001", "b"],
        "decided_on": ["2023-11-01"] * 2,
        "income": [1, 2],
        "vendor_score": [0.1, 0.2],
    }
    pl.DataFrame({**inputs, "request": ["r1", "r2"]}).write_csv(tmp_path / "inputs.csv")
    pl.DataFrame({"application": identifiers, "defaulted": [1, 0]}).write_csv(tmp_path / "outcomes.csv")
    outcomes = {"source": {"path": "outcomes.csv"}}
    model = declared_external(source={"path": "inputs.csv"}, outcomes=outcomes, origin="trained", external=None)
    path = tmp_path / "defs.yaml"
    path.write_text("attributes:\n  target: defaulted\n  source: {path: inputs.csv}\n  outcomes: {}\n")
    found = [m for m in check_data(DeclaredModel("m", path, model), tmp_path).mistakes if ": outcomes: " in m]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["2 of 3 rows before 2023-12-01 have no outcome (66.7%)", "1 of 3 reports are quarantined: about no row"]),
        ({"selective": "Only approved ones."}, ["1 of 3 reports are quarantined"]),
        (
            {"selective": "Only approved ones.", "withdrawn": {"column": "status", "values": ["annulled"]}},
            [
                "1 of 3 reports are quarantined",
                "no report is withdrawn: 'status' has 'final', 'withdrawn', and never 'annulled'",
            ],
        ),
    ],
    ids=["rows without an outcome", "declared so", "a value that no report has"],
)
def test_what_may_not_be_meant_about_outcomes_is_remarked(tmp_path: Path, changes: dict, said: list[str]) -> None:
    inputs = {"application": ["a", "b", "c"], "decided_on": ["2023-11-01"] * 3, "income": [1, 2, 3]}
    pl.DataFrame(inputs).write_csv(tmp_path / "inputs.csv")
    reports = {
        "application": ["a", "a", "z"],
        "defaulted": [1, 0, 0],
        "told": ["2024-02-01", "2024-03-01", "2024-03-01"],
    }
    pl.DataFrame({**reports, "status": ["final", "withdrawn", "final"]}).write_csv(tmp_path / "outcomes.csv")
    outcomes = {"source": {"path": "outcomes.csv"}, "recorded_at": "told", **changes}
    model = declared_external(source={"path": "inputs.csv"}, outcomes=outcomes, origin="trained", external=None)
    path = tmp_path / "defs.yaml"
    path.write_text("attributes:\n  target: defaulted\n  outcomes: {}\n")
    remarks = check_data(DeclaredModel("m", path, model), tmp_path).remarks
    assert len(remarks) == len(said)
    assert all(text in remark for text, remark in zip(said, remarks, strict=True))


def test_a_time_of_reports_in_another_format_is_named_where_it_is_declared(tmp_path: Path) -> None:
    rows = {"application": ["1", "2"], "decided_on": ["2023-10-01"] * 2, "income": [1.0, 2.0]}
    pl.DataFrame(rows).write_csv(tmp_path / "inputs.csv")
    reports = {"application": ["1", "2"], "defaulted": [0, 1], "reported": ["31.12.2023", "30.11.2023"]}
    pl.DataFrame(reports).write_csv(tmp_path / "outcomes.csv")
    outcomes = {"source": {"path": "outcomes.csv"}, "recorded_at": {"column": "reported", "format": "%Y/%m/%d"}}
    model = declared_external(source={"path": "inputs.csv"}, outcomes=outcomes, origin="trained", external=None)
    path = tmp_path / "defs.yaml"
    path.write_text("attributes:\n  target: defaulted\n  source: {path: inputs.csv}\n  outcomes: {}\n")
    (found,) = check_data(DeclaredModel("m", path, model), tmp_path).mistakes
    assert ":4: outcomes: outcomes.csv: reported: found" in found
    assert "`outcomes.recorded_at" in found
    assert "`event_time" not in found
