import numpy as np
import pytest

from mlops_assets.evaluation.estimators import prepare
from mlops_assets.monitoring.outcomes.grades import tabulate
from mlops_assets.monitoring.outcomes.relation import compare_grades
from mlops_assets.statistics.resampling import equal_frequency_edges


def tables(n, m, seed, *, odds=0.0, stretch=1.0):
    """Grade tables of a reference of n rows and of a window of m rows whose log-odds are moved and stretched."""
    generator = np.random.default_rng(seed)
    edges, found = None, []
    for size, change, factor in ((n, 0.0, 1.0), (m, odds, stretch)):
        logit = generator.normal(-1, 1, size)
        y = (generator.random(size) < 1 / (1 + np.exp(-(logit * factor + change)))).astype(int)
        rows = prepare(y, 1 / (1 + np.exp(-logit)), "binary")
        edges = equal_frequency_edges(rows.score, 10) if edges is None else edges
        found.append(tabulate(rows, edges))
    return found


@pytest.mark.parametrize(("n", "m"), [(2000, 300), (20_000, 5000)])
def test_without_change_p_values_are_honest(n, m):
    found = [compare_grades(*tables(n, m, seed), binary=True) for seed in range(300)]
    for name in ("p_any", "p_beyond"):
        p = np.array([getattr(one, name) for one in found])
        assert (p < 0.05).mean() <= 0.085, name
        assert (p < 0.5).mean() >= 0.3, name  # and not merely timid
    assert np.median([one.unexplained for one in found]) < 0.025


def test_a_common_shift_is_no_changed_relation():
    found = compare_grades(*tables(20_000, 10_000, 1, odds=0.8), binary=True)
    assert found.common_shift == pytest.approx(0.8, abs=0.08)
    assert found.p_any < 1e-9
    assert found.p_beyond > 0.01


def test_a_flatter_relation_is_seen_with_its_size():
    small, large = (compare_grades(*tables(20_000, 10_000, 2, stretch=s), binary=True) for s in (0.8, 0.4))
    assert small.p_beyond < 1e-3
    assert large.p_beyond < 1e-9
    assert 0.01 < small.unexplained < large.unexplained


def test_the_smallest_detectable_change_is_seen_about_as_often_as_it_says():
    """A relation so much flatter that its true change is what the test claims to see is found in most windows."""
    true = compare_grades(*tables(400_000, 400_000, 9, stretch=0.8), binary=True).unexplained
    found = [compare_grades(*tables(40_000, 4000, seed, stretch=0.8), binary=True, alpha=0.01) for seed in range(60)]
    claimed = np.mean([one.smallest_detectable for one in found])
    assert true == pytest.approx(claimed, rel=0.25)
    assert 0.55 <= np.mean([one.p_beyond < 0.01 for one in found]) <= 0.97
    larger = compare_grades(*tables(40_000, 24_000, 1), binary=True, alpha=0.01)
    assert larger.smallest_detectable < claimed


def test_too_few_grades_say_so():
    found = compare_grades(*tables(2000, 12, 3), binary=True)
    assert found.p_beyond is None
    assert "two grades" in found.reason
