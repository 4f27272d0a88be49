"""Where everything a run leaves behind is kept.

Only places and environment variables are decided here; opening a store is the business of the file named after it.
"""

import os
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Set for every process of the project, before any of these libraries is imported: none of them may send anything.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_SKILL_NUDGE": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class Home:
    """The folder of a project's stores, with the three addresses that can move elsewhere.

    Attributes:
        root: `$MLOPS_HOME`, by default `.mlops` in the project's root.
        ledger_url: SQLAlchemy URL of the ledger.
        tracking_uri: MLflow tracking URI.
        root_key: PEM file, or key id, of the root key as the bank knows it from elsewhere; empty: not known.
        automation_key: PEM file of the service key; empty: `keys/automation.pem`.
        signer: socket of the process that holds the machine's keys; None: they are files under `keys/`.
        advisories: file, folder or zip of known vulnerabilities that the bank supplies; None: none.
    """

    root: Path
    ledger_url: str
    tracking_uri: str
    root_key: str = ""
    automation_key: str = ""
    signer: Path | None = None
    advisories: Path | None = None

    @classmethod
    def of(cls, project_root: Path, environment: Mapping[str, str] | None = None) -> "Home":
        """Read the `MLOPS_` variables and `MLFLOW_TRACKING_URI`; stores that none of them names lie under the home."""
        environment = os.environ if environment is None else environment
        root = Path(environment.get("MLOPS_HOME") or project_root / ".mlops").expanduser().resolve()
        return cls(
            root=root,
            ledger_url=environment.get("MLOPS_LEDGER_URL") or f"sqlite:///{root / 'ledger.db'}",
            tracking_uri=environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow' / 'mlflow.db'}",
            root_key=environment.get("MLOPS_ROOT_KEY") or "",
            automation_key=environment.get("MLOPS_AUTOMATION_KEY") or "",
            signer=Path(named).expanduser() if (named := environment.get("MLOPS_SIGNER")) else None,
            advisories=(project_root / Path(named).expanduser())
            if (named := environment.get("MLOPS_ADVISORIES"))
            else None,
        )

    @property
    def lake(self) -> Path:
        """Delta tables, one folder a model."""
        return self.root / "lake"

    @property
    def mlflow(self) -> Path:
        """Artifacts of the embedded MLflow."""
        return self.root / "mlflow"

    @property
    def dagster(self) -> Path:
        """The DAGSTER_HOME."""
        return self.root / "dagster"

    @property
    def keys(self) -> Path:
        """Private keys of the demo; a bank keeps its own elsewhere."""
        return self.root / "keys"

    @property
    def reports(self) -> Path:
        """Pages for people: cards, window reports, the fleet page."""
        return self.root / "reports"

    @property
    def anchors(self) -> Path:
        """Signed heads of the ledger, outside its database."""
        return self.root / "anchors.jsonl"

    def create(self) -> None:
        """Make the folders; what exists stays as it is."""
        # Training rows, predictions and the ledger are nobody else's to read.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.lake, self.mlflow, self.dagster, self.reports):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)


def exposed(home: Home) -> list[str]:
    """What under the home other accounts of the machine may read or write, each with what to do.

    The home's own folder keeps others out of everything below it, whatever the modes there; private keys are checked one by
    one, since they may lie elsewhere.
    """
    found = [(home.root, 0o700, "rows of people, predictions and the ledger")]
    found += [
        (path, 0o600, "a private key") for path in sorted(home.keys.glob("*.pem")) if not path.name.endswith(".pub.pem")
    ]
    return [
        f"{path} has mode {mode:04o}, expected {wanted:04o}: other accounts may reach {what}. Run: chmod {wanted:o} {path}"
        for path, wanted, what in found
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & ~wanted
    ]


def be_quiet() -> None:
    """Turn off every library's telemetry in this process and those it starts; what a user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # Hundreds of lines at every load, for those who write the project and not for those who run it.
    warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview)")
