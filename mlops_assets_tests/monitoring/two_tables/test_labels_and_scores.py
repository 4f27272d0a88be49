"""Scores that are no probabilities: ranked as they are, calibrated by a curve that keeps their order."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.two_tables.comparison import compare_tables
from mlops_assets.monitoring.two_tables.labels_and_scores import fit_score_curve

SCALES = {
    "points, a high one is good": lambda z: 600 - 60 * z,
    "log-odds": lambda z: 0.3 * z - 1,
    "percent": lambda z: 100 / (1 + np.exp(1 - 0.3 * z)),
    "heavy tails": lambda z: np.sinh(3 * z),
    "few grades": lambda z: np.clip(np.round(5 + 2 * z), 1, 10),
    "far from 0": lambda z: 1e9 + z,
}


def table(seed: int, rows: int, scale, slope: float = 0.3) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    z = generator.normal(size=rows)
    bad = generator.random(rows) < 1 / (1 + np.exp(1 - slope * z))
    return pl.DataFrame({"prob": 1 / (1 + np.exp(1 - 0.3 * z)), "score": scale(z), "bad": bad.astype(int)})


def compared(tmp_path, before: pl.DataFrame, now: pl.DataFrame, score: str):
    paths = [tmp_path / "before.parquet", tmp_path / "now.parquet"]
    for path, frame in zip(paths, (before, now), strict=True):
        frame.select(score, "bad").write_parquet(path)
    return compare_tables(*paths, target="bad", score=score)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_nothing_changed_whatever_the_scale(tmp_path, scale):
    severities = []
    for seed in range(8):
        found = compared(tmp_path, table(2 * seed, 1000, scale), table(2 * seed + 1, 1000, scale), "score")
        severities.append(found.verdict["severity"])
    assert severities.count("none") >= 7


@pytest.mark.parametrize("scale", [SCALES["points, a high one is good"], SCALES["log-odds"], SCALES["heavy tails"]])
def test_the_auc_is_that_of_the_probability_in_the_same_order(tmp_path, scale):
    before, now = table(1, 1000, scale), table(2, 1000, scale)
    of_score, of_prob = (compared(tmp_path, before, now, name).outcomes.performance for name in ("score", "prob"))
    assert of_score.ranking.reference == pytest.approx(of_prob.ranking.reference, abs=1e-9)
    assert of_score.ranking.window == pytest.approx(of_prob.ranking.window, abs=1e-9)


def test_a_changed_relation_is_found_on_points_too(tmp_path):
    scale = SCALES["points, a high one is good"]
    found = compared(tmp_path, table(1, 5000, scale, 1.5), table(2, 5000, scale, -1.5), "score")
    assert (found.verdict["severity"], found.verdict["kind"]) == ("critical", "concept_drift")


def test_a_probability_that_comes_in_percent_is_named(tmp_path):
    before, now = table(1, 1000, lambda z: z), table(2, 1000, lambda z: z)
    found = compared(tmp_path, before, now.with_columns(pl.col("prob") * 100), "prob")
    assert any("none in the current table" in remark and "unit has changed" in remark for remark in found.remarks)
    assert found.verdict["kind"] != "data_quality"


@pytest.mark.parametrize(
    ("scores", "y"),
    [
        (np.arange(10.0), np.arange(10) >= 5),
        (np.ones(10), np.arange(10) >= 5),
        (np.r_[np.zeros(9), 1e300], np.arange(10) >= 5),
    ],
)
def test_the_curve_is_finite_and_keeps_the_order(scores, y):
    curve = fit_score_curve(scores, y.astype(float))
    p = curve.probabilities(np.sort(scores))
    assert np.isfinite(p).all()
    assert (np.diff(p) * np.sign(curve.slope or 1) >= 0).all()
