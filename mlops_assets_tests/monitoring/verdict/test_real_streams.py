from datetime import datetime

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets_tests.monitoring.streams import DATA, RULES, judge, roles_of


def read(name):
    return pl.read_parquet(DATA / f"{name}.parquet")


@pytest.mark.parametrize("alike", [True, False], ids=["without importance", "with some"])
def test_census_1995_is_a_broken_feed_of_seven_columns(alike):
    table = read("census_income")
    roles = roles_of(table, "record_id", "survey_year", "instance_weight", "income_over_50k")
    years = [table.filter(pl.col("survey_year") == y) for y in sorted(table["survey_year"].unique())]
    importance = None if alike else {"age": 5.0, "education": 3.0, "mig_msa": 0.001}
    found = judge(*years, roles, importance)
    seven = {"mig_msa", "mig_reg", "mig_within", "mig_sunbelt", "live_1y", "region_prev", "state_prev"}
    assert set(found.faults) == seven
    health = triage(found, None, [], RULES, {"data_quality": ["incident"], "covariate_shift": ["retrain"]})
    assert health.kind == "data_quality"
    assert set(health.columns) == seven
    assert health.actions == ("incident",)
    assert health.severity in ("act", "critical")


@pytest.mark.parametrize("year", [2016, 2017, 2018])
def test_acs_is_silent(year):
    table = read("acs_employment")
    roles = roles_of(table, "person_id", "survey_year", "employed")
    reference, window = (table.filter(pl.col("survey_year") == y) for y in (2015, year))
    found = judge(reference, window, roles)
    assert found.severity == "none"
    assert triage(found, None, [], RULES, {}).kind == "none"


def test_acs_split_at_random_is_silent():
    table = read("acs_employment")
    roles = roles_of(table, "person_id", "survey_year")
    generator = np.random.default_rng(4)
    for rows in (200, 1000, 10_000):
        order = generator.permutation(table.height)
        for i in range(5):
            window = table[order[20_000 + i * rows : 20_000 + (i + 1) * rows]]
            assert judge(table[order[:20_000]], window, roles).severity == "none"


@pytest.fixture(scope="module")
def loans():
    """Verdict by quarter against fiscal 2001 to 2003, each with the quarters before it."""
    table = read("sba_loans")
    roles = roles_of(table, "loan_id", "approval_date", "term_months", "default")
    when = pl.col("approval_date")
    start, end = datetime(2000, 10, 1), datetime(2003, 10, 1)  # noqa: DTZ001 - wall-clock, as in the table
    reference = table.filter(when.is_between(start, end, closed="left"))
    later = table.filter(when >= end).with_columns(quarter=when.dt.truncate("1q")).sort("approval_date")
    found, earlier = {}, []
    for (quarter,), rows in later.group_by("quarter", maintain_order=True):
        drift = judge(reference, rows, roles)
        health = triage(drift, None, earlier, RULES, {})
        earlier.append(Earlier(str(quarter), health.raw))
        found[quarter.year, quarter.month] = (drift, health)
    return found


def test_the_loan_crisis_is_a_population_not_a_feed(loans):
    for (year, month), (_, health) in loans.items():
        if 2005 <= year <= 2008:
            assert health.kind == "covariate_shift", (year, month)
            assert health.unknown
    assert loans[2006, 1][1].severity in ("act", "critical")


def test_the_recoding_of_2009_is_a_data_quality_fault_that_names_its_column(loans):
    for quarter in ((2009, 4), (2009, 7), (2010, 1), (2010, 7)):
        drift, health = loans[quarter]
        assert drift.column("revolving_line").fault == "merged_category"
        assert health.kind == "data_quality"
        assert "revolving_line" in health.columns
        assert health.causes[1].kind == "covariate_shift"
