"""What a fleet costs beside its runs' own work: loading definitions, starting a run, and one tick of each sensor.

    python benchmarks/orchestration.py [--models 100] [--windows 40] [--folder DIR]

One model is trained and one window of it judged by the real stages. The fleet is made of it: every model has a source, a
declaration, records in the ledger and a version in MLflow of its own, copied from that one under its own name, and as many
judged weeks as asked for; each tenth has a second version that waits. The models are in ten folders, a code location each.

Each figure is printed beside its aim. `definitions` are processor seconds without imports: all definitions with their jobs
resolved, as many trivial assets of a plain Dagster project, and the largest code location. `run` are seconds from the launch of
a run to its first step, by Dagster's default launcher, the least of three: of a model's job, and of a project of one asset. Ticks are those of the
functions that sensors call; a first one is that of a process that has just started, a later one finds nothing new. `queries`
are the ledger's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fleet

from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.registry import read_event
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.events.windows import EstimateChecked, HealthVerdict, WindowScored
from mlops_assets.ledger.records import Entry
from mlops_assets.new_project import DEFINITIONS as DEFINITIONS_PY

FIRST = date(2025, 1, 6)
"""Start of the first week."""
ROWS = 2000
FOLDERS = 10
"""Of models; each is a code location."""
FIRST_TICK, LATER_TICK = 10.0, 1.0
"""Processor seconds that a tick of a sensor may take at up to 1,000 models and 40 windows."""
DEFINITIONS = 8.0
"""Processor seconds that the definitions of 300 models may take; of others in proportion."""
LOCATION = 5.0
"""Processor seconds that a code location of 100 models may take; of others in proportion."""
FIRST_STEP = 3.0
"""Seconds by which the first step of a model's run may be later than that of a project of one asset."""
TURNS = 3
"""Launches of each run, of which the fastest counts."""
PLAIN = """\
import dagster as dg

@dg.asset
def only() -> None: ...

defs = dg.Definitions(assets=[only], jobs=[dg.define_asset_job("only_job", executor_def=dg.in_process_executor)])
"""
INSTANCE = """\
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
WAITING = 10
"""Each so many-th model has a version that waits."""


def prototype(folder: Path) -> None:
    """One model with a champion and one judged week, in a home of its own."""
    from mlops_assets.datasets.windows import window_of_key
    from mlops_assets.pipeline.context import StageContext
    from mlops_assets.pipeline.stage_table import STAGES
    from mlops_assets.platform import Platform

    fleet.DECLARATION = fleet.DECLARATION.replace("cadence: month", "cadence: week").replace(
        "2025-01-01", FIRST.isoformat()
    )
    fleet.train(folder, 1)
    weeks = fleet.table(ROWS, 1001, FIRST, 7)
    weeks.write_parquet(folder / "data" / fleet.names(1)[0] / "weeks.parquet")
    platform = Platform.load(folder / fleet.PACKAGE / "defs")
    declaration = platform.project.declaration(fleet.names(1)[0])
    context = StageContext(
        platform, declaration, platform.policy_of(declaration), run_id="orchestration", log=lambda text: None,
        window=window_of_key(FIRST.isoformat(), declaration.monitoring.cadence),
    )  # fmt: skip
    for stage in STAGES:
        if stage.windowed:
            stage.load()(context)


def multiply(made: Path, folder: Path, models: int, windows: int) -> None:
    """A project of `models` like the prototype, with `windows` judged weeks each."""
    from mlops_assets.platform import Platform

    source = fleet.names(1)[0]
    platform = Platform.load(made / fleet.PACKAGE / "defs")
    records = platform.ledger.records()
    tags = platform.registry.versions(source)[1]
    version = platform.registry.client.get_model_version(source, "1")
    text = (made / fleet.PACKAGE / "defs" / "models" / source / "defs.yaml").read_text()
    defs = folder / fleet.PACKAGE / "defs"
    for part in ("keys", "mlflow"):
        shutil.copytree(made / "home" / part, folder / "home" / part)
    for part in ("policy", "requirements"):
        shutil.copytree(made / fleet.PACKAGE / "config" / part, folder / fleet.PACKAGE / "config" / part)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copyfile(made / name, folder / name)
    (folder / fleet.PACKAGE / "__init__.py").touch()
    (folder / fleet.PACKAGE / "definitions.py").write_text(DEFINITIONS_PY)
    for place, model in enumerate(fleet.names(models)):
        declared = defs / "models" / f"folder_{place % FOLDERS}" / model / "defs.yaml"
        declared.parent.mkdir(parents=True)
        declared.write_text(text.replace(source, model))
        (folder / "data" / model).mkdir(parents=True)
        for file in (made / "data" / source).iterdir():
            os.link(file, folder / "data" / model / file.name)
    os.environ["MLOPS_HOME"] = str(folder / "home")
    whole = Platform.load(defs)
    _append(whole, [(r, {}) for r in records if not r.model])
    own = [r for r in records if r.model]
    made_once = [r for r in own if not isinstance(r.event, WINDOWED)]
    once_a_week = [r for r in own if isinstance(r.event, WINDOWED)]
    registration = platform.ledger.of(VersionRegistered, model=source)[0]
    weeks = [_moved(FIRST + timedelta(days=7 * week)) for week in range(windows)]
    for position, model in enumerate(fleet.names(models)):
        digest = whole.project.declaration(model).digest
        changed = {source: model, registration.event.declaration_digest: digest}
        copies = [(r, changed) for r in made_once]
        copies += [(r, {**changed, **week}) for week in weeks for r in once_a_week]
        waits = position % WAITING == 0
        _append(whole, copies + ([(registration, {**changed, "1": "2"})] if waits else []))
        client, tags_of_it = whole.registry.client, {name: changed.get(value, value) for name, value in tags.items()}
        if model != source:
            client.create_registered_model(model)
            client.create_model_version(model, version.source, run_id=version.run_id, tags=tags_of_it)
            client.set_registered_model_alias(model, "champion", "1")
        if waits:
            client.create_model_version(model, version.source, run_id=version.run_id, tags=tags_of_it)


WINDOWED = (WindowScored, HealthVerdict, EstimateChecked)


def _moved(start: date) -> dict[str, str]:
    """What stands for the first week's start and end in records of the week that starts on a day; the end goes first."""
    week = timedelta(days=7)
    return {(FIRST + week).isoformat(): (start + week).isoformat(), FIRST.isoformat(): start.isoformat()}


def _append(platform: Any, copies: Sequence[tuple[Any, Mapping[str, str]]]) -> None:
    """Write records again, each with its own texts changed; a subject is changed only where it is the text as a whole."""
    head = platform.ledger.head()
    known: dict[int, int] = {}
    entries = []
    for place, (record, changed) in enumerate(copies, start=1 + (head.seq if head else 0)):
        names = {old: new for old, new in changed.items() if len(old) > 1}

        def other(text: str, names: Mapping[str, str] = names) -> str:
            for old, new in names.items():
                text = text.replace(old, new)
            return text

        body = json.loads(other(json.dumps(record.event.body())))
        if isinstance(record.event, Promotion):
            body["decisions"] = [known.get(seq, seq) for seq in body["decisions"]]
        if isinstance(record.event, VersionRegistered):
            body["snapshot_record"] = known.get(body["snapshot_record"], body["snapshot_record"])
        subject = changed.get(record.subject, other(record.subject))
        key = f"{other(record.key)}/{place}" if record.key else None
        entries.append(Entry(read_event(record.kind, body), other(record.model), subject, record.happened_at, key))
        known.setdefault(record.seq, place)
    platform.ledger.append_all(entries)


def ticks(folder: Path) -> dict[str, Any]:
    """Seconds and ledger queries of a first and of a later tick of each sensor."""
    from mlops_assets.pipeline.releases_due import releases_due
    from mlops_assets.pipeline.trainings_due import trainings_due
    from mlops_assets.pipeline.watch import newest_record, reason_to_watch
    from mlops_assets.pipeline.windows_due import windows_due
    from mlops_assets.platform import Platform

    defs = folder / fleet.PACKAGE / "defs"
    begun = time.perf_counter()
    platform = Platform.load(defs)
    found: dict[str, Any] = {"project_seconds": round(time.perf_counter() - begun, 2)}
    queries = _counted(platform)
    _ = platform.registry.client
    now = datetime.now(UTC)

    def arrivals(state: Any) -> Any:
        return windows_due(platform, now, state)[1]

    def retraining(state: Any) -> Any:
        return trainings_due(platform, state or 0)[1]

    def release(state: Any) -> Any:
        releases_due(platform)

    def watch(state: Any) -> Any:
        reason_to_watch(platform, state or 0)
        return newest_record(platform)

    sensors: tuple[Callable[[Any], Any], ...] = (arrivals, retraining, release, watch)
    for sensor in sensors:
        state, spent = None, {}
        for name in ("first", "later"):
            queries.clear()
            begun, worked = time.perf_counter(), time.process_time()
            state = sensor(state)
            spent |= {
                f"{name}_seconds": round(time.perf_counter() - begun, 2),
                f"{name}_processor_seconds": round(time.process_time() - worked, 2),
                f"{name}_queries": len(queries),
            }
        met = spent["first_processor_seconds"] < FIRST_TICK and spent["later_processor_seconds"] < LATER_TICK
        found[sensor.__name__] = {**spent, "aim": [FIRST_TICK, LATER_TICK], "met": met}
    return found


def _counted(platform: Any) -> list[str]:
    """A list that grows by one for each statement that the ledger sends to its database."""
    from sqlalchemy import event

    sent: list[str] = []

    @event.listens_for(platform.ledger.database.engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        sent.append(statement)

    return sent


def definitions(folder: Path) -> dict[str, Any]:
    """Processor seconds to make Dagster's definitions: of the fleet, of as many trivial assets, of one code location."""
    from mlops_assets import project
    from mlops_assets.orchestration.build import load_definitions
    from mlops_assets.pipeline.stage_table import STAGES

    defs = folder / fleet.PACKAGE / "defs"

    def spent(load: Callable[[], Any]) -> tuple[float, Any]:
        # As in a process that has just started: every declaration is read.
        project._declaration.cache_clear()  # pyright: ignore[reportPrivateUsage]
        begun = time.process_time()
        repository = load().get_repository_def()
        repository.get_all_jobs()
        return round(time.process_time() - begun, 2), repository

    models = project.Project.load(defs).models
    name, members = Counter(model.group for model in models).most_common(1)[0]
    load_definitions(defs, location=name)  # imports what the others would be charged for
    # First, and forgotten: objects that stay would make the collection of garbage dearer for the others. One asset is the source.
    plain = spent(lambda: _plain(len(models), len(STAGES) + 1))[0]
    location = spent(lambda: load_definitions(defs, location=name))[0]
    seconds, whole = spent(lambda: load_definitions(defs))
    assets = len(whole.asset_graph.get_all_asset_keys())
    aims = DEFINITIONS * len(models) / 300, LOCATION * members / 100
    found = {"assets": assets, "processor_seconds": seconds, "aim": round(aims[0], 2), "met": seconds < aims[0]}
    one = {"models": members, "processor_seconds": location, "aim": round(aims[1], 2), "met": location < aims[1]}
    return {"definitions": {**found, "as_many_trivial_assets": plain, "one_code_location": one}}


def _plain(models: int, assets: int) -> Any:
    """Definitions of trivial assets, in groups in which each is after the one before."""
    import dagster as dg

    def made(model: int, place: int) -> dg.AssetsDefinition:
        before = [dg.AssetKey([f"m{model}", f"a{place - 1}"])] if place else []

        @dg.asset(key=[f"m{model}", f"a{place}"], deps=before, group_name=f"m{model}")
        def trivial() -> None: ...

        return trivial

    return dg.Definitions(assets=[made(model, place) for model in range(models) for place in range(assets)])


def runs(folder: Path) -> dict[str, Any]:
    """Seconds from the launch of a run to its first step: of a model's release, and of a project of one asset."""
    ours_each: list[float] = []
    plain_each: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch) / "bare"
        bare.mkdir()
        (bare / "one_asset.py").write_text(PLAIN)
        # In turn, and the least of each: whatever else the machine does comes and goes.
        for turn in range(TURNS):
            plain_each.append(_first_step(bare, "one_asset", "only_job", Path(scratch) / f"plain_{turn}"))
            module, job = f"{fleet.PACKAGE}.definitions", f"{fleet.names(1)[0]}__release"
            ours_each.append(_first_step(folder, module, job, Path(scratch) / f"ours_{turn}"))
    ours, plain = min(ours_each), min(plain_each)
    later = round(ours - plain, 2)
    return {"run": {"seconds": ours, "plain": plain, "later": later, "aim": FIRST_STEP, "met": later < FIRST_STEP}}


def _first_step(folder: Path, module: str, job: str, home: Path) -> float:
    import dagster as dg

    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE)
    os.environ["DAGSTER_HOME"] = str(home)
    dagster = [sys.executable, "-W", "ignore", "-m", "dagster", "job", "launch"]
    # `defs` by name: the module has an attribute for each code location as well.
    subprocess.run([*dagster, "-m", module, "-a", "defs", "-d", str(folder), "-j", job], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        events = instance.all_logs(
            run.run_id, of_type={dg.DagsterEventType.PIPELINE_STARTING, dg.DagsterEventType.STEP_START}
        )
    begun, step = (
        events[0].timestamp,
        next(e.timestamp for e in events if e.dagster_event and e.dagster_event.is_step_start),
    )
    return round(step - begun, 2)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="keeps the fleet for another run")
    parser.add_argument(
        "--part", choices=("prototype", "multiply", "ticks", "definitions", "runs"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        made, whole = folder / "one", folder / f"{options.models}x{options.windows}"
        if options.part == "prototype":
            prototype(made)
        elif options.part == "multiply":
            multiply(made, whole, options.models, options.windows)
        if options.part in ("prototype", "multiply"):
            return
        if options.part:
            print(json.dumps({"ticks": ticks, "definitions": definitions, "runs": runs}[options.part](whole)))
            return
        if not (made / "home" / "ledger.db").is_file():
            made.mkdir(parents=True, exist_ok=True)
            _part("prototype", options, folder, made)
        if not (whole / "home" / "ledger.db").is_file():
            (whole / fleet.PACKAGE).mkdir(parents=True)
            _part("multiply", options, folder, made)
        found = {"models": options.models, "windows": options.windows, "load": round(os.getloadavg()[0], 1)}
        for part in ("definitions", "runs", "ticks"):
            found |= json.loads(_part(part, options, folder, whole))
        print(json.dumps(found, indent=2))


def _part(part: str, options: argparse.Namespace, folder: Path, project: Path) -> str:
    """Run one part in a process of its own."""
    paths = os.pathsep.join([str(fleet.ROOT), str(project)])
    again = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
    again += ["--models", str(options.models), "--windows", str(options.windows)]
    env = {**os.environ, "MLOPS_HOME": str(project / "home"), "PYTHONPATH": paths}
    printed = subprocess.run(again, check=True, env=env, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return printed[-1] if printed else ""


if __name__ == "__main__":
    main()
