"""Real evidence for the tests: a small model really fitted on real data, and a ledger really written."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets_tests.ledger.raw import raw

ROOT = Path(__file__).parents[2]
ISSUED = datetime(2026, 11, 21, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Declared:
    """A model as the project reads it."""

    name: str
    declaration: Declaration | None = None
    error: str = ""


class Clock:
    """Moves one second at each look, and to wherever it is set."""

    def __init__(self, at: datetime):
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def declaration_of(name: str) -> Declaration:
    path = ROOT / "mlops_assets" / "defs" / "models" / name / "defs.yaml"
    return Declaration(**{**yaml.safe_load(path.read_text())["attributes"], "name": name})


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
        screening={"proxy": {"auc": 0.61, "attribute": "female"}},
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


@pytest.fixture
def ledger(tmp_path: Path, clock: Callable[[], datetime]) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", SigningKey.generate(), clock=clock)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def lived(ledger: Ledger, clock: Clock) -> Ledger:
    """Three years of one model: refused, promoted, drifting, retrained, promoted again; and a second model at rest."""
    model = "sba_loan_default"
    root, developer = SigningKey.generate(), SigningKey.generate()
    clock.at = at("2003-01-01")
    enrol(ledger, root, "root", root.public, ["root"])
    enrol(ledger, root, "developer", developer.public, ["developer"])
    clock.at = ISSUED

    def write(record_kind: str, subject: str, when: str, /, **body: object) -> None:
        ledger.append(raw(record_kind, body), model=model, subject=subject, happened_at=at(when))

    def promote(version: str, when: str, former: str | None) -> None:
        write("snapshot_taken", version * 64, when, rows=1000 * int(version), quarantined=3)
        write(
            "version_registered", version, when, data_digest=version * 64, artifact_digest="c" * 64, algorithm="linear"
        )
        write(
            "gate_decision", version, when, gate="performance", outcome="passed", value=0.7, threshold=0.6, tier="high"
        )
        write("card_issued", version, when, digest="e" * 64, missing=["risk_register"])
        for person in ("validator", "model-risk"):
            write(
                "approval", version, when, decision="approve", person=person, role=person, rationale="Evidence reviewed"
            )
        write("promotion", version, when, former=former, policy_digest="b" * 64, approvals=[1, 2])

    write("version_registered", "1", "2003-09-01", algorithm="linear")
    write(
        "gate_decision",
        "1",
        "2003-09-01",
        gate="leakage",
        outcome="failed",
        value=0.96,
        threshold=0.9,
        reason="term_months leaks",
    )
    promote("2", "2003-10-01", None)
    write(
        "health_verdict",
        "2003-10-01",
        "2004-01-01",
        severity="none",
        kind="none",
        reasons=[],
        action="none",
        version="2",
    )
    write(
        "health_verdict",
        "2004-01-01",
        "2004-04-01",
        severity="act",
        kind="label_shift",
        reasons=["Defaults doubled."],
        action="retrain",
        version="2",
    )
    write(
        "incident_opened",
        "inc-1",
        "2004-04-02",
        kind="label_shift",
        severity="act",
        window="2004-01-01",
        summary="Defaults doubled",
    )
    write(
        "exception_granted",
        "fairness",
        "2004-04-03",
        gate="fairness",
        expires="2004-10-01T00:00:00Z",
        person="model-risk",
        reason="Under review",
    )
    write("retraining_request", "r-1", "2004-04-04", cause="label shift", automatic=False)
    promote("3", "2004-05-01", "2")
    write("retraining_closed", "r-1", "2004-05-01", version="3", outcome="promoted")
    (opened,) = ledger.records(kind="incident_opened")
    said = {"id": "inc-1", "disposition": "true", "note": "Retrained"}
    closure = sign_act(ledger, developer, "incident-closure/v1", model, {"incident": opened.digest}, said)
    write("incident_closed", "inc-1", "2004-05-02", **closure)
    write(
        "health_verdict",
        "2004-04-01",
        "2004-07-01",
        severity="watch",
        kind="covariate_shift",
        reasons=["More new businesses."],
        action="watch",
        version="3",
    )
    ledger.append(raw("promotion", {"former": None}), model="acs_employment", subject="1", happened_at=at("2015-01-01"))
    return ledger
