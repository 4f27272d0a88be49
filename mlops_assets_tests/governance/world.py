"""A small bank for tests: people with keys, a ledger, versions, decisions, and a registry in memory."""

import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_assets.gates.gate import GateResult
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.decisions import record
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.policy.policy import Policy

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MODEL = "loans"
ROLES = {
    "root": "root",
    "developer": "developer",
    "validator": "validator",
    "risk": "model-risk",
    "second": "validator",
}


class Clock:
    """A clock that moves only when told, and a little at every look, as real ones do."""

    def __init__(self, now: datetime = START):
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)


class MemoryRegistry:
    """The registry's protocol over two dicts."""

    def __init__(self) -> None:
        self.tags: dict[tuple[str, int], dict[str, str]] = {}
        self.pointing: dict[str, dict[str, int]] = {}

    def versions(self, model: str) -> Mapping[int, Mapping[str, str]]:
        return {version: tags for (name, version), tags in self.tags.items() if name == model}

    def aliases(self, model: str) -> Mapping[str, int]:
        return dict(self.pointing.get(model, {}))

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.pointing.setdefault(model, {})[alias] = version

    def delete_alias(self, model: str, alias: str) -> None:
        self.pointing.get(model, {}).pop(alias, None)

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        self.tags[model, version][key] = value


def registration(version: int = 1, model: str = MODEL, content: str = "", time: bool = False) -> VersionRegistered:
    """A registration of a version whose artifact is digested from its name and `content`; with `time`, it has windows."""
    return VersionRegistered(
        algorithm="linear",
        artifact_digest=digest([model, version, content]),
        data_digest=digest(["data", model]),
        snapshot_record=0,
        declaration_digest=digest(["declaration", model]),
        declaration={"name": model, "event_time": {"column": "applied_on"} if time else None},
        features_digest=digest(["features", model]),
        training_key=digest(["training", model, version]),
        run_id=f"run-{model}-{version}",
        code_version="1",
        environment_digest=digest(["environment"]),
        developers=("Developer",),
    )


@dataclass
class World:
    """Everything a test of governance needs."""

    folder: Path
    ledger: Ledger
    clock: Clock
    keys: dict[str, SigningKey]
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)

    def register(
        self, version: int = 1, model: str = MODEL, content: str = "", time: bool = False
    ) -> Record[VersionRegistered]:
        """Register a version whose artifact is digested from its name and `content`; with `time`, it has windows."""
        self.registry.tags[model, version] = {}
        event = registration(version, model, content, time)
        registered = self.ledger.append(event, model=model, subject=str(version))
        for name in ("artifact_digest", "data_digest", "declaration_digest", "training_key"):
            self.registry.set_tag(model, version, f"mlops.{name}", getattr(event, name))
        self.registry.set_alias(model, "challenger", version)
        return registered

    def decide(self, policy: Policy, version: int = 1, model: str = MODEL, **outcomes: str) -> None:
        """Record a decision of every gate: passed unless said otherwise."""
        for gate in policy.gates.names:
            outcome = outcomes.get(gate, "passed")
            result = GateResult(gate, outcome, 0.8, 0.7, "rule", "reason", {}, {"evidence": digest([model, version])})  # pyright: ignore[reportArgumentType]
            record(self.ledger, model, version, result, policy)

    def score(self, window: str, challenger: int | None = None, model: str = MODEL, **more: object) -> Record:
        """Record that a window was scored, with a challenger beside the champion."""
        event = WindowScored.model_validate({"version": 1, "challenger": challenger, "rows": 100, **more})
        return self.ledger.append(event, model=model, subject=window)

    def approve(self, policy: Policy, *names: str, version: int = 1, model: str = MODEL) -> None:
        """Sign approvals."""
        for name in names:
            sign_approval(self.ledger, self.keys[name], model, version, "evidence is sound", policy=policy)

    def copy(self, folder: Path) -> "World":
        """The same world in another folder, to be changed there."""
        self.ledger.close()
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        clock = Clock(self.clock.now)
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", self.keys["head"], folder / "anchor.json", clock=clock)
        return World(folder, ledger, clock, self.keys, deepcopy(self.registry))

    def verify_artifact(self, model: str, version: int) -> str:
        """The artifact is what was registered."""
        found = self.ledger.state().model(model).version(version).registration
        assert found is not None
        return found.event.artifact_digest


def build(folder: Path, url: str | None = None, clock: Clock | None = None) -> World:
    """A new world: five people enrolled, nothing else."""
    clock = clock or Clock()
    keys = {name: SigningKey.generate() for name in (*ROLES, "head", "stranger")}
    ledger = Ledger(url or f"sqlite:///{folder}/ledger.db", keys["head"], folder / "anchor.json", clock=clock)
    for name, role in ROLES.items():
        enrol(ledger, keys["root"], name, keys[name].public, [role])
    return World(folder, ledger, clock, keys)


def policy(**changes: object) -> Policy:
    """A high tier: one validator and one of model-risk approve."""
    content: dict[str, object] = {
        "tier": "high",
        "approvals": [{"role": "validator", "count": 1}, {"role": "model-risk", "count": 1}],
        # Most tests are about what comes after a policy has come into force.
        "adoption": {"roles": []},
    }
    return Policy.model_validate(content | changes)
