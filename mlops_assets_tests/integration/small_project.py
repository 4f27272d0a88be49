"""A bank's project in a folder of its own: made-up tables with odd columns, three declarations, the shipped policies.

What happens in the tables is written into them on purpose, so that the tests know what the lifecycle has to find:

- `late payment` (binary, months): one month has a broken feed in one column; from a later month on, the relation
  between inputs and outcome is another one, which its policy acts on in the first window.
- `parcel_kind` (three classes, one snapshot without time).
- `energy_use` (a number, quarters, sixty columns): nothing happens.
"""

import hashlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.new_project import DEFINITIONS

ROOT = Path(__file__).parents[2]
WINDOWS = tuple(f"2021-0{month}-01" for month in range(1, 6))
FAULTY_WINDOW = WINDOWS[1]
FAULTY_COLUMN = "Betrag (€)"
CHANGED_FROM = datetime(2021, 3, 1)  # noqa: DTZ001
TIMED, SNAPSHOT, NUMBER = "late_payment", "parcel_kind", "energy_use"
MODELS = (NUMBER, TIMED, SNAPSHOT)

LATE_PAYMENT = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: Probability that an invoice is paid late.
  intended_use: Order in which reminders are written.
  owner: team:receivables
  developers: [developer]
  tier: medium
  task: binary
  source: {path: data/late payments.parquet}
  id: Rechnung Nr.
  event_time: issued at
  target: {column: "zu spät?", positive: "yes", favourable: negative}
  features:
    "Betrag (€)": {role: numeric, minimum: 0}
    days-granted: numeric
    größe: categorical
    has.discount: boolean
    grade: {role: ordinal, allowed: [low, mid, high]}
    score: numeric
    Score: categorical
  protected: [{column: region}]
  candidates: [linear, hist_gradient_boosting]
  training: {until: 2021-01-01, window: 1 month, folds: 2}
  monitoring: {cadence: month, end: 2021-06-01}
  policy: {approvals: [{role: validator, count: 1}, {role: model-risk, count: 1}], monitoring: {persistence_k: 1}}
"""

PARCEL_KIND = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: Kind of a parcel from its size.
  owner: parcels@bank.example
  developers: [developer]
  tier: low
  task: multiclass
  source: {path: data/parcels.csv}
  id: nr
  target: kind
  features: {"length in cm": numeric, weight: numeric}
  candidates: [linear]
  training: {folds: 2}
"""

ENERGY_USE = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: Energy that a branch uses on a day.
  owner: team:facilities
  developers: [developer]
  tier: low
  task: regression
  source: {path: data/energy/*.parquet}
  id: reading
  event_time: day
  target: kWh
  features:
    branch: categorical
FEATURES
  candidates: [linear]
  training: {until: 2021-01-01, folds: 2}
  monitoring: {cadence: quarter, end: 2021-07-01}
"""
WIDE = 58


def write_project(root: Path, *models: str, rows: int = 1500) -> Path:
    """A project with these models (default: all) under `root`; returns its `defs` folder.

    Args:
        root: an empty folder.
        models: names out of `MODELS`.
        rows: of `late_payment` a month.
    """
    # A name of its own: one process of tests loads several projects, and Python knows one module by a name.
    name = package_of(root)
    package = root / name
    defs = package / "defs"
    (root / "data").mkdir(parents=True)
    defs.mkdir(parents=True)
    (package / "__init__.py").touch()
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "0.1"\n\n'
        '[tool.dg]\ndirectory_type = "project"\n\n'
        f'[tool.dg.project]\nroot_module = "{name}"\nregistry_modules = []\n'
        f'code_location_target_module = "{name}.definitions"\n'
    )
    (package / "definitions.py").write_text(DEFINITIONS)
    shutil.copyfile(ROOT / "dagster.yaml", root / "dagster.yaml")
    for folder in ("policy", "requirements"):
        shutil.copytree(ROOT / "mlops_assets" / "config" / folder, package / "config" / folder)
    shutil.copyfile(ROOT / "mlops_assets" / "config" / "tiering.yaml", package / "config" / "tiering.yaml")
    for model in models or MODELS:
        declare(defs, model, WRITERS[model](root / "data", rows))
    return defs


def package_of(root: Path) -> str:
    """Name of the project's Python package."""
    return f"bank_{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"


def declare(defs: Path, model: str, text: str) -> Path:
    """Write a declaration into the project."""
    path = defs / "models" / model / "defs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def late_payments(rows: int, seed: int = 5) -> pl.DataFrame:
    """A month to train on and five of traffic."""
    generator = np.random.default_rng(seed)
    months = [(2020, 12), *((2021, month) for month in range(1, 6))]
    return pl.concat([_month(datetime(year, month, 1), rows, generator) for year, month in months])  # noqa: DTZ001


def _month(start: datetime, rows: int, generator: np.random.Generator) -> pl.DataFrame:
    amount = generator.lognormal(6, 1, rows)
    granted = generator.integers(7, 60, rows).astype(float)
    size = generator.choice(["klein", "mittel", "groß"], rows, p=[0.5, 0.3, 0.2])
    discount = generator.random(rows) < 0.3
    grade = generator.integers(0, 3, rows)
    pull = 1.6 * (np.log(amount) - 6) + 1.2 * (grade - 1) + 0.8 * (size == "groß")
    if start >= CHANGED_FROM:
        pull = -pull
    late = generator.random(rows) < 1 / (1 + np.exp(-(pull - 0.6 + 0.5 * discount)))
    missing = generator.random(rows) < 0.05
    if start.date().isoformat() == FAULTY_WINDOW:
        missing |= generator.random(rows) < 0.5
    times = [start + timedelta(minutes=int(m)) for m in np.sort(generator.integers(0, 28 * 24 * 60, rows))]
    return pl.DataFrame(
        {
            "Rechnung Nr.": [f"{start:%Y%m}-{i:05d}" for i in range(rows)],
            "issued at": times,
            "Betrag (€)": [None if m else float(a) for m, a in zip(missing, amount, strict=True)],
            "days-granted": granted,
            "größe": size,
            "has.discount": [
                None if g < 0.02 else bool(d) for g, d in zip(generator.random(rows), discount, strict=True)
            ],
            "grade": [("low", "mid", "high")[g] for g in grade],
            "region": generator.choice(["north", "south"], rows),
            "zu spät?": np.where(late, "yes", "no"),
            # Names that the project itself uses elsewhere, and two that differ only in capitals.
            "score": np.arange(rows) * 7919 % 1000 / 10,
            "Score": np.where(np.arange(rows) % 3 == 0, "seen", "not seen"),
            "never read": np.zeros(rows),
        }
    )


def _write_late_payments(data: Path, rows: int) -> str:
    late_payments(rows).write_parquet(data / "late payments.parquet")
    return LATE_PAYMENT


def _write_parcels(data: Path, rows: int) -> str:
    generator = np.random.default_rng(6)
    kind = generator.integers(0, 3, 900)
    length = kind * 20 + generator.normal(30, 14, 900)
    weight = np.where(generator.random(900) < 0.1, None, kind + generator.normal(2, 1.2, 900).round(3))
    names = np.array(["letter", "box", "pallet"])[kind]
    pl.DataFrame({"nr": range(900), "length in cm": length, "weight": weight.tolist(), "kind": names}).with_columns(
        pl.col("weight").cast(pl.Float64)
    ).write_csv(data / "parcels.csv")
    return PARCEL_KIND


def _write_energy(data: Path, rows: int) -> str:
    generator = np.random.default_rng(7)
    (data / "energy").mkdir()
    for year, count in ((2020, 1600), (2021, 800)):
        inputs = generator.normal(0, 1, (count, WIDE))
        days = np.sort(generator.integers(0, 360 if year == 2020 else 178, count))
        branch = generator.choice(["A 1", "B 2", "C 3"], count)
        used = 100 + 9 * inputs[:, 0] - 6 * inputs[:, 1] + 5 * (branch == "A 1") + generator.normal(0, 5, count)
        pl.DataFrame(
            {
                "reading": [f"{year}/{i}" for i in range(count)],
                "day": [(datetime(year, 1, 1) + timedelta(days=int(d))).date() for d in days],  # noqa: DTZ001
                "branch": branch,
                **{f"sensor {i:02d}": inputs[:, i] for i in range(WIDE)},
                "kWh": used,
            }
        ).write_parquet(data / "energy" / f"{year}.parquet")
    return ENERGY_USE.replace("FEATURES", "\n".join(f"    sensor {i:02d}: numeric" for i in range(WIDE)))


WRITERS = {TIMED: _write_late_payments, SNAPSHOT: _write_parcels, NUMBER: _write_energy}
