"""Outcomes that are corrected after the verdict: the window is judged again and not scored again, and both verdicts stay."""

from datetime import UTC, datetime

import polars as pl

from mlops_assets.pipeline.windows_due import JUDGED_AGAIN, windows_due
from mlops_assets_tests.integration.lives import live
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS, write_project

WINDOW = WINDOWS[0]


def test_a_window_whose_outcomes_are_corrected_has_a_second_verdict(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    defs = write_project(tmp_path / "project", TIMED)
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    declaration = defs / "models" / TIMED / "defs.yaml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(text.replace("end: 2021-06-01", "end: 2021-02-01"), encoding="utf-8")
    lived = live(defs)
    assert lived.failures == []
    (first,) = lived.ledger.records(kind="health_verdict", model=TIMED)
    assert (first.subject, first.body["severity"], first.body["supersedes"]) == (WINDOW, "none", None)
    assert not windows_due(lived.platform, datetime.now(UTC))[0].due

    source = tmp_path / "project" / "data" / "late payments.parquet"
    rows = pl.read_parquet(source)
    month = pl.col("issued at").dt.month() == 1
    in_window = month & (pl.col("größe") == "mittel")
    other = pl.when(in_window & (pl.col("zu spät?") == "yes")).then(pl.lit("no")).when(in_window).then(pl.lit("yes"))
    rows.with_columns(other.otherwise("zu spät?").alias("zu spät?")).write_parquet(source)
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
    assert "most of all where größe = mittel" in changed["evidence"]
    assert len(again.ledger.records(kind="window_scored", model=TIMED)) == 1, "nothing was scored again"
    kept = again.platform.lake.read(f"{TIMED}/outcomes", window=WINDOW)
    corrected = rows.filter(in_window)["Rechnung Nr."]
    twice = kept.group_by("id").len().filter(pl.col("len") == 2)["id"]
    assert set(twice) == set(corrected), "each correction beside what it corrects"
    assert kept.height == rows.filter(month).height + len(corrected)
    assert not windows_due(again.platform, datetime.now(UTC))[0].due
