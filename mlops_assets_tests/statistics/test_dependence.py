import numpy as np
import pytest
from scipy.stats import norm, rankdata

from mlops_assets.statistics.dependence import changed_pairs, correlations, divergence, normal_scores, z_variance
from mlops_assets.statistics.psi import psi


def normals(rows, correlation, seed):
    g = np.random.default_rng(seed)
    x = g.normal(size=(rows, 3))
    x[:, 1] = correlation * x[:, 0] + np.sqrt(1 - correlation**2) * x[:, 1]
    return x


def pairs_of(before, now, level=0.001):
    scores = normal_scores(np.concatenate([before, now]))
    return changed_pairs(scores[: len(before)], scores[len(before) :], level=level, least=0.1, seed=1)


def test_a_pair_that_came_apart_is_the_only_one_named():
    found = pairs_of(normals(3000, 0.8, 1), normals(2000, 0.0, 2))
    assert [(p.first, p.second) for p in found] == [(0, 1)]
    assert found[0].before == pytest.approx(0.8, abs=0.03)
    assert found[0].now == pytest.approx(0.0, abs=0.05)
    assert found[0].p_value <= 0.001


def test_divergence_is_the_psi_of_the_pair():
    # The PSI of two bivariate normals over fine cells comes near to it from below.
    rows = 400_000
    tables = []
    for r, seed in ((0.0, 1), (0.4, 2)):
        x = normals(rows, r, seed)[:, :2]
        tables.append(np.histogram2d(*x.T, bins=[np.r_[-9, np.linspace(-2.5, 2.5, 26), 9]] * 2)[0].ravel())
    assert psi(*tables) == pytest.approx(float(divergence(np.array(0.0), np.array(0.4))), rel=0.1)


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (lambda g, n: g.normal(size=(n, 2)), "normal"),
        (lambda g, n: (g.random((n, 2)) < 0.2).astype(float), "ties: two values each"),
        (lambda g, n: g.normal(size=(n, 2)) * g.standard_exponential((n, 1)), "large together, of any sign"),
    ],
)
def test_variance_of_z_is_that_of_repeated_samples(draw, why):
    g = np.random.default_rng(3)
    samples = [normal_scores(draw(g, 500)) for _ in range(400)]
    z = [np.arctanh(correlations(s)[0, 1]) for s in samples]
    stated = np.mean([z_variance(s)[0, 1] for s in samples])
    assert stated == pytest.approx(500 * np.var(z), rel=0.25), why


def test_rare_values_that_meet_by_chance_are_no_change():
    g = np.random.default_rng(4)

    def rare(rows):
        return (g.random((rows, 10)) < 0.02).astype(float)

    assert sum(bool(pairs_of(rare(1000), rare(200), level=0.01)) for _ in range(40)) <= 2


def test_missing_values_and_constants_are_no_obstacle():
    x = normals(500, 0.5, 1)
    x[::3, 0] = np.nan
    x[:, 2] = 7
    assert np.isfinite(correlations(normal_scores(x))).all()
    assert pairs_of(x, x) == []
    assert pairs_of(x[:5], x[5:10]) == []


def test_scores_and_correlations_are_those_of_scipy_and_numpy():
    x = normals(400, 0.6, 1)
    x[:, 2] = np.round(x[:, 2])
    scores = normal_scores(x)
    assert scores == pytest.approx(norm.ppf(rankdata(x, axis=0) / 401))
    found = correlations(scores)
    off = ~np.eye(3, dtype=bool)
    assert found[off] == pytest.approx(np.corrcoef(scores.T)[off])


@pytest.mark.parametrize(("r", "s"), [(0.0, 0.5), (0.3, -0.6), (0.9, 0.9)])
def test_divergence_is_that_of_two_normals(r, s):
    # KL of two centred normals: (tr(B^-1 A) - 2 + ln det B - ln det A) / 2, both ways round.
    a, b = (np.array([[1.0, c], [c, 1.0]]) for c in (r, s))
    expected = (np.trace(np.linalg.solve(b, a)) + np.trace(np.linalg.solve(a, b))) / 2 - 2
    assert float(divergence(np.array(r), np.array(s))) == pytest.approx(expected)


def test_what_comes_in_a_few_places_only_is_no_changed_pair():
    """Two rare values that one place of a stream happens to have together, none before: known from too few places."""
    generator = np.random.default_rng(3)
    before = np.column_stack([np.repeat(generator.random(60) < share, 50) for share in (0.05, 0.04)]).astype(float)
    now = np.zeros((1000, 2))
    now[:50] = 1
    scores = normal_scores(np.concatenate([before, now]))
    sides = scores[:3000], scores[3000:]
    assert changed_pairs(*sides, level=0.001, least=0.1, seed=1) != [], "rows in no order: each counts"
    assert changed_pairs(*sides, level=0.001, least=0.1, seed=1, periods=20) == []
