"""A second project that knows nothing but the built wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlops_assets_tests.integration.small_project import NUMBER, ROOT, SNAPSHOT, TIMED, write_project

pytestmark = pytest.mark.integration
PACKAGE = ROOT / "mlops_assets"
# Trains the models and says where the package was loaded from.
RUN = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import mlops_assets
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state

class Champions(Demo):
    def history(self, model):
        pass

platform = Platform.load(Path(sys.argv[1]))
demo = Champions(platform, say=lambda line: None)
demo.run()
print(json.dumps({
    "package": mlops_assets.__file__,
    "failures": demo.failures,
    "champions": {m: champion_state(platform.ledger, m).champion for m in platform.project.declarations},
}))
"""


def test_holds_every_file_of_the_package(wheel):
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


def test_names_its_command_and_its_components(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    assert "mlops = mlops_assets.cli:main" in text
    assert "[dagster_dg_cli.registry_modules]" in text


def test_a_second_project_trains_on_it(installed, tmp_path):
    defs = write_project(tmp_path, NUMBER, SNAPSHOT, TIMED)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(installed), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, str(defs)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    import json

    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["package"]).is_relative_to(installed), "not the checkout's"
    assert found["failures"] == []
    assert found["champions"] == {NUMBER: 1, SNAPSHOT: 1, TIMED: 1}
    assert (tmp_path / ".mlops" / "reports" / "fleet.html").is_file()
