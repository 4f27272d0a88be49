"""The lifecycle is killed at random moments and started again: it ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state
from mlops_assets.release.reconciliation import reconcile
from mlops_assets_tests.effort import share
from mlops_assets_tests.integration.small_project import ROOT, TIMED, WINDOWS, write_project

pytestmark = pytest.mark.integration
SEED = 20261121
KILLS = share(3, 12)
RUN = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.platform import Platform

def say(line):
    print(line, flush=True)

# What takes seconds and is paid by every start, so that the kills fall into the work and not into the imports.
import mlflow, dagster_mlflow, sklearn.ensemble, fairlearn.metrics, pandera.polars
say("ready")
demo = Demo(Platform.load(Path(sys.argv[1])), say=say)
demo.run()
assert demo.failures == [], demo.failures
say("done")
"""


def start(defs: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_HOME"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(defs.parents[1])])
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", RUN, str(defs)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.strip() == "ready":
            return
    raise AssertionError("".join(lines))


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
def test_killed_anywhere_it_ends_in_the_same_state(lived, tmp_path):
    draw = random.Random(SEED)
    defs = write_project(tmp_path, TIMED)
    killed = 0
    for _ in range(KILLS):
        process = start(defs)
        wait_ready(process)
        time.sleep(draw.uniform(0.5, 5.0))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)
        killed += 1
    assert killed >= 2, "it was over before it was killed often enough: kill earlier"
    last = start(defs)
    said, _ = last.communicate(timeout=900)
    assert last.returncode == 0, said[-3000:]

    platform = Platform.load(defs)
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
