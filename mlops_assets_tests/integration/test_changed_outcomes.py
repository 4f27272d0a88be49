"""Outcomes from a source of their own that are corrected and withdrawn after the verdict: the window is judged again and not scored
again, both verdicts stay, and every report is in one place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from mlops_assets.fleet_files import fleet_rows, reports_of_outcomes
from mlops_assets.pipeline.windows_due import JUDGED_AGAIN, windows_due
from mlops_assets_tests.integration.lives import live
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS, write_project

WINDOW = WINDOWS[0]
ID, TIME, TARGET = "Rechnung Nr.", "issued at", "zu spät?"
OUTCOMES = """\
  outcomes:
    source: {path: data/outcomes/*.csv}
    id: invoice
    recorded_at: told on
    withdrawn: {column: status, values: [withdrawn]}
  features:
"""


def own_source(project: Path, declaration: Path) -> pl.DataFrame:
    """Move the outcomes of the model into a file of their own, with the time of the report; returns the rows as they were."""
    source = project / "data" / "late payments.parquet"
    rows = pl.read_parquet(source)
    rows.drop(TARGET).write_parquet(source)
    report(project, "first", rows, rows[TIME] + timedelta(days=1))
    text = declaration.read_text(encoding="utf-8")
    text = text.replace("end: 2021-06-01", "end: 2021-02-01").replace("  features:\n", OUTCOMES, 1)
    declaration.write_text(text, encoding="utf-8")
    return rows


def report(project: Path, name: str, rows: pl.DataFrame, told: pl.Series | datetime, status: str = "final") -> None:
    """Write a file of reports of outcomes."""
    folder = project / "data" / "outcomes"
    folder.mkdir(exist_ok=True)
    when = told if isinstance(told, pl.Series) else pl.lit(told)
    found = rows.select(pl.col(ID).alias("invoice"), TARGET, when.alias("told on"), pl.lit(status).alias("status"))
    found.write_csv(folder / f"{name}.csv")


def test_a_window_whose_outcomes_are_corrected_has_a_second_verdict(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    defs = write_project(project, TIMED)
    monkeypatch.syspath_prepend(str(project))
    rows = own_source(project, defs / "models" / TIMED / "defs.yaml")
    lived = live(defs)
    assert lived.failures == []
    (trained,) = lived.ledger.records(kind="snapshot_taken", model=TIMED)
    assert (trained.body["rows"], trained.body["quarantined"]) == (1500, 0), (
        "every row of the training found its outcome"
    )
    (first,) = lived.ledger.records(kind="health_verdict", model=TIMED)
    assert (first.subject, first.body["severity"], first.body["supersedes"]) == (WINDOW, "none", None)
    assert not windows_due(lived.platform, datetime.now(UTC))[0].due

    month = rows.filter(pl.col(TIME).dt.month() == 1)
    corrected = month.filter(pl.col("größe") == "mittel")
    other = pl.when(pl.col(TARGET) == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")).alias(TARGET)
    withdrawn = month.filter(pl.col("größe") == "klein")[:20]
    later = datetime(2021, 3, 1)  # noqa: DTZ001
    report(project, "corrected", corrected.with_columns(other), later)
    report(project, "withdrawn", withdrawn, later, "withdrawn")
    report(project, "repeated", month.filter(pl.col("größe") == "groß")[:30], later)
    report(project, "unknown", month[:4].with_columns(pl.format("nobody's {}", ID).alias(ID)), later)
    (due,) = windows_due(lived.platform, datetime.now(UTC))[0].due
    assert (due.window, due.stages) == (WINDOW, JUDGED_AGAIN)

    again = live(defs)
    assert again.failures == []
    before, after = again.ledger.records(kind="health_verdict", model=TIMED)
    assert before == first, "the verdict of then is what it was"
    assert after.body["supersedes"] == first.seq
    assert after.body["outcomes"] != first.body["outcomes"]
    (changed,) = [cause for cause in after.body["causes"] if cause["kind"] == "concept_drift"]
    assert changed["columns"] == ["größe"], "labels were turned round for one size"
    assert "the change is largest where größe = mittel" in changed["evidence"]
    assert len(again.ledger.records(kind="window_scored", model=TIMED)) == 1, "nothing was scored again"

    kept = again.platform.lake.read(f"{TIMED}/outcomes", window=WINDOW)
    twice = kept.group_by("id").len().filter(pl.col("len") == 2)["id"]
    assert set(twice) == {*corrected[ID], *withdrawn[ID]}, "each correction and withdrawal beside what it changes"
    assert kept.height == month.height + len(twice)
    assert set(kept.filter(pl.col("outcome").is_null())["id"]) == set(withdrawn[ID])
    reports = reports_of_outcomes(again.platform)[TIMED]
    assert reports.places == {
        "counts": rows.height - 20, "open": 0, "repeated": 30, "superseded": corrected.height + 20, "withdrawn": 20,
        "quarantined": 4,
    }  # fmt: skip
    (row,) = fleet_rows(again.platform)
    (item,) = [item for item in row["needs_attention"] if item["kind"] == "outcomes"]
    assert item["title"] == f"4 of {reports.total:,} reports of outcomes are in quarantine"
    assert not windows_due(again.platform, datetime.now(UTC))[0].due
