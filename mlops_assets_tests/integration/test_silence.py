"""Nothing leaves the machine: a whole training, a window and its page under a guard on every socket."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets_tests.integration.small_project import FAULTY_WINDOW, ROOT, TIMED, write_project

pytestmark = pytest.mark.integration
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
RUN = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.pipeline.drawing import draw_window
from mlops_assets.platform import Platform

demo = Demo(Platform.load(Path(sys.argv[1])), say=lambda line: None)
demo.run()
assert demo.failures == [], demo.failures
draw_window(demo.platform, sys.argv[2], sys.argv[3])
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


@pytest.fixture
def guarded(tmp_path) -> tuple[dict[str, str], Path]:
    """An environment whose Python processes may talk to nobody else, and the file that tells who tried."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    log = tmp_path / "tried.log"
    # Everything that a user may have set to be left alone is unset: silence must come from the project.
    loud = ("MLOPS_", "MLFLOW_", "DAGSTER_", "DO_NOT_TRACK")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(loud)}
    path = os.pathsep.join([str(guard), str(tmp_path / "project"), str(ROOT)])
    return {**environment, "PYTHONPATH": path, "GUARD_LOG": str(log)}, log


def python(code: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_the_guard_sees_what_it_must(guarded):
    environment, log = guarded
    said = python(PROBE, environment).stdout
    assert said.count("guarded") == 2
    assert "192.0.2.1" in log.read_text()
    assert "example.org" in log.read_text()


def test_a_lifecycle_talks_to_nobody(guarded, tmp_path):
    environment, log = guarded
    defs = write_project(tmp_path / "project", TIMED)
    text = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    # Up to the broken feed: training, two windows, the verdict, Evidently's page, the incident and its notice.
    (defs / "models" / TIMED / "defs.yaml").write_text(
        text.replace("end: 2021-06-01", "end: 2021-03-01"), encoding="utf-8"
    )
    done = python(RUN, environment, str(defs), TIMED, FAULTY_WINDOW)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = list((tmp_path / "project" / ".mlops" / "reports").rglob("evidently.html"))
    assert pages, "the page was drawn under the guard"
    assert not log.exists(), log.read_text()


def test_pages_load_nothing_from_elsewhere(lived):
    """A page that is opened in a browser must not ask the network for a style or a script."""
    reports = lived.platform.home.reports
    outside = {}
    for page in [reports / "fleet.html", *reports.rglob("card.html")]:
        text = page.read_text(encoding="utf-8")
        found = [
            tag
            for tag in ('src="http', "src='http", '<link rel="stylesheet" href="http', "@import url(http")
            if tag in text
        ]
        if found:
            outside[str(page.relative_to(reports))] = found
    assert outside == {}
    assert json.loads((reports / "inventory.json").read_text(encoding="utf-8"))
