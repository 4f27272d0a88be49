"""A fleet's windows: what judging 30 models on 1,000,000 rows of 25 features each costs, stage by stage.

    python benchmarks/fleet.py [--models 30] [--rows 1000000] [--folder DIR] [--profile]

A project is made in a temporary folder. Each of its models is trained on 3,000 rows of its own table and promoted by the
real gates. Then a month of `--rows` arrives for each of them, and another process runs the real stages of that window, one
model after another: predictions, outcomes, drift, performance (fairness by two protected attributes included), health;
ledger and Delta writes are part of them. Training and making up the tables are not in the times.

The model is a logistic regression. What it takes to predict is scikit-learn's cost, grows with the model, and is listed by
itself (`predict`, contained in no other figure); `judging` is everything but `predict`. A process that is busy with
something else shows in `load`; `cpu` is what all threads of the process together took.

`--folder` keeps the trained project for another run with the same `--models`; `--profile` prints where Python's time went.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
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
        shutil.copytree(ROOT / "mlops_assets" / "defs" / part, defs / part)
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
    from mlops_assets.graph.demo import Demo
    from mlops_assets.platform import Platform

    class Champions(Demo):
        """The demo without windows."""

        def history(self) -> None:
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


def windows(folder: Path, models: int, profile: Any = None) -> dict[str, Any]:
    """Run the month's stages for each model; seconds by stage and model."""
    import mlops_assets.graph.demo  # noqa: F401  # what a code server has imported long before a window arrives
    from mlops_assets.datasets.windows import window_of_key
    from mlops_assets.graph.bench import Bench
    from mlops_assets.graph.model_graph import STAGES
    from mlops_assets.platform import Platform

    platform = Platform.load(folder / PACKAGE / "defs")
    _warm(platform)
    clock = predicting()
    stages = [(stage.name, stage.load()) for stage in STAGES if stage.windowed]
    spent: dict[str, list[float]] = defaultdict(list)
    severities: dict[str, int] = defaultdict(int)
    used: list[float] = []
    before = _peak_megabytes()
    for position, model in enumerate(names(models)):
        if profile is not None and position == 1:
            # The first model pays what a process pays once.
            profile.enable()
        declaration = platform.project.declaration(model)
        bench = Bench(
            platform, declaration, platform.policy_of(declaration), run_id="fleet", log=lambda text: None,
            window=window_of_key(WINDOW.isoformat(), declaration.monitoring.cadence),
        )  # fmt: skip
        clock.seconds = clock.cpu = 0.0
        cpu = time.process_time()
        for name, stage in stages:
            already, begun = clock.seconds, time.perf_counter()
            stage(bench)
            spent[name].append(time.perf_counter() - begun - (clock.seconds - already))
        spent["predict"].append(clock.seconds)
        used.append(time.process_time() - cpu - clock.cpu)
        verdict = platform.ledger.latest("health_verdict", model=model)
        assert verdict is not None
        severities[verdict.body["severity"]] += 1
    judging = [sum(spent[name][i] for name, _ in stages) for i in range(models)]
    return {
        "seconds_a_model": {name: round(sum(found) / models, 2) for name, found in spent.items()},
        "judging_seconds_a_model": round(sum(judging) / models, 2),
        "judging_seconds_median": round(sorted(judging)[models // 2], 2),
        "judging_cpu_seconds_a_model": round(sum(used) / models, 2),
        "predict_seconds_a_model": round(sum(spent["predict"]) / models, 2),
        "total_seconds": round(sum(judging) + sum(spent["predict"]), 1),
        "peak_megabytes": round(_peak_megabytes()),
        "megabytes_before_the_first_window": round(before),
        "verdicts": dict(severities),
        "load": round(os.getloadavg()[0], 1),
        "met": sum(judging) / models <= TARGET,
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--windows", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.windows:
        found = _profiled(options) if options.profile else windows(options.folder, options.models)
        print(json.dumps({"models": options.models, "rows": options.rows, **found}, indent=2))
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
        again = [sys.executable, __file__, "--windows", "--folder", str(folder)]
        again += ["--models", str(options.models), "--rows", str(options.rows)]
        again += ["--profile"] if options.profile else []
        paths = os.pathsep.join([str(ROOT), str(folder)])
        subprocess.run(again, check=True, env={**os.environ, "MLOPS_HOME": str(home), "PYTHONPATH": paths})


def _profiled(options: argparse.Namespace) -> dict[str, Any]:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    found = windows(options.folder, options.models, profile)
    profile.disable()
    for order in ("cumulative", "tottime"):
        pstats.Stats(profile, stream=sys.stderr).sort_stats(order).print_stats(80)
    return found


if __name__ == "__main__":
    main()
