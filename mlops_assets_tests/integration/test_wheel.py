"""What the built wheel holds, and whether the guard under which a project lives on it (`test_extending.py`) sees what it must."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlops_assets_tests.integration.small_project import ROOT

pytestmark = pytest.mark.integration
PACKAGE = ROOT / "mlops_assets"
PROBE = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(error)
try:
    socket.getaddrinfo("example.org", 80)
except OSError as error:
    print(error)
"""


def test_the_wheel_holds_every_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "mlops_assets"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    # Without git (a source archive) the folder itself says what there is.
    expected = {name for name in tracked if name and (ROOT / name).is_file()} or {
        str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert expected <= held
    kinds = {Path(name).suffix for name in held}
    assert {".j2", ".css", ".yaml", ".py"} <= kinds
    assert any("migrations/versions" in name for name in held)
    assert not [name for name in held if name.startswith(("mlops_assets_tests", "data/", "benchmarks"))]


def test_the_wheel_names_its_command_and_its_components(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    assert "mlops = mlops_assets.cli:main" in text
    assert "[dagster_dg_cli.registry_modules]" in text


def test_the_guard_sees_what_it_must(guarded, tmp_path):
    environment, _ = guarded
    log = tmp_path / "probe.log"
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE],
        cwd=tmp_path, env={**environment, "GUARD_LOG": str(log)}, capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    assert said.count("guarded") == 2
    assert "192.0.2.1" in log.read_text()
    assert "example.org" in log.read_text()
