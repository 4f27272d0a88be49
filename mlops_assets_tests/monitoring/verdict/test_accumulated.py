"""Evidence over the windows of a version: its false-alarm rate over a whole life, its power, and its verdict."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlops_assets.ledger.events.windows import Distance, MeanChange, WindowEvidence
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.thresholds.life_delays import Errors, drawn_lives, first_evidence
from mlops_assets.monitoring.verdict.accumulated import LEVEL, Judged, accumulate, window_evidence
from mlops_assets.monitoring.verdict.accumulated_causes import accumulated_causes
from mlops_assets.monitoring.verdict.causes import Cause
from mlops_assets.monitoring.verdict.sentences import Change
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets_tests.monitoring.lives import distance_lives, restless_lives

RULES = MonitoringThresholds()
QUIET = DriftVerdict(2000, 20_000, "none", (), (), (), (), "No input changed.")
AUC = Errors(0.0135, 0.003)
BASE_RATE = Errors(0.04, 0.008)


def loss(shown: np.ndarray, errors: Errors) -> np.ndarray:
    return first_evidence(shown, errors, RULES.performance_drop_watch, RULES.performance_drop_act, False)


def miscalibration(shown: np.ndarray) -> np.ndarray:
    return first_evidence(shown, BASE_RATE, RULES.calibration_watch, RULES.calibration_act, True)


@pytest.mark.parametrize(("size", "why"), [(0.0, "nothing changed"), (0.006, "the change is as large as is tolerated")])
def test_over_a_life_of_sixty_windows_the_stated_rate_holds(size: float, why: str):
    rng = np.random.default_rng(5)
    for errors in (AUC, Errors(0.03, 0.015)):
        assert np.isfinite(loss(drawn_lives(rng, errors, size, 200), errors)).mean() <= LEVEL, why
    assert np.isfinite(miscalibration(drawn_lives(rng, BASE_RATE, 0.05, 200))).mean() <= LEVEL


@pytest.mark.parametrize("memory", [0.0, 0.95])
def test_what_periods_differ_by_is_no_change(memory: float):
    shown = restless_lives(np.random.default_rng(6), 0.0135, 0.003, 0.02, memory, 200)
    assert np.isfinite(loss(shown, Errors(float(np.hypot(0.0135, 0.02)), 0.003, 0.02))).mean() <= LEVEL


@pytest.mark.parametrize(("size", "onset", "most"), [(0.05, 0, 4), (0.04, 0, 6), (0.03, 0, 14), (0.03, 20, 18)])
def test_a_small_lasting_loss_is_found(size: float, onset: int, most: float):
    shown = drawn_lives(np.random.default_rng(7), AUC, size, 200, onset=onset)
    assert np.median(loss(shown, AUC)) - onset <= most


@pytest.mark.parametrize(("size", "most"), [(0.2, 3), (0.15, 7), (-0.15, 7)])
def test_a_small_lasting_miscalibration_is_found(size: float, most: float):
    assert np.median(miscalibration(drawn_lives(np.random.default_rng(8), BASE_RATE, size, 200))) <= most


def test_distances_of_inputs_hold_the_rate_and_find_what_one_small_window_does_not():
    rng = np.random.default_rng(9)
    assert not np.isfinite(distance_lives(rng, 0.05, 10)).any()
    assert np.median(distance_lives(rng, 0.15, 10)) <= 8


def ranked(*drops: float, arrived: list[int | None] | None = None) -> list[Judged]:
    return [
        Judged(
            f"2024-{month:02}-01",
            WindowEvidence(ranking=MeanChange(change=drop, variance=0.0135**2, shared=0.003**2)),
            arrived[month - 1] if arrived else month,
        )
        for month, drop in enumerate(drops, 1)
    ]


def test_the_verdict_says_what_how_large_since_when_and_how_sure():
    windows = ranked(0.0, 0.004, -0.003, 0.0, 0.041, 0.05, 0.039, 0.046, 0.045)
    (found,) = accumulate(windows, RULES, False)
    assert (found.test, found.since, found.windows) == ("ranking", "2024-05-01", 5)
    health = triage(QUIET, None, [], RULES, {}, accumulated=[found])
    assert (health.severity, health.kind) == ("watch", "concept_drift")
    assert health.reasons[0].startswith(
        f"Model performance is lower than in {found.against}: quality by 0.0{round(found.size * 1000)} on average, at least "
    )
    assert "; 5 windows since 2024-05-01 (p " in health.reasons[0]
    assert found.at_least is not None
    assert 0.006 <= found.at_least < found.size


def test_no_single_window_is_acted_on_by_itself_and_several_are_at_once():
    one = accumulate(ranked(0.15), RULES, False)
    assert triage(QUIET, None, [], RULES, {}, accumulated=one).severity == "watch"
    two = accumulate(ranked(0.13, 0.15), RULES, False)
    assert triage(QUIET, None, [], RULES, {}, accumulated=two).severity == "critical"


def test_windows_that_return_to_the_reference_after_better_ones_are_no_loss():
    assert accumulate(ranked(*[-0.1] * 6, *[0.0] * 6), RULES, False) == []


def test_outcomes_count_in_the_order_in_which_they_arrived():
    drops = (0.06, 0.06, 0.06, 0.0, 0.0, 0.0)
    late = accumulate(ranked(*drops, arrived=[4, 5, None, 1, 2, 3]), RULES, False)
    assert [one.since for one in late] == ["2024-01-01"]
    assert late[0].windows == 3


def test_a_corrected_window_takes_the_place_of_the_old_one():
    wrong = ranked(0.0, 0.09, 0.09)
    corrected = [wrong[0], *ranked(0.0, 0.0, 0.0)[1:]]
    assert accumulate(wrong, RULES, False)
    assert not accumulate(corrected, RULES, False)


def moved(log_e: float, size: float, windows: int) -> list[Judged]:
    evidence = WindowEvidence(inputs={"age": Distance(log_e=log_e, size=size)})
    return [Judged(f"2024-{month:02}-01", evidence) for month in range(1, windows + 1)]


def test_an_input_that_moves_a_little_in_each_window_is_named():
    found = accumulate(moved(3.0, 0.12, 5), RULES, False)
    health = triage(QUIET, None, [], RULES, {}, accumulated=found)
    assert (health.kind, health.severity, health.columns) == ("covariate_shift", "watch", ("age",))
    assert (
        "1 input moved, seen over several windows: age (PSI 0.12 on average); 5 windows since 2024-01-01"
        in health.reasons[0]
    )
    assert accumulate(moved(-0.5, 0.01, 60), RULES, False) == []


def test_what_the_window_shows_itself_is_not_said_twice():
    found = accumulate(moved(3.0, 0.12, 5), RULES, False)
    shown = Cause("covariate_shift", "act", (Change("1 input moved"),), ("age",))
    assert accumulated_causes(found, [shown], QUIET, RULES, "roc_auc") == []
    fault = Cause("data_quality", "act", (Change("age is missing"),), ("age",), certain=True)
    assert accumulated_causes(found, [fault], QUIET, RULES, "roc_auc") == []


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_a_measured_window_gives_its_evidence_and_is_read_back(task: str):
    rng = np.random.default_rng(3)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=n)
        if task == "regression":
            return x + rng.normal(size=n), x
        p = 1 / (1 + np.exp(-x))
        if task == "binary":
            return (rng.random(n) < p).astype(int), p
        score = np.c_[p / 2, p / 2, 1 - p]
        return np.array([rng.choice(["a", "b", "c"], p=row) for row in score]), score

    reference = build_reference(*rows(3000), task, classes=["a", "b", "c"] if task == "multiclass" else None)
    performance = measure(reference, *rows(1000))
    found = window_evidence(SimpleNamespace(columns=()), performance)
    assert found.ranking is not None
    assert found.relation is not None
    assert (found.calibration is None) == (task == "multiclass"), (
        "of several classes the worst is shown, not a fixed one"
    )
    assert WindowEvidence.model_validate_json(found.model_dump_json()) == found
    assert window_evidence(SimpleNamespace(columns=()), WindowPerformance.from_dict(performance.to_dict())) == found
