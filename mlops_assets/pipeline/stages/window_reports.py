"""What the stages of a window share: which window it is, where its evidence is kept, and its severity as a check."""

from pathlib import Path
from typing import Any

from mlops_assets.datasets.windows import Window
from mlops_assets.governance.decisions import GateOutcome, GateResult
from mlops_assets.pipeline.context import StageContext, StageError
from mlops_assets.stores.registry import evidence_bytes

WINDOWS = "windows"


def window_of(context: StageContext) -> Window:
    """The run's window.

    Raises:
        StageError: the run has none.
    """
    if context.window is None:
        raise StageError(f"{context.model}: this asset has a partition a window; materialize it for one")
    return context.window


def keep(context: StageContext, name: str, content: dict[str, Any]) -> str:
    """Write a window's evidence beside its pages; returns the SHA-256 of the file."""
    path = report(context, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(evidence_bytes(plain_numbers(content)))
    partial.replace(path)
    return digest_file(path)


def report(context: StageContext, name: str) -> Path:
    """Where a window's evidence is kept."""
    return context.platform.home.reports / WINDOWS / context.model / window_of(context).key / f"{name}.json"


def digest_file(path: Path) -> str:
    """SHA-256 of a file."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def plain_numbers(value: Any) -> Any:
    """NumPy scalars as Python's, NaN and infinity as nothing."""
    from mlops_assets.evaluation.performance import plain

    return plain(value)


def severity_check(severity: str, reason: str, evidence: str) -> GateResult:
    """A window's severity as a check: red from `act` on."""
    outcome: GateOutcome = (
        "not_measurable" if severity == "not_measurable" else "failed" if severity in ("act", "critical") else "passed"
    )
    return GateResult(
        "severity",
        outcome,
        None,
        None,
        "severity below act",
        f"{severity}: {reason}",
        {"severity": severity},
        {"verdict": evidence},
    )
