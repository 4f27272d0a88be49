"""The bank of the soak: its project, its people, and what is delivered into its landing folder, quarter by quarter.

Real loans (`data/sba_loans.parquet`), with two columns that are made up: `vendor_score`, what a supplier's model says of each
application, and `months_quoted`. Until `REPORTED_FROM` the source system fills the latter from the term of the loan, which is
revised when the loan goes bad, so that it tells the outcome a little; from then on it is what was quoted at the application,
and tells nothing. A version that learned from it looks better on past rows and is worse on those to come.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.clock import SIMULATED

ROOT = Path(__file__).parents[2]
PACKAGE = "lending"
START = date(2004, 1, 1)
"""First day of the first window; everything before it is history."""
HISTORY_FROM = date(2001, 10, 1)
REPORTED_FROM = date(2004, 7, 1)
LATE, TWICE, CORRUPT, CORRECTED, WIDER = 1, 2, 3, 4, 5
"""Number of the quarter whose delivery is late, comes twice, cannot be read, is corrected later, has a new column."""
TRAINED, VENDOR, IMPORTED = "loan_default", "vendor_default", "group_default"
MODELS = (TRAINED, VENDOR, IMPORTED)
ROLES = {"developer": ("developer",), "validator": ("validator",), "model-risk": ("model-risk",)}
"""The signers are roles, each with a key of its own."""

COMMON = """\
  owner: team:small-business-credit
  developers: [developer]
  task: binary
  source: {path: data/landing/*.parquet}
  id: loan_id
  intended_use: Order in which credit officers review applications.
  card:
    limitations: [Trained on loans that were granted.]
    risks: [{risk: Credit conditions change., mitigation: Each quarter is judged.}]
  event_time: approval_date
  target: {column: default, positive: 1, favourable: negative}
"""
FEATURES = """\
    employees: {role: numeric, minimum: 0}
    jobs_created: {role: numeric, minimum: 0}
    jobs_retained: {role: numeric, minimum: 0}
    approved_usd: {role: numeric, minimum: 0, nullable: false}
    guaranteed_usd: {role: numeric, minimum: 0, nullable: false}
    new_or_existing: categorical
    urban_rural: categorical
    revolving_line: categorical
    low_doc: categorical
    state: categorical
    bank_state: categorical
    naics_sector: categorical
"""
NUMBERS = ("employees", "jobs_created", "jobs_retained", "approved_usd", "guaranteed_usd")
BAD_FEATURE = "months_quoted"


def declaration(model: str, *, bad: bool = False, digest: str = "") -> str:
    """The text of a model's `defs.yaml`.

    Args:
        model: name out of `MODELS`.
        bad: whether the trained model reads `months_quoted` as well.
        digest: SHA-256 of the imported model's file.
    """
    head = "type: mlops_assets.GovernedModel\nattributes:\n"
    if model == TRAINED:
        more = f"    {BAD_FEATURE}: numeric\n" if bad else ""
        return (
            f"{head}  purpose: Probability that a guaranteed small-business loan is charged off.\n  tier: medium\n{COMMON}"
            f"  features:\n{FEATURES}{more}"
            "  candidates: [linear, hist_gradient_boosting]\n"
            f"  training: {{until: {START}, window: 24 months}}\n"
            f"  monitoring: {{cadence: quarter, start: {START}}}\n"
            "  policy:\n"
            "    approvals: [{role: validator, count: 1}, {role: model-risk, count: 1}]\n"
            "    release: {shadow_windows: 1, canary_windows: 1}\n"
        )
    if model == VENDOR:
        return (
            f"{head}  purpose: Probability of a charge-off as a supplier's scorecard says.\n  tier: low\n{COMMON}"
            "  origin: external\n"
            "  external: {score: vendor_score, version_column: vendor_version, version: '3.1', supplier: a credit bureau,\n"
            "    contract: schedule 2, right_to_audit: true, version_notices: by mail, documents: []}\n"
            "  features: {approved_usd: numeric, employees: numeric, urban_rural: categorical, state: categorical}\n"
            f"  training: {{until: {START}, window: 12 months}}\n"
            f"  monitoring: {{cadence: quarter, start: {START}}}\n"
        )
    return (
        f"{head}  purpose: Probability of a charge-off as the group's own model says.\n  tier: low\n{COMMON}"
        "  origin: imported\n"
        "  imported: {artifact: data/group.skops, supplier: group risk analytics, version: '7',\n"
        f"    sha256: {digest}, trained_until: 2003-01-01}}\n"
        f"  features: {{{', '.join(f'{name}: numeric' for name in NUMBERS)}}}\n"
        f"  training: {{until: {START}, window: 12 months}}\n"
        f"  monitoring: {{cadence: quarter, start: {START}}}\n"
    )


ROUTES = """\
channels:
  risk: {apprise: MLOPS_NOTIFY_RISK}
routes:
  - {to: [risk], severity: act}
  - {to: [risk], below: act, digest: "08:00"}
"""


@dataclass
class Bank:
    """A project in a folder of its own.

    Attributes:
        root: of the project.
        environment: of every process that works for it.
    """

    root: Path
    environment: dict[str, str]

    @classmethod
    def create(cls, root: Path, more: Mapping[str, str] | None = None) -> "Bank":
        """Start the project with `mlops init`; nothing is declared or delivered yet.

        Args:
            root: an empty folder.
            more: variables besides the process's own, such as addresses of databases.
        """
        project = root / PACKAGE
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(project), str(ROOT)]),
            "PYTHONWARNINGS": "ignore",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "MLOPS_HOME": str(root / "home"),
            "DAGSTER_HOME": str(root / "home" / "dagster"),
            SIMULATED: str(root / "clock.jsonl"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **(more or {}),
        }
        bank = cls(project, environment)
        bank.run(sys.executable, "-m", "mlops_assets", "init", str(project), "--name", PACKAGE, folder=root)
        (project / PACKAGE / "config" / "notification.yaml").write_text(ROUTES, encoding="utf-8")
        return bank

    def mlops(self, *words: str, fails: bool = False) -> str:
        """Run a command of `mlops` in the project; returns what it prints.

        Raises:
            CommandFailed: it ended with another code than 0; with `fails`, with one beyond 1.
        """
        return self.run(sys.executable, "-m", "mlops_assets", *words, most=1 if fails else 0)

    def run(self, *words: str, folder: Path | None = None, most: int = 0) -> str:
        """Run a program in the project; see `mlops`."""
        done = subprocess.run(
            words, cwd=folder or self.root, env=self.environment, capture_output=True, text=True, check=False
        )
        if not 0 <= done.returncode <= most:
            raise CommandFailed(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def key(self, role: str) -> str:
        """The private key of a signer."""
        return str(self.root.parent / "home" / "keys" / f"{role}.pem")

    @property
    def landing(self) -> Path:
        """Where deliveries arrive."""
        return self.root / "data" / "landing"

    def declare(self, model: str, *, bad: bool = False) -> None:
        """Write a model's declaration."""
        file = self.root / "data" / "group.skops"
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if model == IMPORTED else ""
        path = self.root / PACKAGE / "defs" / "models" / model / "defs.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(declaration(model, bad=bad, digest=digest), encoding="utf-8")

    def enrol(self) -> None:
        """Set the project up, with a key for each of its signers."""
        self.mlops("setup")
        for role, roles in ROLES.items():
            self.mlops("keys", "new", role)
            public = str(Path(self.key(role)).with_suffix("")) + ".pub.pem"
            named = [word for name in roles for word in ("--role", name)]
            self.mlops("people", "enrol", role, "--public-key", public, *named, "--key", self.key("root"))


class CommandFailed(AssertionError):
    """A command of the soak ended otherwise than a user may expect."""


@dataclass(frozen=True)
class Quarter:
    """A window and what is known of its loans.

    Attributes:
        start: first day.
        end: first day after.
        rows: as a faultless delivery has them.
    """

    start: date
    end: date
    rows: pl.DataFrame

    @property
    def file(self) -> str:
        """Name of its delivery."""
        return f"loans-{self.start:%Y-%m}.parquet"

    def day(self, after: int) -> datetime:
        """A moment that many days after its end, in the morning."""
        return datetime(self.end.year, self.end.month, self.end.day, 7, tzinfo=UTC) + timedelta(days=after)


def loans(share: float = 1.0, seed: int = 20) -> pl.DataFrame:
    """The loans of the history and the soak, or a drawn share of them, with the two columns that are made up."""
    rows = pl.read_parquet(ROOT / "data" / "sba_loans.parquet").filter(
        pl.col("approval_date").is_between(HISTORY_FROM, date(2006, 4, 1), closed="left")
    )
    draw = np.random.default_rng(seed)
    rows = rows.filter(pl.Series(draw.random(rows.height) < share))
    term = rows["term_months"].to_numpy().astype(float)
    revised = np.round(term * np.exp(draw.normal(0, 0.9, len(term))))
    quoted = draw.permutation(revised)
    early = rows.select(pl.col("approval_date") < REPORTED_FROM).to_series().to_numpy()
    # A scorecard that knows little: size of the loan and of the firm.
    logit = -1.1 - 0.35 * (np.log1p(rows["approved_usd"].to_numpy()) - 11) - 0.02 * rows["employees"].to_numpy()
    logit += 0.35 * (rows["revolving_line"] == "Y").fill_null(False).to_numpy() + draw.normal(0, 0.3, len(term))
    return rows.drop("term_months").with_columns(
        pl.Series(BAD_FEATURE, np.where(early, revised, quoted)),
        pl.Series("vendor_score", np.round(1 / (1 + np.exp(-np.clip(np.nan_to_num(logit, nan=-1.5), -6, 6))), 5)),
        pl.lit("3.1").alias("vendor_version"),
    )


def quarters(rows: pl.DataFrame, count: int) -> list[Quarter]:
    """The first quarters from `START` on."""
    found, start = [], START
    for _ in range(count):
        end = date(start.year + (start.month == 10), (start.month + 2) % 12 + 1, 1)
        found.append(Quarter(start, end, rows.filter(pl.col("approval_date").is_between(start, end, closed="left"))))
        start = end
    return found


def write_group_model(rows: pl.DataFrame, file: Path) -> None:
    """The model that another team hands over, trained on the loans before 2003."""
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = rows.filter(pl.col("approval_date") < date(2003, 1, 1))
    inputs = known.select(NUMBERS).to_pandas()
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(inputs, known["default"].to_numpy())
    skops.io.dump(model, file)


def deliver(file: Path, rows: pl.DataFrame) -> None:
    """Put a delivery into the landing folder, whole at once, as a careful sender does."""
    partial = file.with_suffix(".partial")
    rows.write_parquet(partial)
    partial.replace(file)


def words_of(command: str, filled: Mapping[str, str]) -> Sequence[str]:
    """A command as `mlops status` prints it, as words, with its placeholders filled in."""
    return [filled.get(word, word) for word in command.split()]
