"""Real evidence for the tests: a small model really fitted on real data, and a ledger really written."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.ledger.events import response
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.life import MODEL, Clock, Life, at

ROOT = Path(__file__).parents[2]
ISSUED = datetime(2026, 11, 21, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Declared:
    """A model as the project reads it."""

    name: str
    declaration: Declaration | None = None
    error: str = ""


def declaration_of(name: str) -> Declaration:
    path = ROOT / "mlops_assets" / "defs" / "models" / name / "defs.yaml"
    return Declaration(**{**yaml.safe_load(path.read_text())["attributes"], "name": name})


SBA = declaration_of(MODEL).model_dump(mode="json")


@pytest.fixture(scope="session")
def card_inputs() -> CardInputs:
    """Evidence computed on 4,000 rows of the card table with a logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from mlops_assets.evaluation.performance import evaluate

    declaration = declaration_of("card_default")
    frame = pl.read_parquet(ROOT / "data" / "card_default.parquet").head(4000)
    names = list(declaration.features)
    x, y = frame.select(names).to_numpy().astype(float), frame[declaration.target.column].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x[:3000], y[:3000])
    score, truth = model.predict_proba(x[3000:])[:, 1], y[3000:]
    threshold = float(y[:3000].mean())
    groups = [
        {"group": label, "n": int(k.sum()), "selection_rate": float((score[k] < threshold).mean())}
        for label, k in (
            ("men", frame["female"].to_numpy()[3000:] == 0),
            ("women", frame["female"].to_numpy()[3000:] == 1),
        )
    ]
    order = np.argsort(score)
    bins = [
        {"predicted": float(score[part].mean()), "observed": float(truth[part].mean()), "n": len(part)}
        for part in np.array_split(order, 5)
    ]
    weights = np.abs(model[-1].coef_[0])
    return CardInputs(
        declaration=declaration,
        version="3",
        issued_at=ISSUED,
        algorithm="linear",
        snapshot={"rows": 4000, "quarantined": 0, "data_digest": "a" * 64, "fit_rows": 3000, "holdout_rows": 1000},
        profile={
            "columns": [{"name": n, "minimum": float(frame[n].min()), "mean": float(frame[n].mean())} for n in names]
        },
        screening={"proxies": [{"attribute": p.column, "auc": 0.61} for p in declaration.protected]},
        candidates=[
            {"algorithm": "linear", "metric": "roc_auc", "mean": 0.72, "selected": True},
            {"algorithm": "random_forest", "mean": 0.71},
        ],
        performance=evaluate(truth, score, "binary", threshold=threshold).to_dict(),
        comparison={},
        calibration={"bins": bins},
        fairness={"attributes": [{"attribute": "female", "groups": groups}]},
        explanations={
            "importance": {
                "metric": "roc_auc",
                "rows": 1000,
                "features": [
                    {"feature": n, "importance": float(w), "std": 0.01} for n, w in zip(names, weights, strict=True)
                ],
            },
            "reason_codes": {"adverse": 300, "explained": 300, "faithful_share": 0.99, "frequent": {"pay_0": 120}},
        },
        decisions=[
            {
                "gate": "performance",
                "outcome": "passed",
                "value": 0.72,
                "threshold": 0.6,
                "rule": "min_auc",
                "reason": "Above the floor.",
            }
        ],
        policy={"tier": "high", "digest": "b" * 64, "retention_days": 3650},
        exceptions=[],
        findings=[],
        environment={"python": "3.11", "packages": {"numpy": "2.4.6", "scikit-learn": "1.9.1"}},
        digests={"artifact": "c" * 64, "data": "a" * 64},
        lineage={"run_id": "0123"},
        changes=[],
    )


@pytest.fixture
def clock() -> Clock:
    return Clock(ISSUED)


@dataclass(frozen=True)
class Written:
    """A ledger's file and what is needed to go on writing it: a test works on a copy."""

    path: Path
    head_key: SigningKey
    keys: dict[str, SigningKey]
    until: datetime

    @classmethod
    def of(cls, folder: Path, tell: Callable[[Life], None]) -> "Written":
        """The people enrolled, and then what is told."""
        clock, head_key, path = Clock(at("2003-01-01")), SigningKey.generate(), folder / "ledger.db"
        life = Life(Ledger(f"sqlite:///{path}", head_key, clock=clock), clock, declaration=SBA)
        life.enrol()
        tell(life)
        life.ledger.close()
        return cls(path, head_key, life.keys, clock.at)


@pytest.fixture(scope="session")
def people_alone(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written.of(tmp_path_factory.mktemp("people"), lambda life: None)


@pytest.fixture(scope="session")
def three_years(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written.of(tmp_path_factory.mktemp("years"), _three_years)


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Written:
    """What has happened before the test begins."""
    return request.getfixturevalue("three_years" if "lived" in request.fixturenames else "people_alone")


@pytest.fixture
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Ledger:
    """Empty, where the test asks for nobody's life."""
    path = tmp_path / "ledger.db"
    if "life" not in request.fixturenames:
        return Ledger(f"sqlite:///{path}", SigningKey.generate(), clock=clock)
    written: Written = request.getfixturevalue("written")
    shutil.copy(written.path, path)
    clock.at = written.until
    return Ledger(f"sqlite:///{path}", written.head_key, clock=clock)


@pytest.fixture
def life(ledger: Ledger, clock: Clock, written: Written) -> Life:
    """A model about which nothing is recorded but the people around it, or what `lived` says."""
    return Life(ledger, clock, declaration=SBA, keys=dict(written.keys))


@pytest.fixture
def lived(life: Life) -> Ledger:
    """Three years of one model: refused, promoted, drifting, retrained, promoted again; and a second model at rest.

    Every signature in it counts.
    """
    return life.ledger


def _three_years(life: Life) -> None:
    life.adopt(when="2003-08-01")
    life.register("1", "2003-09-01")
    life.decide("1", "leakage", "failed", value=0.96, threshold=0.9, reason="term_months leaks")
    life.release("2", "2003-10-01")
    life.judge("2003-10-01", "2004-01-01", "none")
    life.judge(
        "2004-01-01", "2004-04-01", "act", "label_shift", reasons=("Defaults doubled.",), action=("retrain",)
    )  # fmt: skip
    opened = life.incident("inc-1", "2004-04-02")
    life.grant("model-risk", "fairness", "Under review", "2004-10-01", "2004-04-03")
    life.request("r-1", "label shift", "2004-01-01", "2004-04-04")
    life.release("3", "2004-05-01", former=2)
    life.write(response.RetrainingClosed(version="3", outcome="promoted"), "r-1")
    life.close("model-risk", opened, "Retrained", when="2004-05-02")
    life.judge(
        "2004-04-01", "2004-07-01", "watch", "covariate_shift", "3", reasons=("More new businesses.",), action=("watch",)
    )  # fmt: skip
    other = replace(life, model="acs_employment")
    other.adopt(when="2015-01-01")
    other.register("1")
    other.promote("1", None)
