"""What the benchmark of streams rests on: quiet rows before a change, the change where it is said to be, and windows."""

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.invented_streams import Change, Stream, invented_streams
from benchmarks.published_streams import VARIANTS, judge, measure, read_stream, rightly, windows
from benchmarks.stream_faults import FAULTS
from mlops_assets.monitoring.verdict.causes import Cause


@pytest.fixture(scope="module")
def streams() -> dict[str, Stream]:
    return {stream.name: stream for stream in invented_streams(5, ("flights", "sales", "payments", "regimes"))}


def test_the_same_seed_gives_the_same_rows(streams):
    again = invented_streams(5, ("sales, relation",))[0]
    assert again.rows.equals(streams["sales, relation"].rows)


@pytest.mark.parametrize(
    ("name", "column", "more"),
    [
        ("flights, population", "airline", 2.0),
        ("payments, population", "country", 2.0),
        ("payments, base rate", "fraud", 1.5),
    ],
)
def test_what_is_said_to_change_does_and_not_before(streams, name, column, more):
    stream = streams[name]
    at = stream.changes[0].at
    early, late, since = (
        dict(rows[column].cast(pl.String).value_counts(normalize=True).iter_rows())
        for rows in (stream.rows[:12_000], stream.rows[12_000:at], stream.rows[at:])
    )
    grown = max((value for value in early if early[value] > 0.01), key=lambda value: since.get(value, 0) / early[value])
    assert since[grown] / early[grown] > more
    assert late[grown] / early[grown] == pytest.approx(1, abs=0.35)


def test_windows_lie_on_one_side_of_every_change(streams):
    stream = streams["regimes, relation"]
    at = stream.changes[0].at
    found = list(windows(stream, 2000, 6, 4))
    assert [change is not None for _, change in found] == [False] * 6 + [True] * 4
    assert all(start + 2000 <= at for start, change in found if change is None)
    assert [start for start, change in found if change] == [at + 2000 * i for i in range(4)]


@pytest.mark.parametrize(
    ("cause", "right", "why"),
    [
        (Cause("covariate_shift", "act", (), ("a", "b")), True, "the kind, and one of the columns"),
        (Cause("covariate_shift", "act", (), ("c",)), False, "another column"),
        (Cause("concept_drift", "act", ()), False, "another kind"),
    ],
)
def test_a_cause_is_right_by_kind_and_column(cause, right, why):
    assert rightly(cause, Change(0, ("covariate_shift",), columns=("a",))) is right, why


def test_a_folder_is_read_and_judged(streams, tmp_path: Path):
    stream = streams["regimes, population"]
    (tmp_path / "x").mkdir()
    stream.rows.write_parquet(tmp_path / "x" / "rows.parquet")
    truth = {"reference": stream.reference, "target": "y", "changes": [{"at": 24_000, "kinds": ["covariate_shift"]}]}
    (tmp_path / "x" / "truth.json").write_text(json.dumps(truth))
    read = read_stream(tmp_path / "x")
    assert (read.target, read.changes[0].at) == ("y", 24_000)
    tally = measure(read, 2000, argparse.Namespace(before=1, after=1), VARIANTS[3], None)
    assert (tally.quiet, tally.changed, tally.caught) == (1, 1, 1)


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "renamed category"])
def test_a_fault_breaks_the_columns_it_names_and_no_other(streams, name):
    rows = streams["sales, relation"].rows[:2000]
    broken = FAULTS[name](rows, ["price", "stock", "sold"], np.random.default_rng(1))
    if broken is None:
        assert name == "text with a space", "these columns are numbers"
        return
    changed = {n for n in rows.columns if n not in broken[0].columns or not broken[0][n].equals(rows[n])}
    assert broken[1] <= changed
    assert name == "sent twice" or broken[1] == changed


def test_outcomes_are_hidden_where_they_are_not_known(streams, tmp_path: Path):
    found = judge(streams["payments, base rate"], 12_000, 2000, tmp_path, ordered=False, outcomes=False)
    assert found.outcomes is None
    assert found.left_out["fraud"] == "ignored"
