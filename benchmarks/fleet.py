"""A fleet's windows: what judging 30 models on 1,000,000 rows of 25 features each costs, stage by stage.

    python benchmarks/fleet.py [--models 30] [--rows 1000000] [--processes 2] [--folder DIR] [--profile]
    python benchmarks/fleet.py --models 1 --processes 1 --rows 10000000     # memory of one large window

A project is made in a temporary folder. Each of its models is trained on 3,000 rows of its own table and promoted by the
real gates. Then a month of `--rows` arrives for each of them, and other processes run the real stages of that window, each
one model after another: predictions, outcomes, drift, performance (fairness by two protected attributes included), health;
ledger and Delta writes are part of them. Training and making up the tables are not in the times. There are as many processes
as cores, as a run queue of that many runs has them, and each has its share of the threads; seconds a model are those of all
processes together by their number.

The model is a logistic regression. What it takes to predict is scikit-learn's cost, grows with the model, and is listed by
itself (`predict`, contained in no other figure); `judging` is everything but `predict`. A machine that is busy with
something else shows in `load`; `cpu` is what all threads took. `peak_megabytes` is a process's own, by stage.

`--folder` keeps the trained project for another run with the same `--models`; `--profile` prints where Python's time went.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "bank_fleet"
NUMERIC, CATEGORICAL = 20, 5
TRAINING_ROWS = 3000
WINDOW = date(2025, 1, 1)
TARGET = 2.0
"""Seconds a model that judging should take."""
DECLARATION = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: A made-up model of a fleet, to time its windows.
  owner: team:benchmarks
  developers: [developer]
  tier: low
  task: binary
  source: {{path: data/{model}/*.parquet}}
  id: row_id
  event_time: day
  target: {{column: outcome, positive: 1}}
  features:
{features}
  protected: [{{column: sex}}, {{column: region}}]
  candidates: [linear]
  training: {{until: 2025-01-01, folds: 2}}
  monitoring: {{cadence: month}}
"""


def names(models: int) -> list[str]:
    """Of the models."""
    return [f"model_{i:03d}" for i in range(models)]


def table(rows: int, seed: int, start: date, days: int) -> Any:
    """Rows whose outcome hangs on a few of 25 features."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(seed)
    inputs = {f"x{i:02d}": draw.normal(i, 1 + i / 10, rows) for i in range(NUMERIC)}
    labels = np.array(["a", "b", "c", "d", "e", "f"])
    kinds = {f"c{i}": labels[draw.integers(0, len(labels), rows)] for i in range(CATEGORICAL)}
    pull = (inputs["x00"] - inputs["x01"] + 1) + 0.5 * (kinds["c0"] == "a") - 1.2
    offsets = draw.integers(0, days, rows)
    return pl.DataFrame(
        {
            "row_id": np.arange(rows) + seed * 10**9,
            "day": np.datetime64(start) + np.sort(offsets),
            **inputs,
            **kinds,
            "sex": np.array(["f", "m"])[draw.integers(0, 2, rows)],
            "region": np.array(["north", "east", "south", "west"])[draw.integers(0, 4, rows)],
            "outcome": (draw.random(rows) < 1 / (1 + np.exp(-pull))).astype(int),
        }
    )


def make_project(folder: Path, models: int) -> Path:
    """A project with these models and the shipped policies; returns its `defs`."""
    defs = folder / PACKAGE / "defs"
    for part in ("policy", "requirements"):
        shutil.copytree(ROOT / "mlops_assets" / "config" / part, folder / PACKAGE / "config" / part)
    shutil.copyfile(ROOT / "mlops_assets" / "config" / "tiering.yaml", folder / PACKAGE / "config" / "tiering.yaml")
    (folder / PACKAGE / "__init__.py").touch()
    shutil.copyfile(ROOT / "dagster.yaml", folder / "dagster.yaml")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{PACKAGE}"\nversion = "0"\n[tool.dg]\ndirectory_type = "project"\n'
        f'[tool.dg.project]\nroot_module = "{PACKAGE}"\n'
    )
    features = [f"    x{i:02d}: numeric" for i in range(NUMERIC)] + [
        f"    c{i}: categorical" for i in range(CATEGORICAL)
    ]
    for position, model in enumerate(names(models)):
        home = defs / "models" / model
        home.mkdir(parents=True)
        (home / "defs.yaml").write_text(DECLARATION.format(model=model, features="\n".join(features)))
        (folder / "data" / model).mkdir(parents=True)
        rows = table(TRAINING_ROWS, position + 1, date(2024, 1, 1), 360)
        rows.write_parquet(folder / "data" / model / "training.parquet")
    return defs


def train(folder: Path, models: int) -> None:
    """Every model from its rows to champion, as the demo does it."""
    os.environ["MLOPS_HOME"] = str(folder / "home")
    from mlops_assets.orchestration.demo.lifecycle import Demo
    from mlops_assets.platform import Platform

    class Champions(Demo):
        """The demo without windows."""

        def history(self, model: str) -> None:
            """No windows."""

    platform = Platform.load(make_project(folder, models))
    if platform.project.broken:
        raise SystemExit(f"the project does not load: {platform.project.broken}")
    demo = Champions(platform, say=lambda text: print(text, file=sys.stderr, flush=True))
    demo.run()
    if demo.failures:
        raise SystemExit("\n".join(demo.failures))


def deliver(folder: Path, models: int, rows: int) -> None:
    """The month's rows, of which the model knows nothing yet, for every model; those of another size are replaced."""
    for position, model in enumerate(names(models)):
        path = folder / "data" / model / "month.parquet"
        path.unlink(missing_ok=True)
        table(rows, position + 1001, WINDOW, 31).write_parquet(path)


class Apart:
    """Seconds that are no part of judging: of whatever was put behind this clock. Calls inside each other count once."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0
        self._inside = False

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            begun, cpu, self._inside = time.perf_counter(), time.process_time(), True
            try:
                return function(*args, **kwargs)
            finally:
                self._inside = False
                self.seconds += time.perf_counter() - begun
                self.cpu += time.process_time() - cpu

        return timed


def predicting() -> Apart:
    """What scikit-learn takes: imputing, scaling, encoding and the model itself."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression

    clock = Apart()
    for owner, name in ((ColumnTransformer, "transform"), (LogisticRegression, "predict_proba")):
        setattr(owner, name, clock.around(getattr(owner, name)))
    return clock


def windows(folder: Path, models: Sequence[str], profile: Any = None) -> dict[str, Any]:
    """Run the month's stages for each of these models; what each stage took in all, and what the process was."""
    import mlops_assets.orchestration.demo.lifecycle  # noqa: F401  # what a code server has imported long before a window arrives
    from mlops_assets.datasets.windows import window_of_key
    from mlops_assets.ledger.events.windows import HealthVerdict
    from mlops_assets.pipeline.context import StageContext
    from mlops_assets.pipeline.stage_table import STAGES
    from mlops_assets.platform import Platform

    platform = Platform.load(folder / PACKAGE / "defs")
    _warm(platform)
    clock = predicting()
    stages = [(stage.name, stage.load()) for stage in STAGES if stage.windowed]
    spent: dict[str, float] = defaultdict(float)
    peaks: dict[str, float] = defaultdict(float)
    severities: dict[str, int] = defaultdict(int)
    used = 0.0
    before = _peak_megabytes()
    begun_at = time.time()
    for position, model in enumerate(models):
        if profile is not None and position == 1:
            # The first model pays what a process pays once.
            profile.enable()
        declaration = platform.project.declaration(model)
        context = StageContext(
            platform, declaration, platform.policy_of(declaration), run_id="fleet", log=lambda text: None,
            window=window_of_key(WINDOW.isoformat(), declaration.monitoring.cadence),
        )  # fmt: skip
        clock.seconds = clock.cpu = 0.0
        cpu = time.process_time()
        for name, stage in stages:
            already, begun = clock.seconds, time.perf_counter()
            stage(context)
            spent[name] += time.perf_counter() - begun - (clock.seconds - already)
            peaks[name] = max(peaks[name], _peak_megabytes())
        spent["predict"] += clock.seconds
        used += time.process_time() - cpu - clock.cpu
        verdict = platform.ledger.latest_of(HealthVerdict, model=model)
        assert verdict is not None
        severities[verdict.event.severity] += 1
    return {
        "spent": spent, "cpu": used, "begun": begun_at, "ended": time.time(), "peaks": peaks, "before": before,
        "verdicts": severities,
    }  # fmt: skip


def summary(found: Sequence[dict[str, Any]], models: int) -> dict[str, Any]:
    """What the processes took, by model."""
    stages = list(found[0]["spent"])
    mean = {name: sum(one["spent"][name] for one in found) / models / len(found) for name in stages}
    judging = sum(seconds for name, seconds in mean.items() if name != "predict")
    verdicts: dict[str, int] = defaultdict(int)
    for one in found:
        for severity, count in one["verdicts"].items():
            verdicts[severity] += count
    return {
        "seconds_a_model": {name: round(seconds, 2) for name, seconds in mean.items()},
        "judging_seconds_a_model": round(judging, 2),
        "judging_cpu_seconds_a_model": round(sum(one["cpu"] for one in found) / models, 2),
        "total_seconds": round(max(one["ended"] for one in found) - min(one["begun"] for one in found), 1),
        "peak_megabytes": {
            name: round(max(one["peaks"][name] for one in found)) for name in stages if name != "predict"
        },
        "megabytes_before_the_first_window": round(max(one["before"] for one in found)),
        "verdicts": dict(verdicts),
        "load": round(os.getloadavg()[0], 1),
        "met": judging <= TARGET,
    }


def _warm(platform: Any) -> None:
    """The imports that a stage makes when it first runs: a fleet pays them once a process, not once a model."""
    import fairlearn.metrics  # noqa: F401
    import mlflow.sklearn  # noqa: F401
    import pandas  # noqa: F401
    import pandera.polars  # noqa: F401
    import scipy.stats  # noqa: F401
    import skops.io  # noqa: F401

    platform.ledger.head()


def _peak_megabytes() -> float:
    """Most memory that this process has held since this was last asked."""
    status = Path("/proc/self/status").read_text().splitlines()
    found = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    # Forgets the high-water mark, and nothing else.
    Path("/proc/self/clear_refs").write_text("5")
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--profile", action="store_true", help="of the first process")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share is not None:
        models = names(options.models)[options.share :: options.processes]
        profiled = options.profile and options.share == 0
        print(json.dumps(_profiled(options.folder, models) if profiled else windows(options.folder, models)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "fleet"
        if not (folder / "home").is_dir():
            folder.mkdir(parents=True)
            train(folder, options.models)
        deliver(folder, options.models, options.rows)
        # The windows run on a copy of the stores, so that a folder that is kept can be run again from where it stood.
        home = Path(scratch) / "home"
        shutil.copytree(folder / "home", home)
        found = _together(options, folder, home)
    said = {"models": options.models, "rows": options.rows, "processes": options.processes}
    print(json.dumps({**said, **summary(found, options.models)}, indent=2))


def _together(options: argparse.Namespace, folder: Path, home: Path) -> list[dict[str, Any]]:
    """What each process found; they run at once."""
    again = [sys.executable, __file__, "--folder", str(folder), "--models", str(options.models)]
    again += ["--processes", str(options.processes), *(["--profile"] if options.profile else [])]
    threads = str(max(1, (os.cpu_count() or 1) // options.processes))
    env = {
        **os.environ,
        "MLOPS_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        **dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
    }
    running = [
        subprocess.Popen([*again, "--share", str(share)], env=env, stdout=subprocess.PIPE, text=True)
        for share in range(min(options.processes, options.models))
    ]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a process did not end well; what it said is above")
    return [json.loads(text.splitlines()[-1]) for text in said]


def _profiled(folder: Path, models: Sequence[str]) -> dict[str, Any]:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    found = windows(folder, models, profile)
    profile.disable()
    for order in ("cumulative", "tottime"):
        pstats.Stats(profile, stream=sys.stderr).sort_stats(order).print_stats(80)
    return found


if __name__ == "__main__":
    main()
