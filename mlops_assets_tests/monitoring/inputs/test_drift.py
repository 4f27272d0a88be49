import json
import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict, compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.effort import share
from mlops_assets_tests.monitoring.streams import ROLES, RULES, customers, judge

C = pl.col


@pytest.fixture(scope="module")
def reference():
    return customers(10_000, 1)


def some(share, seed=5, rows=5000):
    return pl.Series(np.random.default_rng(seed).random(rows) < share)


def window(rows=5000, seed=2):
    return customers(rows, seed)


FAULTS = [
    ("missing_values", ["amount"], lambda w: w.with_columns(amount=w["amount"].set(some(0.3), None)), "30 % nulls"),
    ("missing_values", ["state"], lambda w: w.with_columns(state=w["state"].set(some(0.3), None)), "nulls in text"),
    ("missing_values", ["age"], lambda w: w.with_columns(age=w["age"].set(some(0.3), math.nan)), "NaN is missing too"),
    ("missing_values", ["age"], lambda w: w.with_columns(age=pl.lit(None, pl.Float64)), "nothing but nulls"),
    ("unit_change", ["amount"], lambda w: w.with_columns(C.amount * 1000), "thousands"),
    ("unit_change", ["amount"], lambda w: w.with_columns(C.amount / 100), "cents to whole"),
    ("unit_change", ["amount"], lambda w: w.with_columns(C.amount * 12), "months to years"),
    ("unit_change", ["rate"], lambda w: w.with_columns(C.rate * 100), "shares to percent, with nulls"),
    ("unit_change", ["amount"], lambda w: w.with_columns(-C.amount), "the other sign"),
    ("unit_change", ["age"], lambda w: w.with_columns(C.age * 1.8 + 32), "as if Celsius became Fahrenheit"),
    ("placeholder", ["amount"], lambda w: w.with_columns(amount=w["amount"].set(some(0.2), 0.0)), "gaps filled with 0"),
    ("placeholder", ["amount"], lambda w: w.with_columns(amount=w["amount"].set(some(0.2), -999.0)), "-999 for a gap"),
    ("placeholder", ["rate"], lambda w: w.with_columns(rate=w["rate"].set(some(0.2), 0.28)), "filled with the mean"),
    ("out_of_range", ["age"], lambda w: w.with_columns(age=w["age"].set(some(0.03), 999.0)), "three in a hundred"),
    ("renamed_category", ["state"], lambda w: w.with_columns(C.state.replace("CA", "California")), "most frequent"),
    ("renamed_category", ["product"], lambda w: w.with_columns(pl.col("product").replace("plus", "PLUS")), "of two"),
    ("merged_category", ["state"], lambda w: w.with_columns(C.state.replace("NY", "CA")), "two codes became one"),
    ("swapped", ["age", "visits"], lambda w: w.rename({"age": "visits", "visits": "age"}), "numbers"),
    ("swapped", ["product", "state"], lambda w: w.rename({"state": "product", "product": "state"}), "text"),
    (
        "new_categories",
        ["product"],
        lambda w: w.with_columns(product=w["product"].set(some(0.2), "new")),
        "a fifth new",
    ),
    ("new_categories", ["state"], lambda w: w.with_columns(state=pl.Series(range(5000)).cast(pl.String)), "all new"),
    ("collapsed", ["state"], lambda w: w.with_columns(state=pl.lit("TX")), "one value"),
    ("collapsed", ["age"], lambda w: w.with_columns(age=pl.lit(0.0)), "one number"),
    ("infinite_values", ["amount"], lambda w: w.with_columns(amount=w["amount"].set(some(0.05), math.inf)), "infinite"),
    ("missing_column", ["amount"], lambda w: w.drop("amount"), "not there"),
    ("wrong_type", ["amount"], lambda w: w.with_columns(C.amount.cast(pl.String)), "text for a number"),
]


@pytest.mark.parametrize(("sign", "columns", "inject", "why"), FAULTS, ids=[f"{f[0]}: {f[3]}" for f in FAULTS])
def test_a_fault_is_found_and_named(reference, sign, columns, inject, why):
    found = judge(reference, inject(window()))
    assert sorted(found.faults) == columns
    for name in columns:
        assert found.column(name).fault == sign
        assert found.column(name).severity == "act"
        assert name in found.reason
    assert found.shifted == ()


def test_a_healthy_window_is_silent(reference):
    found = judge(reference, window())
    assert (found.severity, found.faults, found.shifted) == ("none", (), ())
    assert "No input changed by more than its threshold" in found.reason


@pytest.mark.parametrize(
    ("severity", "change", "why"),
    [
        ("watch", lambda w: w.with_columns(C.age + 5), "0.4 standard deviations"),
        ("act", lambda w: w.with_columns(C.age + 10), "0.8 standard deviations"),
        ("none", lambda w: w.with_columns(C.age + 2), "certain but too little to matter"),
    ],
)
def test_evidence_and_size_make_the_severity(reference, severity, change, why):
    found = judge(reference, change(window()))
    assert found.column("age").severity == severity, why
    assert found.faults == ()
    assert found.column("age").p_value < 0.01
    assert found.column("age").ks > 0.03


@pytest.mark.parametrize(("group", "column"), [("WA", "state"), ("TX", "state"), ("plus", "product")])
def test_a_group_three_times_as_frequent_is_found(reference, group, column):
    rows = customers(30_000, 3)
    weight = rows.select(pl.when(pl.col(column) == group).then(3.0).otherwise(1.0))[:, 0].to_numpy()
    chosen = np.random.default_rng(1).choice(rows.height, 5000, replace=False, p=weight / weight.sum())
    found = judge(reference, rows[chosen])
    assert found.shifted == (column,)
    assert found.faults == ()


def test_one_feature_of_two_hundred_is_found():
    def wide(rows, seed):
        return pl.DataFrame({f"x{i}": c for i, c in enumerate(np.random.default_rng(seed).normal(size=(200, rows)))})

    rows = wide(3000, 2).with_columns(C.x17 + 1)
    found = judge(wide(5000, 1), rows, dict.fromkeys(rows.columns, "numeric"))
    assert found.shifted == ("x17",)
    assert found.severity == "act"


def test_a_hardly_used_feature_weighs_less(reference):
    changed = window().with_columns(C.age + 10)
    assert judge(reference, changed, importance={"age": 0.001, "amount": 1.0}).severity == "watch"
    assert judge(reference, changed, importance={"age": 0.3, "amount": 0.7}).severity == "act"
    assert judge(reference, changed, importance={"age": 0.7, "amount": 0.3}).severity == "critical"


@pytest.mark.parametrize(
    ("rows", "severity", "why"),
    [
        (window().clear(), "not_measurable", "no rows"),
        (window(1), "not_measurable", "one row"),
        (window(5), "not_measurable", "five rows"),
        (window(199), "not_measurable", "one fewer than needed"),
        (window(200), "none", "just enough"),
        (window(100).with_columns(amount=pl.lit(None, pl.Float64)), "act", "few rows, but all agree on the fault"),
        (window(5).with_columns(amount=pl.lit(None, pl.Float64)), "not_measurable", "too few even for that"),
    ],
)
def test_small_windows(reference, rows, severity, why):
    found = judge(reference, rows)
    assert found.severity == severity, why
    if severity == "not_measurable":
        assert f"{rows.height} rows, fewer than the 200" in found.reason


def test_odd_references_raise_no_alarm_on_themselves():
    odd = pl.DataFrame(
        {
            "empty": pl.Series([None] * 500, dtype=pl.Float64),
            "constant": [1.0] * 500,
            "infinite": [math.inf] * 500,
            "one_word": ["a"] * 500,
            "id": [f"r{i}" for i in range(500)],
        }
    )
    roles = {"empty": "numeric", "constant": "numeric", "infinite": "numeric", "one_word": "text", "id": "text"}
    fresh = odd.with_columns(id=pl.Series([f"s{i}" for i in range(500)]))
    assert judge(odd, fresh, roles).severity in ("none", "not_measurable")


def test_verdict_is_json_and_reads_back(reference):
    found = judge(reference, window().with_columns(C.amount * 1000, C.age + 10))
    text = json.dumps({**found.to_dict(), "version": 3}, allow_nan=False)
    assert DriftVerdict.from_dict(json.loads(text)) == found


@pytest.mark.parametrize("rows", [200, 1000, 5000])
@pytest.mark.parametrize("reference_rows", [1000, 20_000])
def test_no_change_raises_no_alarm(reference_rows, rows):
    alarms, references, windows = 0, share(1, 20), 12
    for seed in range(references):
        known = customers(reference_rows, 100 + seed)
        alarms += sum(judge(known, customers(rows, 1000 * seed + i)).severity != "none" for i in range(windows))
    assert alarms <= 0.01 * references * windows


MANY = {
    "half as one": ("new_categories", lambda w: w.with_columns(zip=w["zip"].set(some(0.3), "unknown"))),
    "all in capitals": ("new_categories", lambda w: w.with_columns(C.zip.str.to_uppercase())),
    "as they were": ("", lambda w: w),
}


@pytest.mark.parametrize("name", MANY)
def test_new_values_of_a_column_with_more_than_are_listed(name):
    def drawn(rows, seed):
        return pl.DataFrame(
            {"zip": "z" + pl.Series(np.random.default_rng(seed).integers(0, 900, rows)).cast(pl.String)}
        )

    sign, change = MANY[name]
    found = judge(drawn(20_000, 1), change(drawn(5000, 2)), {"zip": "categorical"})
    assert found.column("zip").fault == sign


def test_amounts_of_a_column_that_is_nearly_all_zero_are_seen():
    def gains(rows, seed):
        g = np.random.default_rng(seed)
        return pl.DataFrame({"gain": np.where(g.random(rows) < 0.95, 0.0, g.lognormal(7, 1, rows))})

    reference = gains(20_000, 1)
    assert judge(reference, gains(5000, 2).with_columns(C.gain * 100), {"gain": "numeric"}).faults == ("gain",)
    assert judge(reference, gains(5000, 2), {"gain": "numeric"}).severity == "none"


def test_dates_out_of_range_are_named_and_time_that_goes_on_is_not():
    def days(rows, first, seed):
        drawn = np.random.default_rng(seed).integers(first, first + 1000, rows)
        return pl.DataFrame({"opened": pl.Series(drawn, dtype=pl.Int32).cast(pl.Date)})

    roles = {"opened": "date"}
    reference, window = days(10_000, 14_000, 1), days(5000, 14_000, 2)
    early = window.with_columns(opened=window["opened"].set(some(0.05), pl.Series([-25_567]).cast(pl.Date)[0]))
    found = judge(reference, early, roles)
    assert found.column("opened").fault == "out_of_range"
    assert judge(reference, window, roles).severity == "none"
    assert judge(reference, days(5000, 16_500, 3), roles).faults == ()


def test_a_long_tail_that_goes_a_little_farther_is_no_fault():
    def tail(rows, seed):
        return pl.DataFrame({"x": np.random.default_rng(seed).standard_t(1.5, rows)})

    for seed in range(20):
        assert judge(tail(1000, seed), tail(5000, 100 + seed), {"x": "numeric"}).faults == ()


def test_a_frequent_value_that_becomes_more_so_is_no_placeholder(reference):
    rows = window()
    more = rows.with_columns(visits=rows["visits"].set(some(0.3), 2))
    assert judge(reference, more).faults == ()


def test_many_equal_categories_raise_no_alarm():
    # Sixty values of about seventeen rows each: which of them the reference saw often is chance, and no sign of change.
    def drawn(rows, seed):
        g = np.random.default_rng(seed)
        return pl.DataFrame({f"k{i}": "r" + pl.Series(g.integers(0, 60, rows)).cast(pl.String) for i in range(10)})

    known = drawn(1000, 1)
    found = [judge(known, drawn(200, 100 + i), dict.fromkeys(known.columns, "categorical")) for i in range(40)]
    assert [f.severity for f in found] == ["none"] * 40


def test_scores_of_twice_the_positives_are_noticed():
    g = np.random.default_rng(1)

    def scored(rows, rate):
        # Log-odds of two normal groups, one and a half apart, with the reference's base rate of a fifth.
        y = g.random(rows) < rate
        evidence = g.normal(np.where(y, 1.125, -1.125), 1.5)
        return pl.DataFrame({SCORE_COLUMN: 1 / (1 + np.exp(-(evidence + np.log(0.2 / 0.8))))})

    reference = scored(10_000, 0.2)
    found = judge(reference, scored(5000, 0.4), {SCORE_COLUMN: "score"}).column(SCORE_COLUMN)
    assert found.severity in ("watch", "act")
    assert found.reference_base_rate == pytest.approx(0.2, abs=0.02)
    assert found.implied_base_rate == pytest.approx(0.4, abs=0.05)
    assert judge(reference, scored(5000, 0.2), {SCORE_COLUMN: "score"}).severity == "none"


def test_roles_cover_the_table():
    assert set(ROLES) == set(window().columns)


def test_a_rare_value_that_is_missing_from_a_stretch_is_no_broken_feed():
    """Rows come place by place: most stretches of them hold none of the few rows that one place has."""
    place = np.repeat(np.random.default_rng(8).random(400) < 0.03, 25)
    rows = pl.DataFrame({"bog": place.astype(int), "kind": np.where(place, "bog", "dry")})
    profile = build_profile(rows, {"bog": "numeric", "kind": "categorical"}, times=pl.Series(np.arange(10_000)))
    quiet = pl.DataFrame({"bog": np.zeros(2000, dtype=int), "kind": ["dry"] * 2000})
    found = compare(profile, count_window(quiet, profile), RULES)
    assert (found.severity, found.faults) == ("none", ())


@pytest.mark.soak
@pytest.mark.parametrize(("rows", "columns"), [(2000, 20), (5000, 5)])
def test_bins_cut_on_two_hundred_rows_keep_the_stated_rate(rows: int, columns: int) -> None:
    """Windows are larger than the reference, so that its error is all there is."""
    names, alarms, windows = [f"x{i}" for i in range(columns)], 0, share(20, 1000)
    for seed in range(windows):
        generator = np.random.default_rng([21, seed])
        before, now = (pl.DataFrame(generator.normal(size=(n, columns)), schema=names) for n in (200, rows))
        profile = build_profile(before, dict.fromkeys(names, "numeric"))
        found = compare(profile, count_window(now, profile), RULES)
        alarms += at_least(found.severity, "watch")
    assert alarms <= binom.isf(0.001, windows, 0.01)
