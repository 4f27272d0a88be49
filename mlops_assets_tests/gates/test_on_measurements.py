"""The gates read what the other rooms really measure, and the shipped policies fit the shipped tables."""

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mlops_assets.datasets.screening import screen
from mlops_assets.declaration.columns import Protected, Slice
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.calibration import calibrate
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.evaluation.fairness import measure_fairness
from mlops_assets.evaluation.performance import evaluate
from mlops_assets.evaluation.slices import measure_slices
from mlops_assets.gates.registry import decide, gate_rules
from mlops_assets.policy.policy import load_policies

ROOT = Path(__file__).parents[2]
POLICIES = load_policies(ROOT / "mlops_assets" / "config" / "policy")
N = 6000


def scored(task: str, seed: int = 3) -> tuple[np.ndarray, np.ndarray, pl.DataFrame, list[str] | None]:
    """Outcomes, well calibrated scores, the rows' columns, and the classes."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=N)
    frame = pl.DataFrame({"sex": rng.choice(["f", "m"], N), "sector": rng.choice(["a", "b", "c"], N)})
    if task == "regression":
        return z + rng.normal(0, 0.5, N), z, frame, None
    if task == "binary":
        p = 1 / (1 + np.exp(-1.5 * z))
        return (rng.random(N) < p).astype(int), p, frame, None
    logits = np.column_stack([1.5 * z, np.zeros(N), -1.5 * z])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.array(["a", "b", "c"])[(rng.random((N, 1)) > p.cumsum(1)).sum(1)]
    return y, p, frame, ["a", "b", "c"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_good_model_passes_every_gate_of_every_task(task):
    y, score, frame, classes = scored(task)
    threshold = 0.5 if task == "binary" else None
    found = evaluate(y, score, task, threshold=threshold, classes=classes)
    same = compare(y, score, score, task, classes=classes)
    rules = gate_rules()
    assert decide("performance", {**found.to_dict(), "comparison": same.to_dict()}, rules).passed
    report = measure_slices(y, score, task, frame, [Slice(column="sector")], classes=classes)
    assert decide("slices", report.to_dict(), rules).passed
    assert decide("calibration", calibrate(y, score, task, classes=classes).to_dict(), rules).passed
    rows = prepare(y, score, task, threshold=threshold, classes=classes)
    groups = measure_fairness(rows, frame, [Protected(column="sex")])
    fair = decide("fairness", groups.to_dict(), rules)
    assert fair.passed, fair.reason


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_that_guesses_is_refused_by_the_floor(task):
    y, score, _, classes = scored(task)
    shuffled = np.random.default_rng(1).permutation(score)
    found = evaluate(y, shuffled, task, threshold=0.5 if task == "binary" else None, classes=classes)
    for tier in POLICIES.values():
        assert decide("performance", found.to_dict(), tier.gates).outcome == "failed"


def test_a_worse_challenger_is_refused_and_a_better_one_passes():
    y, score, _, _ = scored("binary")
    worse = np.clip(score + np.random.default_rng(2).normal(0, 0.4, N), 0.001, 0.999)
    found = evaluate(y, score, "binary", threshold=0.5)
    better = {**found.to_dict(), "comparison": compare(y, worse, score, "binary").to_dict()}
    assert decide("performance", better, gate_rules()).passed
    refused = decide(
        "performance", {**better, "comparison": compare(y, score, worse, "binary").to_dict()}, gate_rules()
    )
    assert refused.outcome == "failed"
    assert refused.details["verdict"] == "worse"


def test_decisions_that_favour_one_group_are_refused():
    y, score, frame, _ = scored("binary")
    tilted = np.clip(score + np.where(frame["sex"].to_numpy() == "f", -0.3, 0.0), 0.001, 0.999)
    groups = measure_fairness(
        prepare(y, tilted, "binary", threshold=0.5), frame, [Protected(column="sex")], favourable="positive"
    )
    found = decide("fairness", groups.to_dict(), POLICIES["medium"].gates)
    assert found.outcome == "failed"
    assert "sex" in found.reason


def rows_of(name: str, **features: str) -> tuple[pl.DataFrame, Declaration]:
    attributes = yaml.safe_load((ROOT / "mlops_assets/defs/models" / name / "defs.yaml").read_text())["attributes"]
    attributes["features"].update(features)
    declaration = Declaration.model_validate({**attributes, "name": name})
    rows = pl.read_parquet(ROOT / str(declaration.source.path))
    if name == "sba_loan_default":
        rows = rows.filter(pl.col("approval_date") < datetime(2003, 10, 1))  # noqa: DTZ001 - the table has no zone
    elif declaration.event_time is not None:
        until = declaration.training.until
        assert until is not None
        rows = rows.filter(pl.col(declaration.event_time.column) < until.year)
    return rows, declaration


@pytest.mark.parametrize("name", ["card_default", "census_income", "acs_employment", "sba_loan_default"])
def test_the_example_fleet_has_no_leak_and_no_proxy_beyond_its_policy(name):
    rows, declaration = rows_of(name)
    gates = POLICIES[declaration.tier.value].gates
    found = screen(rows, declaration).to_dict()
    assert decide("leakage", found, gates).passed
    assert decide("proxy", found, gates).outcome != "failed"


def test_the_loan_model_with_the_term_is_refused_by_name():
    rows, declaration = rows_of("sba_loan_default", term_months="numeric")
    refused = decide("leakage", screen(rows, declaration).to_dict(), POLICIES["high"].gates)
    assert refused.outcome == "failed"
    assert refused.details["offending_features"] == ["term_months"]


def test_labels_of_the_census_would_be_refused_where_policy_asked():
    rows, declaration = rows_of("census_income")
    found = decide("label_bias", screen(rows, declaration).to_dict(), POLICIES["medium"].gates)
    assert found.outcome == "failed"
    assert not POLICIES["medium"].gates.label_bias.required
