"""What governance costs: the share of a lifecycle run, from rows to champion on the SBA table, that it takes.

    python benchmarks/governance_cost.py [--runs 2]

Each run is a project of its own in a temporary folder, and everything happens in this process: the training job, the
demo's signatures, the promotion. The first run pays the imports, as a run of the daemon does; the others do not. Times are
exclusive: what a part calls and another part owns is counted there. Governance is what a team that only wants a model in
MLflow would not do: deciding, the bill of materials, signing and verifying, the ledger, the card. Measuring (performance,
slices, fairness, …) is listed beside it: a validator would want it anyway.
"""

import argparse
import functools
import gc
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = "sba_loan_default"
TARGET = 0.20

GATES = (
    "artifact",
    "calibration",
    "completeness",
    "contract",
    "cost",
    "fairness",
    "label_bias",
    "leakage",
    "parity",
    "performance",
    "proxy",
    "reason_codes",
    "robustness",
    "slices",
    "stability",
    "volume",
)
PARTS: dict[str, tuple[str, ...]] = {
    "gates": (
        *(f"mlops_assets.gates.{gate}:decide" for gate in GATES),
        "mlops_assets.governance.decisions:record",
        "mlops_assets.governance.decisions:standing",
        "mlops_assets.pipeline.stages.training:parity_facts",
    ),
    "software": (
        "mlops_assets.pipeline.stages.versions:log_bill",
        "mlops_assets.pipeline.stages.versions:software_facts",
        "mlops_assets.training.artifact:inspect",
    ),
    "signing": (
        "mlops_assets.inspection.versions:sign_artifact",
        "mlops_assets.inspection.versions:verify_signature",
        "mlops_assets.governance.approvals:sign_approval",
        "mlops_assets.governance.approvals:approval_state",
        "mlops_assets.governance.validations:record_validation",
        "mlops_assets.governance.validations:standing_validation",
        "mlops_assets.governance.exceptions:lifts",
        "mlops_assets.training.artifact:canonical_digest",
        "mlops_assets.release.promotion:promote",
    ),
    "ledger": (
        "mlops_assets.ledger.ledger:Ledger.append",
        "mlops_assets.ledger.ledger:Ledger.append_all",
        "mlops_assets.ledger.ledger:Ledger.state",
        "mlops_assets.ledger.ledger:Ledger.records",
        "mlops_assets.ledger.ledger:Ledger.latest",
        "mlops_assets.ledger.ledger:Ledger.find",
    ),
    "card": ("mlops_assets.pipeline.stages.release:model_card",),
}
MEASURING: dict[str, tuple[str, ...]] = {
    "screening": ("mlops_assets.datasets.screening:screen",),
    "performance": ("mlops_assets.evaluation.performance:evaluate", "mlops_assets.evaluation.comparison:compare"),
    "slices": ("mlops_assets.evaluation.slices:measure_slices",),
    "calibration": ("mlops_assets.evaluation.calibration:calibrate",),
    "robustness": ("mlops_assets.evaluation.robustness:probe",),
    "stability": ("mlops_assets.evaluation.stability:measure_stability",),
    "cost": ("mlops_assets.evaluation.cost:measure_cost",),
    "fairness": ("mlops_assets.evaluation.fairness:measure_fairness",),
    "explanations": (
        "mlops_assets.evaluation.importance:permutation_importance",
        "mlops_assets.evaluation.reasons.examination:examine_reason_codes",
        "mlops_assets.evaluation.reasons.reference:build_reference",
    ),
}
MAKING: dict[str, tuple[str, ...]] = {
    "training": ("mlops_assets.training.candidates:fit_candidates",),
    "mlflow": (
        "mlops_assets.stores.registry:Registry.log_model",
        "mlops_assets.stores.registry:Registry.log_evidence",
        "mlops_assets.stores.registry:Registry.log_file",
        "mlops_assets.stores.registry:Registry.log_candidate",
        "mlops_assets.stores.registry:Registry.register",
        "mlops_assets.stores.registry:Registry.evidence",
        "mlops_assets.stores.registry:Registry.folder",
        "mlops_assets.stores.registry:migrate",
    ),
}


class Clock:
    """Exclusive time by part: entering one part stops the clock of the part around it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.perf_counter()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._open.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._open.pop()

        return timed


def install(clock: Clock) -> None:
    """Put the clock around every named function, in its module and wherever it was imported to."""
    named = [(p, n) for table in (PARTS, MEASURING, MAKING) for p, names in table.items() for n in names]
    for name in {n.partition(":")[0] for _, n in named}:
        importlib.import_module(name)
    for stage in ("data", "training", "evaluation", "release", "decisions", "versions"):
        importlib.import_module(f"mlops_assets.pipeline.stages.{stage}")
    for part, name in named:
        module, _, path = name.partition(":")
        owner_path, _, attribute = path.rpartition(".")
        owner = importlib.import_module(module)
        owner = getattr(owner, owner_path) if owner_path else owner
        original = getattr(owner, attribute)
        timed = clock.wrap(part, original)
        if owner_path:
            setattr(owner, attribute, timed)
            continue
        for loaded in [m for n, m in sys.modules.items() if n.startswith("mlops_assets.")]:
            for alias in [a for a, value in vars(loaded).items() if value is original]:
                setattr(loaded, alias, timed)


def project(root: Path) -> Path:
    """A project with the one model, the shipped policies, and the shipped lock; returns its `defs`."""
    # Python knows one module by a name, and one process makes several projects.
    package = f"bank_{root.name}"
    defs = root / package / "defs"
    shutil.copytree(ROOT / "mlops_assets" / "defs" / "models" / MODEL, defs / "models" / MODEL)
    for folder in ("policy", "requirements"):
        shutil.copytree(ROOT / "mlops_assets" / "config" / folder, root / package / "config" / folder)
    shutil.copyfile(ROOT / "mlops_assets" / "config" / "tiering.yaml", root / package / "config" / "tiering.yaml")
    (root / package / "__init__.py").touch()
    (root / "data").symlink_to(ROOT / "data")
    for name in ("dagster.yaml", "requirements.lock"):
        shutil.copyfile(ROOT / name, root / name)
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "{package}"\nversion = "0"\n[tool.dg]\ndirectory_type = "project"\n'
        f'[tool.dg.project]\nroot_module = "{package}"\n'
    )
    return defs


def lifecycle(folder: Path, clock: Clock) -> dict[str, Any]:
    """One model from its rows to champion; seconds by part."""
    os.environ["MLOPS_HOME"] = str(folder / "home")
    clock.seconds.clear()
    begun = time.perf_counter()
    from mlops_assets.orchestration.demo.lifecycle import Demo
    from mlops_assets.platform import Platform

    platform = Platform.load(project(folder))
    if platform.project.broken:
        raise SystemExit(f"the project does not load: {platform.project.broken}")
    demo = Champion(Demo, platform)
    total = time.perf_counter() - begun
    if demo.deciding != 1:
        raise SystemExit(f"{MODEL} did not become champion: {demo.failures}")
    spent = {part: round(clock.seconds[part], 2) for table in (PARTS, MEASURING, MAKING) for part in table}
    governance = sum(clock.seconds[part] for part in PARTS)
    measuring = sum(clock.seconds[part] for part in MEASURING)
    return {
        "seconds": round(total, 1),
        "governance_seconds": round(governance, 2),
        "governance_share": round(governance / total, 3),
        "measuring_share": round(measuring / total, 3),
        "by_part": spent,
        "other": round(total - sum(clock.seconds.values()), 2),
        "met": governance / total < TARGET,
    }


class Champion:
    """The demo, stopped when its first model decides."""

    def __init__(self, demo: Any, platform: Any) -> None:
        from mlops_assets.release.champion import champion_state

        class Short(demo):
            def history(self, model: str) -> None:
                """No windows."""

            def refused_variant(self) -> None:
                """No second model."""

        run = Short(platform, say=lambda text: None)
        run.run()
        self.failures = run.failures
        self.deciding = champion_state(platform.ledger, MODEL).deciding
        platform.ledger.close()


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    clock = Clock()
    install(clock)
    runs = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(lifecycle(Path(folder), clock))
        gc.collect()
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"model": MODEL, "target_share": TARGET, "load": load, "runs": runs}, indent=2))


if __name__ == "__main__":
    main()
