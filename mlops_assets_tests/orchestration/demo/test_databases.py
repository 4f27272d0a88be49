"""Which databases a trial writes without waiting for the disk."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from mlops_assets.orchestration.demo.databases import unsynchronised


def level(file: Path) -> int:
    """SQLite's `synchronous` of a new connection: 0 is OFF, 2 is FULL."""
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        found = connection.execute(sa.text("PRAGMA synchronous")).scalar_one()
    engine.dispose()
    return found


@pytest.mark.parametrize(("place", "expected"), [("fast/runs/index.db", 0), ("ledger.db", 2), ("faster/x.db", 2)])
def test_only_the_named_folders_are_written_without_waiting(tmp_path: Path, place: str, expected: int) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    with unsynchronised(tmp_path / "fast"):
        assert level(file) == expected
    assert level(file) == 2, "the setting ends with the trial"


def test_a_failure_ends_the_setting_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), unsynchronised(tmp_path):
        raise ZeroDivisionError
    assert level(tmp_path / "x.db") == 2
