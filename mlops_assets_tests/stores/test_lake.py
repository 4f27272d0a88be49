import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.stores.lake import Lake, LakeError
from mlops_assets_tests.effort import many_processes


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


def frame(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"id": list(values), "odd name (€)": [f"v{v}" for v in values]})


class TestSnapshots:
    def test_the_same_content_adds_no_version(self, lake):
        first = lake.write_snapshot("m/rows", frame(1, 2), "a" * 64)
        again = lake.write_snapshot("m/rows", frame(1, 2), "a" * 64)
        assert (first.version, again.version, lake.latest_version("m/rows")) == (0, 0, 0)

    def test_each_content_is_a_version_that_stays_readable(self, lake):
        old = lake.write_snapshot("m/rows", frame(1, 2), "a")
        new = lake.write_snapshot("m/rows", frame(3), "b")
        back = lake.write_snapshot("m/rows", frame(1, 2), "a")
        assert back.version == old.version, "content that was there before is found, not written again"
        assert_frame_equal(lake.read("m/rows", version=old.version), frame(1, 2))
        assert_frame_equal(lake.read("m/rows", version=new.version), frame(3))
        assert lake.digests("m/rows") == {1: "b", 0: "a"}

    def test_columns_may_change(self, lake):
        lake.write_snapshot("m/rows", frame(1), "a")
        lake.write_snapshot("m/rows", pl.DataFrame({"id": ["x"], "new": [1.5]}), "b")
        assert lake.read("m/rows").columns == ["id", "new"]

    def test_an_empty_table_keeps_its_columns(self, lake):
        lake.write_snapshot("m/rows", frame(1).clear(), "a")
        assert lake.read("m/rows").columns == frame(1).columns

    @pytest.mark.parametrize(
        ("column", "why"),
        [
            (pl.Series("c", ["x", "y"], dtype=pl.Categorical), "Delta's writer stops on dictionaries"),
            (pl.Series("c", ["x", "y"], dtype=pl.Enum(["x", "y"])), "the same"),
            (pl.Series("c", [None, None], dtype=pl.Null), "a column without any value has no type"),
        ],
    )
    def test_columns_that_delta_does_not_know_are_text(self, lake, column, why):
        lake.write_snapshot("m/rows", pl.DataFrame([column]), "a")
        assert lake.read("m/rows")["c"].to_list() == column.cast(pl.String).to_list(), why

    def test_the_log_is_kept_for_years(self, lake):
        from deltalake import DeltaTable

        lake.write_snapshot("m/rows", frame(1), "a")
        kept = DeltaTable(str(lake.path("m/rows"))).metadata().configuration
        assert kept["delta.logRetentionDuration"] == "interval 4000 days"
        assert kept["delta.deletedFileRetentionDuration"] == "interval 4000 days"


class TestWindows:
    def test_a_window_is_replaced_and_the_others_stay(self, lake):
        lake.write_window("m/said", "2021-01-01", frame(1, 2))
        lake.write_window("m/said", "2021-02-01", frame(3))
        lake.write_window("m/said", "2021-01-01", frame(7))
        assert lake.windows("m/said") == ["2021-01-01", "2021-02-01"]
        assert lake.read("m/said", window="2021-01-01")["id"].to_list() == [7]
        assert lake.read("m/said", window="2021-02-01")["id"].to_list() == [3]

    def test_what_a_record_names_stays_readable(self, lake):
        first = lake.write_window("m/said", "2021-01-01", frame(1, 2))
        lake.write_window("m/said", "2021-01-01", frame(7))
        assert lake.read("m/said", version=first.version, window="2021-01-01")["id"].to_list() == [1, 2]

    def test_a_new_column_is_merged_into_the_table(self, lake):
        lake.write_window("m/said", "2021-01-01", frame(1))
        lake.write_window("m/said", "2021-02-01", frame(2).with_columns(pl.lit(0.5).alias("challenger")))
        read = lake.read("m/said").sort("id")
        assert read["challenger"].to_list() == [None, 0.5]

    @pytest.mark.parametrize(
        ("column", "why"),
        [
            (pl.Series("c", [1.5, None]), "Polars writes it"),
            (pl.Series("c", [1, 2], dtype=pl.UInt32), "Delta has no unsigned numbers"),
            (pl.Series("c", [date(2020, 1, 1), None]).cast(pl.Datetime("ns")), "its nanoseconds are read by few"),
            (pl.Series("c", [datetime(2020, 1, 1, tzinfo=UTC), None], dtype=pl.Datetime("us", "UTC")), "an instant"),
            (pl.Series("c", [["x"], []], dtype=pl.List(pl.String)), "a list"),
            (pl.Series("c", ["x", None], dtype=pl.Categorical), "text"),
            (pl.Series("c", [None, None], dtype=pl.Null), "no type"),
        ],
    )
    def test_both_writers_keep_every_column(self, lake, column, why):
        for window in ("2021-01-01", "2021-02-01", "a b/ä", "2021-01-01"):
            lake.write_window("m/said", window, frame(1, 2).with_columns(column))
        assert lake.windows("m/said") == ["2021-01-01", "2021-02-01", "a b/ä"]
        for window in lake.windows("m/said"):
            read = lake.read("m/said", window=window, columns=["c"])["c"]
            assert [str(v) for v in read.to_list()] == [str(v) for v in column.to_list()], why

    def test_a_reader_of_delta_reads_what_polars_wrote(self, lake):
        from deltalake import DeltaTable

        lake.write_window("m/said", "2021-01-01", frame(1, 2))
        lake.write_window("m/said", "2021-01-01", frame(7))
        table = DeltaTable(str(lake.path("m/said")))
        assert table.to_pyarrow_table().to_pydict() == {
            "id": [7], "odd name (€)": ["v7"], "mlops_window": ["2021-01-01"],
        }  # fmt: skip

    def test_a_window_without_rows(self, lake):
        lake.write_window("m/said", "2021-01-01", frame(1))
        lake.write_window("m/said", "2021-01-01", frame(1).clear())
        assert lake.windows("m/said") == []
        assert lake.read("m/said", window="2021-01-01").height == 0


@pytest.mark.parametrize("call", ["read", "scan"])
def test_a_table_that_is_not_there(lake, call):
    with pytest.raises(LakeError, match=r"m/none: no such table under .* materialize the asset"):
        getattr(lake, call)("m/none")
    assert lake.windows("m/none") == []
    assert lake.digests("m/none") == {}
    assert lake.latest_version("m/none") is None


def _write_many(root: Path, month: int) -> None:
    lake = Lake(root)
    for turn in range(4):
        lake.write_window("m/said", f"2021-{month:02d}-01", frame(100 * month + turn))


def test_processes_write_windows_of_one_table_at_once(lake):
    lake.write_window("m/said", "2020-12-01", frame(0))
    start = many_processes()
    workers = [start.Process(target=_write_many, args=(lake.root, month)) for month in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    assert sorted(lake.read("m/said")["id"].to_list()) == [0, 103, 203], (
        "each window holds its last write, none is lost"
    )


def _write_first(root: Path, month: int) -> None:
    Lake(root).write_window("m/new", f"2021-{month:02d}-01", frame(month))


def test_processes_make_the_table_at_once(lake):
    start = many_processes()
    workers = [start.Process(target=_write_first, args=(lake.root, month)) for month in (1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0, 0]
    assert sorted(lake.read("m/new")["id"].to_list()) == [1, 2, 3]


def _interrupted(lake: Lake) -> None:
    with lake.window_writer("m/said", "2021-01-01") as writer:
        writer.add(frame(1))
        writer.add(frame(2))
        assert lake.read("m/said", window="2021-01-01")["id"].to_list() == [7], "nothing is half visible"
        raise RuntimeError("the run stops here")


class TestPieces:
    """A window that is written piece by piece."""

    @pytest.mark.parametrize(
        ("window", "column", "why"),
        [
            ("2021-01-01", pl.Series("c", [1.5, None, 2.5]), "Polars writes it"),
            ("2021-01-01", pl.Series("c", [1, 2, 3], dtype=pl.UInt32), "Delta's own writer has to"),
            ("a b/ä", pl.Series("c", ["x", None, "y"], dtype=pl.Categorical), "so it has for such a name"),
        ],
    )
    def test_they_become_one_window(self, lake, window, column, why):
        rows = frame(3, 1, 2).with_columns(column)
        lake.write_window("m/said", window, rows[:1])
        with lake.window_writer("m/said", window) as writer:
            for piece in (rows[:0], rows[:2], rows[2:], rows[:0]):
                writer.add(piece)
            assert writer.read("id").to_list() == [3, 1, 2]
            written = writer.commit()
        assert (written.rows, written.version) == (3, lake.latest_version("m/said")), why
        read = lake.read("m/said", window=window)
        if why == "Polars writes it":
            assert read["id"].to_list() == [3, 1, 2], "in the order in which they were added"
        wrote, found = ([str(v) for v in side.sort("id")["c"].to_list()] for side in (rows, read))
        assert found == wrote, why

    def test_a_reader_sees_the_rows_before_until_they_are_committed(self, lake):
        lake.write_window("m/said", "2021-01-01", frame(7))
        with pytest.raises(RuntimeError, match="stops here"):
            _interrupted(lake)
        assert lake.read("m/said", window="2021-01-01")["id"].to_list() == [7]
        assert not list(lake.path("m/said").glob("_unfinished/*")), "nothing is left behind"

    def test_what_a_killed_process_left_is_removed_when_it_is_surely_dead(self, lake):
        dead, alive = (lake.window_writer("m/said", f"2021-0{month}-01") for month in (1, 2))
        for writer in (dead, alive):
            writer.add(frame(1))
        old, young = dead._folder, alive._folder
        os.utime(old, (0, 0))
        lake.write_window("m/said", "2021-03-01", frame(3))
        assert (old.exists(), young.exists()) == (False, True)
        assert alive.commit().rows == 1

    def test_pieces_have_the_same_columns(self, lake):
        with lake.window_writer("m/said", "2021-01-01") as writer:
            with pytest.raises(ValueError, match="found nothing to write"):
                writer.commit()
            writer.add(frame(1))
            with pytest.raises(ValueError, match="expected Schema"):
                writer.add(frame(1).with_columns(more=1))


def test_names_that_differ_in_capitals_only_are_kept(tmp_path):
    lake = Lake(tmp_path)
    frame = pl.DataFrame({"Age": [1.0], "age": ["a"], "AGE": [True], "window": ["w"]})
    lake.write_window("m/rows", "2024-01-01", frame)
    lake.write_window("m/rows", "2024-02-01", frame)
    assert lake.read("m/rows", window="2024-02-01", columns=frame.columns).equals(frame)
    lake.write_snapshot("m/snapshot", frame, "d")
    assert lake.read("m/snapshot", columns=frame.columns).equals(frame)
