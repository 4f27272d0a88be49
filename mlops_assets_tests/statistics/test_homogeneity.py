import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, false_discovery_control

from mlops_assets.statistics.homogeneity import chi_square_two_sample, merge_sparse
from mlops_assets.statistics.multiplicity import benjamini_hochberg


def test_chi_square_is_scipys():
    reference, window = np.array([100, 200, 50, 30]), np.array([40, 60, 40, 20])
    expected = chi2_contingency(np.array([reference, window]), correction=False)
    found = chi_square_two_sample(reference, window)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.effect == pytest.approx(np.sqrt(expected.statistic / 540))


@pytest.mark.parametrize(
    ("reference", "window", "why"),
    [
        ([100], [50], "one cell"),
        ([100, 0], [50, 0], "one cell with rows"),
        ([100, 20], [0, 0], "an empty window"),
        ([0, 0], [5, 6], "an empty reference"),
        ([3, 2], [1, 1], "nothing but sparse cells"),
    ],
)
def test_nothing_to_compare_is_no_evidence(reference, window, why):
    assert chi_square_two_sample(np.array(reference), np.array(window)).p_value == 1.0, why


def test_sparse_cells_are_joined_and_the_total_stays():
    table = np.array([[1000.0, 500, 3, 1, 2], [100, 50, 0, 1, 0]])
    merged = merge_sparse(table)
    assert merged.sum() == table.sum()
    share = table.sum(axis=1).min() / table.sum()
    assert (merged.sum(axis=0) * share >= 5).all()


def test_p_values_are_uniform_when_nothing_changed():
    generator = np.random.default_rng(1)
    shares = np.full(20, 0.05)
    p = [
        chi_square_two_sample(generator.multinomial(5000, shares), generator.multinomial(400, shares)).p_value
        for _ in range(1000)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.05)


def test_cells_cut_at_quantiles_of_few_rows_keep_the_level():
    """True shares of 20 cells with 10 reference rows each are a Dirichlet vector; windows are much larger."""
    generator = np.random.default_rng(2)
    reference, shares = np.full(20, 10), generator.dirichlet(np.full(20, 10), 2000)
    p = np.array(
        [
            [chi_square_two_sample(reference, w, cut_on_reference=cut).p_value for cut in (True, False)]
            for w in generator.multinomial(5000, shares)
        ]
    )
    alarms = (p < 0.01).sum(0)
    assert alarms[0] <= binom.isf(0.001, 2000, 0.01)
    assert alarms[1] > 2 * 0.01 * 2000, "Pearson's statistic alone"
    # A shift is still seen: two cells become twice as frequent.
    moved = np.full(20, 0.9 / 18)
    moved[:2] = 0.1
    moved /= moved.sum()
    found = chi_square_two_sample(np.full(20, 200), generator.multinomial(5000, moved), cut_on_reference=True)
    assert found.p_value < 1e-6


def test_benjamini_hochberg_by_hand():
    # p(i) m / i, made monotone from the largest down.
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([0.7]) == [0.7]


@pytest.mark.parametrize("seed", range(5))
def test_benjamini_hochberg_is_scipys(seed):
    p_values = np.random.default_rng(seed).random(50) ** 3
    assert benjamini_hochberg(p_values) == pytest.approx(list(false_discovery_control(p_values)))
