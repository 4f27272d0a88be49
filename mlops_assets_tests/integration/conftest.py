"""The wheel, built once, and lifecycles that are run once and looked at by many tests; the undisturbed one is in the conftest
above."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.integration.lives import Champions, Lived, live
from mlops_assets_tests.integration.small_project import ROOT, SNAPSHOT, TIMED, write_project


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
