import os
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets.sources import SourceError, digest_of, scan
from mlops_assets.declaration.source import Source

FRAME = pl.DataFrame({"id": [1, 2, 3], "loan amount": [1.5, None, 2.0], "state": ["CA", "NY", None]})


def source(path: str) -> Source:
    return Source(path=path)


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "loans.parquet")
    FRAME.write_csv(tmp_path / "loans.csv")
    FRAME.write_csv(tmp_path / "loans.tsv", separator="\t")
    FRAME.write_delta(str(tmp_path / "loans_delta"))
    (tmp_path / "parts").mkdir()
    FRAME.head(2).write_parquet(tmp_path / "parts" / "a.parquet")
    FRAME.tail(1).write_parquet(tmp_path / "parts" / "b.parquet")
    paths = ["loans.parquet", "loans.csv", "loans.tsv", "loans_delta", "parts", "parts/*.parquet"]
    paths += [str(tmp_path / "loans.parquet"), f"file://{tmp_path}/loans.csv"]
    for path in paths:
        assert scan(source(path), tmp_path, ["id"]).collect().sort("id").equals(FRAME), path


def test_fsspec_url() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    with memory.open("/bank/loans.parquet", "wb") as stream:
        FRAME.write_parquet(stream)
    found = scan(source("memory://bank/loans.parquet"), Path("/nowhere")).collect()
    assert found.equals(FRAME)
    assert scan(source("memory://bank/*.parquet"), Path("/nowhere")).collect().height == 3
    with pytest.raises(SourceError, match="nothing found"):
        scan(source("memory://bank/other.parquet"), Path("/nowhere"))


def cut_short(folder: Path) -> str:
    FRAME.write_parquet(folder / "cut.parquet")
    data = (folder / "cut.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(data[: len(data) // 2])
    return "cut.parquet"


def no_bytes(folder: Path) -> str:
    (folder / "none.csv").write_bytes(b"")
    return "none.csv"


def no_rows(folder: Path) -> str:
    FRAME.clear().write_parquet(folder / "bare.parquet")
    return "bare.parquet"


def near_name(folder: Path) -> str:
    FRAME.write_parquet(folder / "loans.parquet")
    return "loan.parquet"


def unknown_format(folder: Path) -> str:
    (folder / "loans.xlsx").write_bytes(b"x")
    return "loans.xlsx"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (cut_short, "cut.parquet: cannot be read"),
        (no_bytes, "0 bytes"),
        (no_rows, "columns and no rows"),
        (near_name, "Near: loans.parquet"),
        (unknown_format, "format is unknown"),
        (lambda folder: "parts/*.parquet", "no file matches"),
        (lambda folder: "no/such/file.csv", "does not exist"),
    ],
)
def test_what_cannot_be_read_is_named(prepare: object, message: str, tmp_path: Path) -> None:
    path = prepare(tmp_path)  # type: ignore[operator]
    with pytest.raises(SourceError, match=message):
        scan(source(path), tmp_path)


def test_missing_columns_are_named_with_near_ones(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "loans.parquet")
    with pytest.raises(SourceError, match=r"'loan_amount' \(near: 'loan amount'\), 'age'"):
        scan(source("loans.parquet"), tmp_path, ["id", "loan_amount", "age"])


def test_digest_sees_content_and_not_a_touch(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("id\n1\n")
    os.utime(path, ns=(10**18, 10**18))
    first = digest_of(source("loans.csv"), tmp_path)
    os.utime(path, ns=(10**18 + 5, 10**18 + 5))
    assert digest_of(source("loans.csv"), tmp_path) == first
    path.write_text("id\n2\n")
    os.utime(path, ns=(10**18, 10**18))
    assert digest_of(source("loans.csv"), tmp_path) != first


def test_digest_of_a_delta_table_changes_with_its_version(tmp_path: Path) -> None:
    FRAME.write_delta(str(tmp_path / "t"))
    first = digest_of(source("t"), tmp_path)
    assert digest_of(source("t"), tmp_path) == first
    FRAME.write_delta(str(tmp_path / "t"), mode="append")
    assert digest_of(source("t"), tmp_path) != first
