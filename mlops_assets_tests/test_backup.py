"""Backup and restore of a project that was run, as its operator does it."""

import json
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest

from mlops_assets.backup import MANIFEST, BackupError, restore_backup, write_backup
from mlops_assets.platform import Platform
from mlops_assets.stores.home import Home
from mlops_assets_tests.commands.conftest import call_in
from mlops_assets_tests.integration.small_project import SNAPSHOT

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(lived, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "home.tar"
    found = write_backup(lived.platform, path)
    assert found.last_record == lived.ledger.last().seq
    assert found.elsewhere == ()
    return path


def project_with(lived, folder: Path) -> Path:
    """The project's own files, without a home."""
    root = folder / "project"
    shutil.copytree(lived.platform.project.root, root, ignore=shutil.ignore_patterns(".mlops"))
    return root


def test_a_restored_home_is_whole_and_goes_on(lived, made, tmp_path):
    root = project_with(lived, tmp_path)
    restored = call_in(root, "restore", made, "--json")
    assert (restored.code, restored.err) == (0, "")
    assert json.loads(restored.out)["last_record"] == lived.ledger.last().seq
    checked = call_in(root, "verify", "--json")
    assert (checked.code, checked.json) == (0, []), checked.out
    platform = Platform.load(root / lived.platform.project.defs.relative_to(lived.platform.project.root))
    assert platform.ledger.state().digest == lived.ledger.state().digest


def test_what_is_still_in_the_write_ahead_log_is_in_the_backup(tmp_path, lived):
    root = project_with(lived, tmp_path)
    shutil.copytree(lived.platform.home.root, root / ".mlops")
    reader = sqlite3.connect(root / ".mlops" / "ledger.db")
    reader.execute("BEGIN").execute("SELECT count(*) FROM ledger_records").fetchone()
    before = call_in(root, "backup", tmp_path / "before.tar", "--json").json["last_record"]
    call_in(root, "people", "list")
    from datetime import date

    from mlops_assets.ledger.events.windows import WindowDue

    platform = Platform.load(root / lived.platform.project.defs.relative_to(lived.platform.project.root))
    platform.ledger.append(WindowDue(ended=date(2021, 6, 1)), model=SNAPSHOT, subject="2021-05-01")
    assert (root / ".mlops" / "ledger.db-wal").stat().st_size > 0, "the new record is in the log, not in the file"
    after = call_in(root, "backup", tmp_path / "after.tar", "--json").json["last_record"]
    assert after == before + 1
    reader.close()


def test_keys_can_be_left_out(lived, tmp_path):
    write_backup(lived.platform, tmp_path / "b.tar", keys=False)
    with tarfile.open(tmp_path / "b.tar") as archive:
        names = archive.getnames()
    assert not [name for name in names if name.startswith("keys/")]
    assert "ledger.db" in names


def test_a_home_that_is_not_empty_is_left_alone(lived, made, tmp_path):
    (tmp_path / "ledger.db").write_text("mine")
    with pytest.raises(BackupError, match="expected an empty folder"):
        restore_backup(made, Home.of(tmp_path, {"MLOPS_HOME": str(tmp_path)}))
    assert os.listdir(tmp_path) == ["ledger.db"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda data: data[: len(data) // 2], "no backup that can be read|no manifest|cut"),
        (lambda data: data.replace(b"SQLite format 3", b"SQLite format 4", 1), "changed since it was written"),
        (lambda data: b"no archive at all", "no backup that can be read"),
    ],
)
def test_a_changed_or_cut_backup_is_refused_and_nothing_is_written(made, tmp_path, harm, message):
    path = tmp_path / "harmed.tar"
    path.write_bytes(harm(made.read_bytes()))
    home = tmp_path / "home"
    with pytest.raises(BackupError, match=message):
        restore_backup(path, Home.of(tmp_path, {"MLOPS_HOME": str(home)}))
    assert sorted(os.listdir(tmp_path)) == ["harmed.tar"]


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "link"])
def test_an_entry_that_would_leave_the_home_is_refused(tmp_path, name):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(name)
        if name == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
        archive.addfile(tarfile.TarInfo(MANIFEST))
    with pytest.raises(BackupError, match="expected files of a backup alone"):
        restore_backup(path, Home.of(tmp_path, {"MLOPS_HOME": str(tmp_path / "home")}))
    assert sorted(os.listdir(tmp_path)) == ["evil.tar"]


def test_the_backup_lies_outside_the_home(lived):
    with pytest.raises(BackupError, match="expected a place outside it"):
        write_backup(lived.platform, lived.platform.home.root / "b.tar")


def test_stores_on_a_server_are_named(tmp_path):
    from mlops_assets.backup import elsewhere

    home = Home.of(tmp_path, {"MLOPS_LEDGER_URL": "postgresql://bank:secret@db/ledger"})
    (named,) = elsewhere(home)
    assert named.startswith("ledger (postgresql://bank:")
    assert "secret" not in named
