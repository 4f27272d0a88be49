"""A second project that knows nothing but the built wheel, and whose processes may talk to nobody."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.integration.small_project import FAULTY_WINDOW, NUMBER, ROOT, SNAPSHOT, TIMED, write_project

pytestmark = pytest.mark.integration
PACKAGE = ROOT / "mlops_assets"
# Python runs a `sitecustomize` on its path before anything else, in every process that is started from here as well.
GUARD = """
import os, socket, sys

HERE = {"localhost", "127.0.0.1", "::1", "", None, socket.gethostname()}

def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.bind"):
        address = arguments[1]
        if not isinstance(address, tuple) or address[0] in HERE:
            return
        if event == "socket.bind" and address[0] in ("0.0.0.0", "::") and address[1] == 0:
            return
        what = f"{event} {address}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        name = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if name in HERE:
            return
        what = f"{event} {name}"
    else:
        return
    import traceback
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.write(what + "\\n" + "".join(traceback.format_stack(limit=12)) + "\\n")
    raise OSError(f"guarded: {what}")

sys.addaudithook(refuse)
"""
# Trains the models, judges the windows there are, draws one of them, and says where the package was loaded from.
RUN = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import mlops_assets
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.pipeline.drawing import draw_window
from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state

platform = Platform.load(Path(sys.argv[1]))
demo = Demo(platform, say=lambda line: None)
demo.run()
draw_window(platform, sys.argv[2], sys.argv[3])
print(json.dumps({
    "package": mlops_assets.__file__,
    "failures": demo.failures,
    "champions": {m: champion_state(platform.ledger, m).champion for m in platform.project.declarations},
    "windows": [r.subject for r in platform.ledger.records(kind="health_verdict")],
}))
"""
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


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> tuple[dict[str, str], Path]:
    """An environment whose Python processes may talk to nobody else, and the file that tells who tried."""
    guard = tmp_path_factory.mktemp("guard")
    (guard / "sitecustomize.py").write_text(GUARD)
    log = guard / "tried.log"
    # Everything that a user may have set to be left alone is unset: silence must come from the project.
    loud = ("MLOPS_", "MLFLOW_", "DAGSTER_", "DO_NOT_TRACK")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(loud)}
    return {**environment, "PYTHONPATH": str(guard), "GUARD_LOG": str(log)}, log


def python(code: str, folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def second(guarded, installed, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The second project's folder after its life, and what the life said of itself."""
    environment, _ = guarded
    root = tmp_path_factory.mktemp("second")
    defs = write_project(root, NUMBER, SNAPSHOT, TIMED)
    declared = defs / "models" / TIMED / "defs.yaml"
    # Up to the broken feed: training, two windows, the verdict, the incident and its notice.
    text = declared.read_text(encoding="utf-8")
    assert text.count("end: 2021-06-01") == 1
    declared.write_text(text.replace("end: 2021-06-01", "end: 2021-03-01"), encoding="utf-8")
    path = os.pathsep.join([environment["PYTHONPATH"], str(installed), str(root)])
    done = python(RUN, root, {**environment, "PYTHONPATH": path}, str(defs), TIMED, FAULTY_WINDOW)
    assert done.returncode == 0, done.stderr[-3000:]
    return root, json.loads(done.stdout.splitlines()[-1])


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


def test_a_second_project_lives_on_the_wheel(second, installed):
    root, found = second
    assert Path(found["package"]).is_relative_to(installed), "not the checkout's"
    assert found["failures"] == []
    assert found["champions"] == {NUMBER: 1, SNAPSHOT: 1, TIMED: 1}
    assert FAULTY_WINDOW in found["windows"]
    assert (root / ".mlops" / "reports" / "fleet.html").is_file()


def test_the_guard_sees_what_it_must(guarded, tmp_path):
    environment, _ = guarded
    log = tmp_path / "probe.log"
    said = python(PROBE, tmp_path, {**environment, "GUARD_LOG": str(log)}).stdout
    assert said.count("guarded") == 2
    assert "192.0.2.1" in log.read_text()
    assert "example.org" in log.read_text()


def test_its_life_talks_to_nobody(second, guarded):
    root, _ = second
    _, log = guarded
    assert list((root / ".mlops" / "reports").rglob("evidently.html")), "the page was drawn under the guard"
    assert not log.exists(), log.read_text()
