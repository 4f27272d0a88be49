import json

import fairlearn.metrics as fl
import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.metrics import precision_score

from mlops_assets.declaration.columns import Protected
from mlops_assets.evaluation.disparities import counted_disparities
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.evaluation.fairness import count_cells, measure_fairness
from mlops_assets_tests.cost import times_as_much

SEX = Protected(column="sex", labels={"1": "men", "2": "women"}, basis="a rule")
AGE = Protected(column="age", bins=(30.0, 60.0))


def people(n=6000, seed=1, gap=0.8):
    """Women's scores are higher by `gap` on the logit scale at the same risk."""
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame({"sex": generator.choice([1, 2], n), "age": generator.integers(18, 80, n)})
    risk = generator.normal(-1, 1, n)
    y = (generator.random(n) < 1 / (1 + np.exp(-risk))).astype(int)
    return frame, y, 1 / (1 + np.exp(-(risk + gap * (frame["sex"].to_numpy() == 2))))


@pytest.mark.parametrize("favourable", ["positive", "negative"])
def test_equals_fairlearn_on_the_rows(favourable):
    frame, y, score = people()
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX, AGE], favourable=favourable)
    said = (score >= 0.4).astype(int)
    outcome, decision = (y, said) if favourable == "positive" else (1 - y, 1 - said)
    bins = np.searchsorted([30, 60], frame["age"].to_numpy(), side="right")
    for name, groups in (("sex", frame["sex"].to_numpy()), ("age", bins)):
        disparities = found.attribute(name).disparities
        for key in (
            "demographic_parity_difference",
            "demographic_parity_ratio",
            "equalized_odds_difference",
            "equal_opportunity_difference",
        ):
            expected = getattr(fl, key)(outcome, decision, sensitive_features=groups)
            assert disparities[key].value == pytest.approx(expected, abs=1e-12), (name, key)
        by_group = fl.MetricFrame(
            metrics={"tpr": fl.true_positive_rate, "fpr": fl.false_positive_rate, "selection_rate": fl.selection_rate},
            y_true=outcome,
            y_pred=decision,
            sensitive_features=groups,
        ).by_group
        for group, (_, row) in zip(found.attribute(name).groups, by_group.iterrows(), strict=True):
            assert (group.tpr, group.fpr, group.selection_rate) == pytest.approx(tuple(row))
        right = [
            precision_score(outcome[groups == one], decision[groups == one]) for one in dict.fromkeys(sorted(groups))
        ]
        assert [group.ppv for group in found.attribute(name).groups] == pytest.approx(right)
        assert disparities["predictive_parity_difference"].value == pytest.approx(max(right) - min(right))
    json.dumps(found.to_dict(), allow_nan=False)


def test_labels_bins_and_basis_are_shown():
    frame, y, score = people()
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX, AGE])
    assert [g.group for g in found.attribute("sex").groups] == ["men", "women"]
    assert [g.group for g in found.attribute("age").groups] == ["under 30", "30 to 60", "60 and over"]
    assert found.attribute("sex").basis == "a rule"
    ratio = found.attribute("sex").disparities["demographic_parity_ratio"]
    assert (ratio.lowest, ratio.highest) == ("women", "men")  # favourable is a low score


def test_intersections_have_sizes():
    frame, y, score = people()
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX, AGE])
    both = found.attribute("sex & age")
    assert both.intersection
    assert sum(g.n for g in both.groups) == frame.height
    women_old = next(g for g in both.groups if g.group == "women & 60 and over")
    assert women_old.n == ((frame["sex"] == 2) & (frame["age"] >= 60)).sum()
    alone = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX, AGE], intersections=False)
    assert len(alone.attributes) == 2


@pytest.mark.parametrize(("gap", "significant"), [(0.0, False), (0.3, True), (3.0, True)])
def test_significance_of_a_difference(gap, significant):
    frame, y, score = people(6000, 3, gap)
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX]).attribute("sex")
    ratio = found.disparities["demographic_parity_ratio"]
    assert (ratio.p_value < 0.001) is significant
    assert ratio.low <= ratio.value <= ratio.high


def test_the_interval_is_that_of_a_row_bootstrap_where_chance_does_not_choose_the_pair():
    frame, y, score = people(3000)
    codes = (frame["sex"].to_numpy() == 2).astype(int)
    decision = (score < 0.4).astype(int)
    cells = count_cells(1 - y, decision, codes, 2)
    found = counted_disparities(cells, ["men", "women"], 10)["demographic_parity_ratio"]
    generator = np.random.default_rng(2)
    ratios = []
    for _ in range(800):
        i = generator.integers(0, len(y), len(y))
        rates = [decision[i][codes[i] == g].mean() for g in (0, 1)]
        ratios.append(min(rates) / max(rates))
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize("rates", [[0.3] * 8, [0.3, 0.2] * 4, [0.3, 0.3, 0.15]])
def test_intervals_cover_the_largest_disparity_although_the_data_choose_the_pair(rates):
    """Intervals of the chosen pair alone once covered .44 to .48 for eight equal groups."""
    generator = np.random.default_rng(3)
    covered = {"demographic_parity_ratio": 0, "demographic_parity_difference": 0}
    true = {
        "demographic_parity_ratio": min(rates) / max(rates),
        "demographic_parity_difference": max(rates) - min(rates),
    }
    for _ in range(200):
        cells = np.zeros((len(rates), 2, 2), int)
        cells[:, 0, 1] = generator.binomial(300, rates)
        cells[:, 0, 0] = 300 - cells[:, 0, 1]
        found = counted_disparities(cells, [str(i) for i in range(len(rates))], 10)
        for name in covered:
            covered[name] += found[name].low - 1e-12 <= true[name] <= found[name].high + 1e-12
    # Three standard errors of .95 over 200 tables.
    assert min(covered.values()) / 200 >= 0.95 - 3 * 0.0154, covered


def test_p_value_is_the_chi_square_of_the_table():
    frame, y, score = people()
    table = [[((score < 0.4) == d)[(frame["sex"] == s).to_numpy()].sum() for d in (0, 1)] for s in (1, 2)]
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX]).attribute("sex").disparities
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert found["demographic_parity_difference"].p_value == pytest.approx(expected)


def test_small_and_missing_groups_are_listed_not_dropped():
    frame, y, score = people(1000)
    odd = frame.with_columns(
        pl.when(pl.int_range(pl.len()) < 40)
        .then(None)
        .when(pl.int_range(pl.len()) < 45)
        .then(9)
        .otherwise("sex")
        .alias("sex")
    )
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), odd, [SEX]).attribute("sex")
    small = {g.group: (g.n, g.selection_rate, g.reason) for g in found.groups if not g.measurable}
    assert small == {"9": (5, None, "5 rows, fewer than 100"), "(missing)": (40, None, "40 rows, fewer than 100")}
    assert found.measurable
    assert "9, (missing)" in found.reason


def test_one_group_is_not_measurable():
    frame, y, score = people(150)
    same = frame.with_columns(sex=pl.lit(1))
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), same, [SEX])
    assert not found.attribute("sex").measurable
    assert found.attribute("sex").disparities == {}
    assert "1 of 1 groups" in found.attribute("sex").reason
    assert found.reason == "not measurable: sex"


def test_a_group_without_an_outcome_has_no_rate_for_it():
    frame, y, score = people(2000)
    y = np.where(frame["sex"].to_numpy() == 2, 1, y)  # no woman has the favourable outcome
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX]).attribute("sex")
    women = found.groups[1]
    assert women.tpr is None
    assert women.selection_rate is not None
    assert found.disparities["equal_opportunity_difference"].value is None
    assert "1 groups have 10" in found.disparities["equal_opportunity_difference"].reason
    assert found.disparities["equalized_odds_difference"].value is not None


def test_a_group_that_is_hardly_selected_has_no_predictive_value():
    frame, y, score = people(2000)
    score = np.where(frame["sex"].to_numpy() == 2, 0.9, score)  # no woman gets the favourable decision
    found = measure_fairness(prepare(y, score, "binary", threshold=0.4), frame, [SEX]).attribute("sex")
    assert (found.groups[0].ppv is None, found.groups[1].ppv) == (False, None)
    assert "1 groups have 10 or more favourable decisions" in found.disparities["predictive_parity_difference"].reason


def test_nobody_selected_has_no_ratio():
    frame, y, _ = people(1000)
    found = measure_fairness(prepare(y, np.ones(1000), "binary", threshold=0.5), frame, [SEX]).attribute("sex")
    assert found.disparities["demographic_parity_ratio"].value is None
    assert "no group" in found.disparities["demographic_parity_ratio"].reason
    json.dumps(
        measure_fairness(prepare(y, np.ones(1000), "binary", threshold=0.5), frame, [SEX]).to_dict(), allow_nan=False
    )


def test_a_group_never_selected_breaches():
    frame, y, _ = people(1000)
    score = np.where(frame["sex"].to_numpy() == 2, 0.9, 0.1)
    found = measure_fairness(prepare(y, score, "binary", threshold=0.5), frame, [SEX]).attribute("sex")
    ratio = found.disparities["demographic_parity_ratio"]
    assert ratio.value == 0
    assert ratio.high < 0.1


def test_regression():
    frame, _, _ = people(4000)
    generator = np.random.default_rng(4)
    y = generator.normal(100, 20, 4000)
    prediction = y + generator.normal(0, 5, 4000) - 6.0 * (frame["sex"].to_numpy() == 2)
    found = measure_fairness(prepare(y, prediction, "regression"), frame, [SEX]).attribute("sex")
    gap = found.disparities["mean_error_difference"]
    assert gap.value == pytest.approx(6 / 20, abs=0.03)
    assert (gap.lowest, gap.highest) == ("women", "men")
    error = prediction - y
    welch = stats.ttest_ind(error[frame["sex"].to_numpy() == 1], error[frame["sex"].to_numpy() == 2], equal_var=False)
    assert gap.p_value == pytest.approx(welch.pvalue, rel=0.2)
    assert found.groups[1].mean_error == pytest.approx(-6, abs=0.4)


def test_multiclass_compares_accuracy():
    frame, _, _ = people(4000)
    generator = np.random.default_rng(4)
    probability = generator.dirichlet([0.5] * 3, 4000)
    y = (probability.cumsum(1) < generator.random((4000, 1))).sum(1)
    found = measure_fairness(prepare(y, probability, "multiclass"), frame, [SEX]).attribute("sex")
    assert found.disparities["accuracy_difference"].p_value > 0.001
    assert "no class is declared favourable" in found.reason


@pytest.mark.parametrize(
    ("threshold", "columns", "message"),
    [(None, ["sex"], "no decision threshold"), (0.5, ["age"], "no column 'sex'")],
)
def test_refusals(threshold, columns, message):
    frame, y, score = people(200)
    with pytest.raises(ValueError, match=message):
        measure_fairness(prepare(y, score, "binary", threshold=threshold), frame.select(columns), [SEX])


def test_gaps_of_many_rows_are_computed_from_counts_not_from_rows():
    generator = np.random.default_rng(1)
    n = 200_000
    codes, outcome, decision = generator.integers(0, 6, n), generator.integers(0, 2, n), generator.integers(0, 2, n)
    spent = times_as_much(
        lambda: counted_disparities(count_cells(outcome, decision, codes, 6), list("abcdef"), 10),
        lambda: [np.bincount(codes * 4 + outcome * 2 + decision) for _ in range(10)],
    )
    assert spent < 10, "about 0.7 when it was written"
