"""The wheel, built once, an environment that may talk to nobody, and lifecycles that are run once and looked at by many tests;
the undisturbed one is in the conftest above."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.integration.lives import Champions, Lived, live
from mlops_assets_tests.integration.small_project import ROOT, SNAPSHOT, TIMED, write_project

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


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> Iterator[Lived]:
    """A project whose models have their first champion and no window yet, to do harm to."""
    root = tmp_path_factory.mktemp("attacked")
    sys.path.insert(0, str(root))
    yield live(write_project(root, TIMED, SNAPSHOT), Champions)
    sys.path.remove(str(root))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """Built as a release would be, from the files in the checkout, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "-w", str(folder), str(ROOT)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("mlops_assets-*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel unpacked: the only mlops_assets that the second project's Python sees."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


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
