"""The lifecycle is killed at random moments and started again: it ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state
from mlops_assets.release.reconciliation import reconcile
from mlops_assets_tests.effort import share
from mlops_assets_tests.integration.small_project import ROOT, TIMED, WINDOWS, package_of, write_project

pytestmark = pytest.mark.integration
SEED = 20261121
KILLS = share(2, 12)
TRUNK = """
import os, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.platform import Platform
import mlflow, dagster_mlflow, sklearn.ensemble, fairlearn.metrics, pandera.polars

def live(defs):
    demo = Demo(Platform.load(Path(defs)), say=lambda line: print(line, flush=True))
    demo.run()
    assert demo.failures == [], demo.failures

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(2, 1)
        try:
            live(sys.argv[1])
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A process that has imported what takes seconds, and forks one that lives for each line it is given: no start pays the imports
anew, and the kills fall into the work. It prints the number of each process, and its exit code when it has ended."""


class Trunk:
    """Starts the same life again and again."""

    def __init__(self, defs: Path, log: Path):
        self.log = log
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_HOME"))}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(defs.parents[1])])
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", TRUNK, str(defs), str(log)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self) -> int:
        """The process id of a further life."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture
def trunk(tmp_path: Path) -> Iterator[Trunk]:
    found = Trunk(write_project(tmp_path / "bank", TIMED), tmp_path / "said.log")
    yield found
    found.process.kill()
    found.process.communicate()


def end_state(platform: Platform) -> dict[str, object]:
    """What must be the same, however often the way there was cut."""
    records = platform.ledger.records()
    once = ("promotion", "version_registered", "retraining_request", "retraining_closed", "incident_opened", "approval")
    return {
        "records": Counter((r.kind, r.model, r.subject) for r in records if r.kind in once),
        "gates": {(r.subject, r.body["gate"], r.body["outcome"]) for r in records if r.kind == "gate_decision" and ":" not in r.subject},
        "verdicts": {r.subject: (r.body["severity"], r.body["kind"]) for r in records if r.kind == "health_verdict"},
        "versions": sorted(platform.registry.versions(TIMED)),
        "aliases": platform.registry.aliases(TIMED),
        "champion": champion_state(platform.ledger, TIMED).champion,
        "windows": {
            window: platform.lake.read(f"{TIMED}/predictions", window=window)["prediction_id"].n_unique()
            for window in platform.lake.windows(f"{TIMED}/predictions")
        },
        "rows": platform.lake.scan(f"{TIMED}/predictions").select(pl.len()).collect().item(),
    }  # fmt: skip


@pytest.mark.soak
def test_killed_anywhere_it_ends_in_the_same_state(lived, trunk, tmp_path):
    draw = random.Random(SEED)
    killed = 0
    for _ in range(KILLS):
        life = trunk.start()
        time.sleep(draw.uniform(0.5, 5.0))
        try:
            os.killpg(life, signal.SIGKILL)
        except ProcessLookupError:
            trunk.answer()
            break
        assert trunk.answer() == -signal.SIGKILL, trunk.log.read_text()[-3000:]
        killed += 1
    assert killed >= 2, "it was over before it was killed often enough: kill earlier"
    trunk.start()
    assert trunk.answer() == 0, trunk.log.read_text()[-3000:]

    platform = Platform.load(tmp_path / "bank" / package_of(tmp_path / "bank") / "defs")
    disturbed, calm = end_state(platform), end_state(lived.platform)
    # The undisturbed project has more models; only this one is compared.
    calm["records"] = Counter({k: n for k, n in calm["records"].items() if k[1] == TIMED})  # type: ignore[union-attr]
    calm["gates"] = {
        (r.subject, r.body["gate"], r.body["outcome"])
        for r in lived.ledger.records(kind="gate_decision", model=TIMED)
        if ":" not in r.subject
    }
    calm["verdicts"] = {
        r.subject: (r.body["severity"], r.body["kind"])
        for r in lived.ledger.records(kind="health_verdict", model=TIMED)
    }
    assert disturbed == calm
    assert set(disturbed["windows"]) == set(WINDOWS)  # type: ignore[arg-type]
    assert platform.ledger.verify() == []
    assert reconcile(platform.ledger, platform.registry, TIMED) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a polite end"])
def test_asked_to_stop_it_stops_and_says_how_to_go_on(tmp_path, sent: signal.Signals):
    defs = write_project(tmp_path, TIMED)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_HOME"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops_assets", "--project", str(defs.parents[1]), "demo"],
        env={**environment, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Whoever starts the tests in the background may have switched Ctrl-C off for everything below.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    assert any(" set-up " in line for line in process.stdout)
    time.sleep(1.0)
    process.send_signal(sent)
    said, errors = process.communicate(timeout=900)
    assert (process.returncode, errors.strip().splitlines()[-1:]) == (
        130,
        ["stopped; run the same command to continue"],
    ), errors[-2000:]
    assert "done in" not in said
    assert "Traceback" not in said + errors
