import json
import time

import fairlearn.metrics as fl
import numpy as np
import polars as pl
import pytest
from scipy import stats

from mlops_assets.declaration.columns import Protected
from mlops_assets.evaluation.disparities import counted_disparities
from mlops_assets.evaluation.fairness import count_cells, measure_fairness
from mlops_assets.statistics.resampling import resample_counts

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
    found = measure_fairness(y, score, "binary", frame, [SEX, AGE], threshold=0.4, favourable=favourable)
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
    json.dumps(found.to_dict(), allow_nan=False)


def test_labels_bins_and_basis_are_shown():
    frame, y, score = people()
    found = measure_fairness(y, score, "binary", frame, [SEX, AGE], threshold=0.4)
    assert [g.group for g in found.attribute("sex").groups] == ["men", "women"]
    assert [g.group for g in found.attribute("age").groups] == ["under 30", "30 to 60", "60 and over"]
    assert found.attribute("sex").basis == "a rule"
    ratio = found.attribute("sex").disparities["demographic_parity_ratio"]
    assert (ratio.lowest, ratio.highest) == ("women", "men")  # favourable is a low score


def test_intersections_have_sizes():
    frame, y, score = people()
    found = measure_fairness(y, score, "binary", frame, [SEX, AGE], threshold=0.4)
    both = found.attribute("sex & age")
    assert both.intersection
    assert sum(g.n for g in both.groups) == frame.height
    women_old = next(g for g in both.groups if g.group == "women & 60 and over")
    assert women_old.n == ((frame["sex"] == 2) & (frame["age"] >= 60)).sum()
    alone = measure_fairness(y, score, "binary", frame, [SEX, AGE], threshold=0.4, intersections=False)
    assert len(alone.attributes) == 2


@pytest.mark.parametrize(
    ("gap", "significant", "breach", "reason"),
    [(0.0, False, False, "no difference"), (0.3, True, False, "a small one"), (3.0, True, True, "a large one")],
)
def test_significance_and_limit(gap, significant, breach, reason):
    ratio = (
        measure_fairness(*_yf(people(6000, 3, gap)), [SEX], threshold=0.4)
        .attribute("sex")
        .disparities["demographic_parity_ratio"]
    )
    assert (ratio.p_value < 0.001) is significant, reason
    assert (ratio.p_beyond_limit < 0.01) is breach, reason
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.p_beyond(0.8, ratio=True) == pytest.approx(ratio.p_beyond_limit)


def _yf(parts):
    frame, y, score = parts
    return y, score, "binary", frame


def test_count_bootstrap_equals_a_row_bootstrap():
    frame, y, score = people(3000)
    codes = (frame["sex"].to_numpy() == 2).astype(int)
    decision = (score < 0.4).astype(int)
    cells = count_cells(1 - y, decision, codes, 2)
    found = counted_disparities(cells, ["men", "women"], 10, 0.95, 2000, 1, 0.8)["demographic_parity_ratio"]
    generator = np.random.default_rng(2)
    ratios = []
    for _ in range(800):
        i = generator.integers(0, len(y), len(y))
        rates = [decision[i][codes[i] == g].mean() for g in (0, 1)]
        ratios.append(min(rates) / max(rates))
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.standard_error == pytest.approx(np.std(np.log(ratios)), rel=0.1)


def test_p_value_is_the_chi_square_of_the_table():
    frame, y, score = people()
    table = [[((score < 0.4) == d)[(frame["sex"] == s).to_numpy()].sum() for d in (0, 1)] for s in (1, 2)]
    found = measure_fairness(y, score, "binary", frame, [SEX], threshold=0.4).attribute("sex").disparities
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
    found = measure_fairness(y, score, "binary", odd, [SEX], threshold=0.4).attribute("sex")
    small = {g.group: (g.n, g.selection_rate, g.reason) for g in found.groups if not g.measurable}
    assert small == {"9": (5, None, "5 rows, fewer than 100"), "(missing)": (40, None, "40 rows, fewer than 100")}
    assert found.measurable
    assert "9, (missing)" in found.reason


def test_one_group_is_not_measurable():
    frame, y, score = people(150)
    same = frame.with_columns(sex=pl.lit(1))
    found = measure_fairness(y, score, "binary", same, [SEX], threshold=0.4)
    assert not found.attribute("sex").measurable
    assert found.attribute("sex").disparities == {}
    assert "1 of 1 groups" in found.attribute("sex").reason
    assert found.reason == "not measurable: sex"


def test_a_group_without_an_outcome_has_no_rate_for_it():
    frame, y, score = people(2000)
    y = np.where(frame["sex"].to_numpy() == 2, 1, y)  # no woman has the favourable outcome
    found = measure_fairness(y, score, "binary", frame, [SEX], threshold=0.4).attribute("sex")
    women = found.groups[1]
    assert women.tpr is None
    assert women.selection_rate is not None
    assert found.disparities["equal_opportunity_difference"].value is None
    assert "1 groups have 10" in found.disparities["equal_opportunity_difference"].reason
    assert found.disparities["equalized_odds_difference"].value is not None


def test_nobody_selected_has_no_ratio():
    frame, y, _ = people(1000)
    found = measure_fairness(y, np.ones(1000), "binary", frame, [SEX], threshold=0.5).attribute("sex")
    assert found.disparities["demographic_parity_ratio"].value is None
    assert "no group" in found.disparities["demographic_parity_ratio"].reason
    json.dumps(measure_fairness(y, np.ones(1000), "binary", frame, [SEX], threshold=0.5).to_dict(), allow_nan=False)


def test_a_group_never_selected_breaches():
    frame, y, _ = people(1000)
    score = np.where(frame["sex"].to_numpy() == 2, 0.9, 0.1)
    found = measure_fairness(y, score, "binary", frame, [SEX], threshold=0.5).attribute("sex")
    ratio = found.disparities["demographic_parity_ratio"]
    assert (ratio.value, ratio.p_beyond_limit < 1e-3) == (0, True)


def test_regression():
    frame, _, _ = people(4000)
    generator = np.random.default_rng(4)
    y = generator.normal(100, 20, 4000)
    prediction = y + generator.normal(0, 5, 4000) - 6.0 * (frame["sex"].to_numpy() == 2)
    found = measure_fairness(y, prediction, "regression", frame, [SEX]).attribute("sex")
    gap = found.disparities["mean_error_difference"]
    assert gap.value == pytest.approx(6 / 20, abs=0.03)
    assert (gap.lowest, gap.highest) == ("women", "men")
    error = prediction - y
    welch = stats.ttest_ind(error[frame["sex"].to_numpy() == 1], error[frame["sex"].to_numpy() == 2], equal_var=False)
    assert gap.value / gap.standard_error == pytest.approx(welch.statistic, rel=1e-3)
    assert found.groups[1].mean_error == pytest.approx(-6, abs=0.4)


def test_multiclass_compares_accuracy():
    frame, _, _ = people(4000)
    generator = np.random.default_rng(4)
    probability = generator.dirichlet([0.5] * 3, 4000)
    y = (probability.cumsum(1) < generator.random((4000, 1))).sum(1)
    found = measure_fairness(y, probability, "multiclass", frame, [SEX]).attribute("sex")
    assert found.disparities["accuracy_difference"].p_value > 0.001
    assert "no class is declared favourable" in found.reason


@pytest.mark.parametrize(
    ("options", "columns", "message"),
    [({}, ["sex"], "no decision threshold"), ({"threshold": 0.5}, ["age"], "no column 'sex'")],
)
def test_refusals(options, columns, message):
    frame, y, score = people(200)
    with pytest.raises(ValueError, match=message):
        measure_fairness(y, score, "binary", frame.select(columns), [SEX], **options)


def test_thousandfold_bootstrap_of_many_rows_is_fast():
    generator = np.random.default_rng(1)
    n = 200_000
    codes, outcome, decision = generator.integers(0, 6, n), generator.integers(0, 2, n), generator.integers(0, 2, n)
    start = time.perf_counter()
    cells = count_cells(outcome, decision, codes, 6)
    counted_disparities(cells, list("abcdef"), 10, 0.95, 1000, 1, 0.8)
    assert time.perf_counter() - start < 1.0  # about .02 s on an idle core; scipy's import is in here
    assert resample_counts(cells, 1000, 1).shape == (1000, 6, 2, 2)
