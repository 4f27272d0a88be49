"""The main job on the example fleet: what the daemon does over years, run through in one go.

It asks `pipeline/due.py` what is due, as the sensors do, and runs it in this process, with the signatures of the demo's
roles in between. Everything it does is read from the ledger first, so it can be stopped anywhere and started again.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.governance.adoption import adopt, adoption
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts, sign_exception
from mlops_assets.governance.validations import record_validation, standing_validation
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import CardIssued, VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.keys import load_key
from mlops_assets.orchestration.assets import MODEL_TAG, asset_key
from mlops_assets.orchestration.build import build_definitions
from mlops_assets.orchestration.component import GovernedModel
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

PEOPLE = {"developer": ("developer",), "validator": ("validator",), "model-risk": ("model-risk",)}
"""The demo's signers are roles; nobody of these names exists."""
EXCEPTED = {
    "census_income": dict.fromkeys(
        ("fairness", "label_bias"),
        "Incomes of women and men differ in the data itself; the campaign sells nothing that anybody is refused, "
        "and its owner reviews each selection.",
    ),
    "sba_loan_default": dict.fromkeys(
        ("fairness", "label_bias", "proxy"),
        "Borrowers are firms, and the table has no attribute of a person, so that no group can be told apart in it; "
        "the model ranks applications for review, and a credit officer decides on each.",
    ),
}
"""What the demo's `model-risk` signs: the gate refuses, a person answers for it, for a while."""
EXCEPTION_DAYS = 30
REFUSED = Path("demo") / "sba_loan_with_term.yaml"
RUNNING_TAG = "mlops/demo"
STOPPED_BY_GATE = "stopped by gate"
# Dagster prints every event of a run that is executed in this process; the demo tells a line a job.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Demo:
    """One run of the demo.

    Attributes:
        platform: the project.
        say: prints a line of progress.
        stop: whether somebody has asked to stop; heeded between runs.
        failures: jobs that failed, with the reason.
    """

    platform: Platform
    say: Callable[[str], None] = print
    stop: Callable[[], bool] = lambda: False
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """From set-up to the fleet page.

        Raises:
            KeyboardInterrupt: somebody asked to stop.
        """
        with self._step("set-up: folders, databases, keys"):
            prepare(self.platform)
            enrol_missing(self.platform, PEOPLE)
        os.environ["DAGSTER_HOME"] = str(self.platform.home.dagster)
        with self._step("definitions"):
            self._repository = build_definitions(self.platform.project.defs).get_repository_def()
            self._instance = dg.DagsterInstance.get()
            self._end_interrupted_runs()
        for model, reason in self.platform.project.broken.items():
            self.failures.append(f"{model} is broken: {reason.splitlines()[0]}")
            self.say(f"  {self.failures[-1]}")
        self.refused_variant()
        for model in self.platform.project.declarations:
            self.first_champion(model)
        self.history()
        with self._step("fleet page"):
            self._execute(FLEET_JOB, {})

    def refused_variant(self) -> None:
        """Run the variant that uses `term_months` up to the gate that refuses it."""
        path = self.platform.project.config / REFUSED
        if not path.is_file():
            return
        declaration = read_declaration(path)
        decided = self.platform.ledger.latest_of(GateDecided, model=declaration.name)
        if decided is None:
            with self._step(f"{declaration.name}: training data"):
                part = GovernedModel(declaration).definitions()
                resources = project_resources(self.platform.project.defs)
                key = asset_key(declaration.name, "training_data")
                assets = [a for a in part.assets or () if isinstance(a, dg.AssetsDefinition) and key in a.keys]
                dg.materialize(
                    assets,
                    instance=self._instance,
                    resources=resources,
                    raise_on_error=False,
                    run_config=QUIET,
                    tags={RUNNING_TAG: "yes"},
                )
        refusals = [
            r.event for r in self.platform.ledger.of(GateDecided, model=declaration.name) if r.event.outcome == "failed"
        ]
        for refused in refusals:
            self.say(f"  {declaration.name}: gate {refused.gate} refused it: {refused.reason}")

    def first_champion(self, model: str) -> None:
        """Train, let people sign, release; skipped for a model that has a champion."""
        if champion_state(self.platform.ledger, model).champion is not None:
            self.say(f"{model}: has a champion already")
            return
        if self._unfinished(model):
            self._run(Due(model, "training", "first training", "first"))
        self.sign(model)
        for due in releases_due(self.platform).due:
            if due.model == model:
                self._run(due)

    def history(self) -> None:
        """Windows in order, and what follows from each, until nothing is due any more."""
        self.say("history: windows in order of time, and what policy makes of them")
        known: Mapping[str, Any] = {}
        considered = 0
        while True:
            windows, known = windows_due(self.platform, datetime.now(UTC), known)
            if not windows.due:
                return
            for window in windows.due:
                if not self._run(window, quiet=True):
                    continue
                self._tell(window)
                trainings, considered = trainings_due(self.platform, considered)
                for training in trainings.due:
                    self.say(f"  {training.model}: retraining is requested: {training.why}")
                    if self._run(training):
                        self.sign(training.model)
                for release in releases_due(self.platform).due:
                    self._run(release)

    def sign(self, model: str) -> None:
        """The demo's roles look at the newest version and sign what the policy asks of them."""
        platform = self.platform
        ledger, policy = platform.ledger, platform.policy(model)
        registration = ledger.latest_of(VersionRegistered, model=model)
        if registration is None:
            return
        version = registration.subject
        self._adopt(model)
        validated, excepted = self._validate(model, version), self._except(model, version)
        if validated or excepted:
            # The card holds the validation and the exceptions in force, and it is what people sign.
            keys = [asset_key(model, name) for name in ("model_card", "approval")]
            tags = {REQUEST_TAG: registration.event.request} if registration.event.request else {}
            self._execute(job_name(model, "training"), {**tags, MODEL_TAG: model}, selection=keys)
        state, now = ledger.state().model(model), ledger.clock()
        gates = standing(state, version, policy, lifts=lifts(state, policy, version, now), at=now)
        if not gates.ok:
            refused = "; ".join(f"{g.gate}: {g.reason}" for g in gates.blocking)
            self.say(f"  {model}: version {version} is not signed, because gates refuse it: {refused}")
            return
        for rule in policy.approvals:
            sign_approval(
                ledger,
                load_key(rule.role, platform.home.keys),
                model,
                version,
                f"Demo signature of the role {rule.role}: every required gate passed or is under a signed exception.",
                role=rule.role,
                policy=policy,
            )
            self.say(f"  {model}: version {version} approved by {rule.role}")

    def _adopt(self, model: str) -> None:
        """Sign the policy of the model where policy says that somebody must."""
        ledger, policy = self.platform.ledger, self.platform.policy(model)
        waiting = adoption(ledger.state().model(model), policy)
        if not waiting.waiting:
            return
        role = next((role for role in waiting.roles if role in PEOPLE), None)
        if role is None:
            self.say(f"  {model}: nobody of the demo may sign the policy: {' or '.join(waiting.roles)} must")
            return
        rationale = f"Demo signature of the role {role}: the policy of tier {policy.tier} as it was shipped."
        adopt(ledger, model, policy, key=load_key(role, self.platform.home.keys), rationale=rationale)
        self.say(f"  {model}: policy {policy.digest[:12]} adopted by {role}")

    def _validate(self, model: str, version: str) -> bool:
        """The demo's `validator` records a judgement where the tier has one; whether any was recorded now."""
        ledger, policy = self.platform.ledger, self.platform.policy(model)
        judged = standing_validation(ledger.state().model(model), version)
        if "validator" not in {rule.role for rule in policy.approvals} or judged:
            return False
        record_validation(
            ledger,
            load_key("validator", self.platform.home.keys),
            policy,
            model,
            version,
            "approved",
            "Demo validation: data, alternatives, performance, slices, calibration and robustness were looked at on the "
            "recorded evidence, and the open points are those the card names.",
        )
        self.say(f"  {model}: version {version} validated by validator")
        return True

    def _except(self, model: str, version: str) -> bool:
        """Grant the demo's exceptions where the gate really refuses; whether any was granted now."""
        ledger, policy = self.platform.ledger, self.platform.policy(model)
        state = ledger.state().model(model)
        active = {e.gate for e in state.exceptions_in_force(ledger.clock())}
        blocking = {g.gate: g for g in standing(state, version, policy).blocking}
        granted = False
        for gate, reason in EXCEPTED.get(model, {}).items():
            if gate in blocking and gate not in active:
                self.say(f"  {model}: gate {gate} refused version {version}: {blocking[gate].reason}")
                sign_exception(
                    ledger,
                    load_key("model-risk", self.platform.home.keys),
                    policy,
                    model,
                    gate,
                    reason,
                    datetime.now(UTC) + timedelta(days=min(EXCEPTION_DAYS, policy.exceptions.max_days)),
                )
                self.say(f"  {model}: model-risk signed an exception to {gate} for {EXCEPTION_DAYS} days")
                granted = True
        return granted

    def _unfinished(self, model: str) -> bool:
        registration = self.platform.ledger.latest_of(VersionRegistered, model=model)
        if (
            registration is None
            or registration.event.declaration_digest != self.platform.project.declaration(model).digest
        ):
            return True
        return self.platform.ledger.latest_of(CardIssued, model=model, subject=registration.subject) is None

    def _tell(self, window: Due) -> None:
        verdict = self.platform.ledger.latest_of(HealthVerdict, model=window.model, subject=window.window)
        if verdict is None or verdict.event.severity == "none":
            return
        text = f"  {window.model} {window.window}: {verdict.event.severity}, {verdict.event.kind.replace('_', ' ')}"
        self.say(f"{text}: {verdict.event.reasons[0][:160]}")

    def _run(self, due: Due, quiet: bool = False) -> bool:
        """Run an intent; one that keeps failing is given up, as the sensors do it."""
        what = f"{due.model}: {due.activity}" + (f" {due.window}" if due.window else "")
        chosen = [asset_key(due.model, stage) for stage in due.stages] or None
        failure, tries = None, 0
        while tries < MOST_ATTEMPTS:
            with self._step(what, quiet=quiet):
                failure, tries = (
                    self._execute(job_name(due.model, due.activity), run_tags(due), due.window, chosen),
                    tries + 1,
                )
            if failure is None:
                return True
            if failure.startswith(STOPPED_BY_GATE):  # the same rows are refused again
                break
        incident = give_up(self.platform, due, failure or "", tries)
        self.say(f"  {what}: given up, incident {incident.id}")
        return False

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
        if not result.success:
            errors = [e.step_failure_data.error for e in result.get_step_failure_events()]
            reason = next((str(error.cause or error) for error in errors if error), "")
            blocked = [c.check_name for c in result.get_asset_check_evaluations() if not c.passed and c.blocking]
            text = (
                f"{STOPPED_BY_GATE} {', '.join(blocked)}"
                if blocked
                else reason.strip().splitlines()[0]
                if reason
                else "failed"
            )
            if (line := f"{job} {partition or ''}: {text}") not in self.failures:
                self.failures.append(line)
            self.say(f"  {job}: {text}")
            return text
        return None

    def _end_interrupted_runs(self) -> None:
        """A demo that was killed leaves a run that looks alive for ever."""
        for run in self._instance.get_runs(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={RUNNING_TAG: "yes"})
        ):
            self._instance.report_run_failed(run, "the process that ran it was stopped")

    def _heed(self) -> None:
        """Dagster makes an interrupt a failure of the run, or loses it where nobody hears an exception (in a finaliser)."""
        if self.stop():
            raise KeyboardInterrupt

    @contextmanager
    def _step(self, what: str, quiet: bool = False) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._heed()
        if not quiet:
            self.say(f"{what}  ({time.monotonic() - started:.1f} s)")
