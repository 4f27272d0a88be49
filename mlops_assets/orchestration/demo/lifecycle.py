"""The main job on the example fleet: what the daemon does over years, run through in one go.

It asks `pipeline/due.py` what is due, as the sensors do, and runs it here, with the signatures of the demo's roles
(`signers.py`) in between; further processes take models of their own (`processes.py`). Everything it does is read from the
ledger first, so it can be stopped anywhere and started again.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from mlops_assets import clock
from mlops_assets.datasets.windows import declared_windows
from mlops_assets.governance.decisions import Standing, standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import CardIssued, VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.orchestration.assets import MODEL_TAG, asset_key
from mlops_assets.orchestration.build import build_definitions
from mlops_assets.orchestration.component import GovernedModel
from mlops_assets.orchestration.demo.databases import alone, unsynchronised
from mlops_assets.orchestration.demo.processes import crew, interrupted
from mlops_assets.orchestration.demo.progress import Told, gates_text, shortened
from mlops_assets.orchestration.demo.signers import PEOPLE, Signers, people_of
from mlops_assets.orchestration.fleet import FLEET_JOB
from mlops_assets.orchestration.jobs import job_name
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.orchestration.sensors import run_tags
from mlops_assets.pipeline.due import Due
from mlops_assets.pipeline.failures import MOST_ATTEMPTS, give_up
from mlops_assets.pipeline.releases_due import releases_due
from mlops_assets.pipeline.trainings_due import trainings_due
from mlops_assets.pipeline.windows_due import windows_due
from mlops_assets.platform import Platform
from mlops_assets.project import read_declaration
from mlops_assets.release.champion import champion_state
from mlops_assets.response.retraining import REQUEST_TAG
from mlops_assets.setup import enrol_missing, prepare

REFUSED = Path("demo") / "sba_loan_with_term.yaml"
RUNNING_TAG = "mlops/demo"
STOPPED_BY_GATE = "stopped by gate"
# Dagster prints every event of a run that is executed in this process; the demo tells a line a step.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Capturing what stages print takes four more processes a run, and redirects what other processes of the demo say here.
# Stages print nothing: what they log is in the run's events.
NOT_CAPTURED = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


@dataclass
class Demo:
    """One run of the demo, or the part of it that one of its processes does.

    Attributes:
        platform: the project.
        say: prints a line of progress.
        stop: whether somebody has asked to stop; heeded between runs.
        processes: how many may work at a time; each takes one model after another.
        failures: jobs that failed, with the reason.
    """

    platform: Platform
    say: Callable[[str], None] = print
    stop: Callable[[], bool] = lambda: False
    processes: int = 1
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """From set-up to the fleet page.

        Raises:
            AlreadyRunning: another demo works on the same home or ledger.
            KeyboardInterrupt: somebody asked to stop.
        """
        models, home = by_work(self.platform), self.platform.home
        with (
            alone(self.platform),
            unsynchronised(home.dagster, home.mlflow),
            crew(partial(beside, self.platform.project.defs), min(self.processes, len(models)) - 1, self.say) as others,
        ):
            self.set_up()
            self.refused_variant()
            others.share(models, self.live, self._heed)
            self.failures += others.failures
            self._execute(FLEET_JOB, {})
            self._say("fleet page", "written")

    def set_up(self) -> None:
        """Folders, databases and keys; models whose declaration cannot be read are named."""
        prepare(self.platform)
        declared = self.platform.project.declarations.values()
        enrol_missing(self.platform, people_of(name for d in declared for name in d.developers))
        self._heed()
        self._say("set-up", f"databases and trial keys in {self.platform.home.root}; roles: {', '.join(PEOPLE)}")
        _end_interrupted_runs(self._instance)
        for model, reason in self.platform.project.broken.items():
            self._failed(model, f"its declaration cannot be read: {reason.splitlines()[0]}")

    def refused_variant(self) -> None:
        """Run the variant that uses `term_months` up to the gate that refuses it."""
        path = self.platform.project.config / REFUSED
        if not path.is_file():
            return
        declaration = read_declaration(path)
        if self.platform.ledger.latest_of(GateDecided, model=declaration.name) is None:
            part = GovernedModel(declaration).definitions()
            key = asset_key(declaration.name, "training_data")
            dg.materialize(
                [a for a in part.assets or () if isinstance(a, dg.AssetsDefinition) and key in a.keys],
                instance=self._instance,
                resources=project_resources(self.platform.project.defs),
                raise_on_error=False,
                run_config=QUIET,
                tags={RUNNING_TAG: "yes"},
            )
            self._heed()
        for record in self.platform.ledger.of(GateDecided, model=declaration.name):
            if record.event.outcome == "failed":
                self._say(
                    declaration.name, f"refused before training by gate {record.event.gate}: {record.event.reason}"
                )

    def live(self, model: str) -> None:
        """Take one model from its rows to a champion, and through every window that has ended."""
        self.first_champion(model)
        self.history(model)

    def first_champion(self, model: str) -> None:
        """Train, let people sign, release; skipped for a model that has a champion."""
        champion = champion_state(self.platform.ledger, model).champion
        if champion is not None:
            self._say(model, f"version {champion} is champion already")
            return
        # Before the training, so that the card says what was assessed.
        self._say_all(model, Signers(self.platform, model).assess())
        if self._unfinished(model):
            self._train(Due(model, "training", "first training", "first"))
        self.sign(model)
        self._release(model)

    def history(self, model: str) -> None:
        """The model's windows in order, and what follows from each, until nothing is due any more."""
        alone = only(self.platform, model)
        known: Mapping[str, Any] = {}
        considered = 0
        told = Told()
        while True:
            windows, known = windows_due(alone, clock.now(), known)
            if not windows.due:
                break
            for window in windows.due:
                if self._run(window) is not None:
                    continue
                verdict = self.platform.ledger.latest_of(HealthVerdict, model=model, subject=window.window)
                if verdict is not None and (line := told.line(verdict.subject, verdict.event)):
                    self._say(model, line)
                trainings, considered = trainings_due(alone, considered)
                for training in trainings.due:
                    self._say(model, "policy requests a retraining, because of this window")
                    if self._train(training):
                        self.sign(model)
                self._release(model)
        if told.counts:
            self._say(model, f"{sum(told.counts.values())} windows judged: {told.summary}")

    def sign(self, model: str) -> None:
        """The demo's roles look at the newest version and sign what the policy asks of them."""
        platform, ledger = self.platform, self.platform.ledger
        registration = ledger.latest_of(VersionRegistered, model=model)
        if registration is None:
            return
        version = registration.subject
        roles = Signers(platform, model, version)
        signed = roles.adopt()
        signed += (judged := [*roles.assess(), *roles.validate(), *roles.except_gates()])
        self._say_all(model, signed)
        if judged:
            # The card holds the assessment, the validation and the exceptions in force, and it is what people sign.
            keys = [asset_key(model, name) for name in ("model_card", "approval")]
            tags = {REQUEST_TAG: registration.event.request} if registration.event.request else {}
            self._execute(job_name(model, "training"), {**tags, MODEL_TAG: model}, selection=keys)
        gates = self._gates(model, version)
        if not gates.ok:
            reasons = "; ".join(f"gate {g.gate}: {g.reason}" for g in gates.blocking)
            self._say(model, f"version {version} is refused, and nobody signs it: {reasons}")
            return
        self._say_all(model, roles.approve())

    def _gates(self, model: str, version: str) -> Standing:
        ledger, policy = self.platform.ledger, self.platform.policy(model)
        state, now = ledger.state().model(model), ledger.clock()
        return standing(state, version, policy, lifts=lifts(state, policy, version, now), at=now)

    def _train(self, due: Due) -> bool:
        """From rows to a version with its card; whether that succeeded."""
        started = time.monotonic()
        if self._run(due) is not None:
            return False
        trained = self.platform.ledger.latest_of(VersionRegistered, model=due.model)
        if trained is not None:
            gates = self._gates(due.model, trained.subject).gates
            self._say(
                due.model,
                f"version {trained.subject} trained: {trained.event.algorithm}. "
                f"Gates: {gates_text(gates)} ({time.monotonic() - started:.0f} s)",
            )
        return True

    def _release(self, model: str) -> None:
        """Promote the newest version where nothing is missing."""
        for due in releases_due(only(self.platform, model)).due:
            if self._run(due) is None:
                promoted = self.platform.ledger.latest_of(Promotion, model=model, subject=due.version)
                if promoted is not None:
                    self._say(model, f"version {due.version} is champion")

    def _unfinished(self, model: str) -> bool:
        registration = self.platform.ledger.latest_of(VersionRegistered, model=model)
        if (
            registration is None
            or registration.event.declaration_digest != self.platform.project.declaration(model).digest
        ):
            return True
        return self.platform.ledger.latest_of(CardIssued, model=model, subject=registration.subject) is None

    def _run(self, due: Due) -> str | None:
        """Run an intent; one that keeps failing is given up, as the sensors do it. Returns why it failed, or None."""
        chosen = [asset_key(due.model, stage) for stage in due.stages] or None
        failure, tries = None, 0
        while tries < MOST_ATTEMPTS:
            failure = self._execute(job_name(due.model, due.activity), run_tags(due), due.window, chosen)
            tries += 1
            if failure is None:
                return None
            if failure.startswith(STOPPED_BY_GATE):  # the same rows are refused again
                break
        incident = give_up(self.platform, due, failure or "", tries)
        self._say(due.model, f"{due.activity} {due.window or ''} given up, incident {incident.id}")
        return failure or "failed"

    def _execute(
        self,
        job: str,
        tags: Mapping[str, str],
        partition: str | None = None,
        selection: list[dg.AssetKey] | None = None,
    ) -> str | None:
        """Run a job in this process; returns why it failed, or None."""
        result = self._repository.get_job(job).execute_in_process(
            instance=self._instance,
            tags={**tags, RUNNING_TAG: "yes"},
            run_config=QUIET,
            partition_key=partition,
            asset_selection=selection,
            raise_on_error=False,
        )
        self._heed()
        if result.success:
            return None
        text = _reason(result)
        self._failed(f"{job} {partition or ''}".strip(), text)
        return text

    def _failed(self, what: str, why: str) -> None:
        if (line := f"{what}: {why}") not in self.failures:
            self.failures.append(line)
        self._say(what, why)

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        home = str(self.platform.home.dagster)
        os.environ["DAGSTER_HOME"] = home
        return dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides={"compute_logs": NOT_CAPTURED}))

    @cached_property
    def _repository(self) -> dg.RepositoryDefinition:
        return build_definitions(self.platform.project.defs).get_repository_def()

    def _heed(self) -> None:
        """Dagster makes an interrupt a failure of the run, or loses it where nobody hears an exception (in a finaliser)."""
        if self.stop():
            raise KeyboardInterrupt

    def _say(self, about: str, text: str) -> None:
        width = max(map(len, ("fleet page", REFUSED.stem, *self.platform.project.declarations)))
        self.say(f"{about:<{width}}  {shortened(text)}")

    def _say_all(self, about: str, texts: list[str]) -> None:
        for text in texts:
            self._say(about, text)


def beside(defs: Path, say: Callable[[str], None]) -> Callable[[str], list[str]]:
    """In a further process: what takes one model of the project through its life and returns what failed."""
    demo = Demo(Platform.load(defs), say=say, stop=interrupted())

    def live(model: str) -> list[str]:
        demo.failures = []
        with unsynchronised(demo.platform.home.dagster, demo.platform.home.mlflow):
            try:
                demo.live(model)
            except Exception as error:
                demo.failures.append(f"{model}: {type(error).__name__}: {' '.join(str(error).split())}")
        return demo.failures

    return live


def by_work(platform: Platform) -> list[str]:
    """Models in the order in which processes take them: those with most windows to judge first."""
    today = clock.today()
    declared = platform.project.declarations
    windows = {
        name: sum(1 for w in declared_windows(d, today) if w.end <= today) if d.has_time else 0
        for name, d in declared.items()
    }
    return sorted(declared, key=lambda name: -windows[name])


def only(platform: Platform, model: str) -> Platform:
    """The same project with this one model, so that what is due is asked for it alone."""
    project = platform.project
    return Platform(replace(project, models=tuple(m for m in project.models if m.name == model)))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    blocked = [c.check_name for c in result.get_asset_check_evaluations() if not c.passed and c.blocking]
    if blocked:
        return f"{STOPPED_BY_GATE} {', '.join(blocked)}"
    errors = [e.step_failure_data.error for e in result.get_step_failure_events()]
    lines = [str(error.cause or error).strip().splitlines() for error in errors if error]
    return next((found[0] for found in lines if found), "failed")


def _end_interrupted_runs(instance: dg.DagsterInstance) -> None:
    """A demo that was killed leaves a run that looks alive for ever."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={RUNNING_TAG: "yes"})):
        instance.report_run_failed(run, "the process that ran it was stopped")
