import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.period import PeriodText
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.terms import Role

GOOD: dict[str, Any] = {
    "name": "loans",
    "purpose": "Probability that a loan is charged off.",
    "owner": "team:credit",
    "developers": ["developer"],
    "tier": "high",
    "task": "binary",
    "source": {"path": "data/loans.parquet"},
    "id": "loan_id",
    "event_time": "approved",
    "target": "default",
    "features": {"employees": "numeric", "state": "categorical"},
    "training": {"until": "2020-01-01", "window": "36 months"},
    "monitoring": {"cadence": "quarter"},
}


def declared(**changes: Any) -> Declaration:
    fields = {**GOOD, **changes}
    return Declaration.model_validate({k: v for k, v in fields.items() if v is not ...})


def test_the_good_one_is_good():
    assert declared().has_time


# Each case: what is changed, a pattern of the expected message, and why it is refused.
WRONG = [
    ({"purpose": ...}, "purpose\n  Field required", "what the model is for is never guessed"),
    ({"purpose": "short"}, "at least 10 characters", "a word is no purpose"),
    ({"owner": ""}, "owner\n.*at least 1", "somebody answers for it"),
    ({"developers": []}, "developers\n.*at least 1", "who built it may not approve it, so it must be known"),
    ({"name": "Loans-2"}, "should match pattern", "names become asset keys and folders"),
    ({"teir": "high"}, "teir\n  Extra inputs", "a typo must not be dropped silently"),
    ({"tier": "huge"}, "'high', 'medium' or 'low'", "there is a policy for three tiers"),
    ({"task": "ranking"}, "'binary', 'multiclass' or 'regression'", "only these are measured"),
    ({"source": {}}, "found neither `path` nor `sql`", "rows come from somewhere"),
    ({"source": {"sql": "select 1"}}, "sql needs `connection`", "a query without a database"),
    ({"source": {"path": "a", "sql": "select 1", "connection": "MLOPS_SOURCE_X"}}, "and no `path`", "two origins"),
    ({"source": {"path": "a", "connection": "MLOPS_SOURCE_X"}}, "connection goes with `sql`", "a file has no connection"),
    ({"source": {"path": "a.csv", "encoding": "utf-99"}}, "a name Python knows", "an encoding that does not exist"),
    ({"source": {"path": "a.csv", "separator": ",", "decimal": ","}}, "they must differ", "1,5 would be two fields"),
    ({"source": {"sql": "select 1", "connection": "MLOPS_SOURCE_X", "separator": ";"}}, "separator is for text files", "a query has none"),
    ({"source": {"asset": "ware house/loans", "path": "a.csv"}}, "expected the key of a Dagster asset", "a space in a key"),
    ({"purpose": "Ranks loans\x1b[2J for review."}, "U\\+001B, which changes how text is shown", "clears a terminal"),
    ({"card": {"limitations": ["none \u202eyletulosba"]}}, "U\\+202E", "is shown backwards"),
    ({"event_time": {"column": "approved", "format": "ddmmyy"}}, "expected one of timestamp, year", "an unknown format"),
    ({"event_time": {"column": "approved", "format": "%d/%m"}}, "which has no year", "no window without a year"),
    ({"event_time": {"column": "approved", "time_zone": "Vienna"}}, "IANA database", "no such zone"),
    ({"event_time": {"column": "approved", "format": "epoch_s", "time_zone": "UTC"}}, "in UTC and has no zone", "already UTC"),
    ({"event_time": {"column": "approved", "format": "%d/%m/%Y", "time_zone": "UTC"}}, "no time of day", "days have no zone"),
    ({"features": {"MLOPS_window": "numeric"}}, "reserved for columns that are added", "it would meet an internal column"),
    ({"id": "mlops_id"}, "reserved for columns that are added", "it would meet an internal column"),
    ({"features": {}}, "at least one input", "a model has inputs"),
    ({"features": {"a": "number"}}, "'numeric', 'categorical'", "an unknown role"),
    ({"features": {"a": {"role": "categorical", "minimum": 1}}}, "minimum and maximum are for numeric", "names have no order"),
    ({"features": {"a": {"role": "numeric", "minimum": 2, "maximum": 1}}}, r"minimum 2.0 is above maximum 1.0", "an empty range"),
    ({"features": {"a": {"role": "numeric", "allowed": [1]}}}, "allowed is for categorical", "a number has a range"),
    ({"features": {"default": "numeric"}}, "'default' is already the target column", "the answer as an input"),
    ({"features": {"loan_id": "numeric"}}, "'loan_id' is already the id column", "the identifier as an input"),
    ({"features": {"approved": "date"}}, "'approved' is already the event_time", "the time as an input"),
    ({"id": "default"}, "three different columns", "one column in two roles"),
    ({"protected": ["sex", "sex"]}, "protected: sex listed twice", "counted twice otherwise"),
    ({"slices": ["a", {"column": "a", "bins": 3}]}, "slices: a listed twice", "one segment, one definition"),
    ({"slices": [{"column": "a", "bins": 1}]}, "greater than or equal to 2", "one bin is no segment"),
    ({"candidates": ["xgboost"]}, "expected one of linear, hist_gradient_boosting", "not built in and no path"),
    ({"candidates": []}, "at least 1", "nothing to train"),
    ({"decision_threshold": 1.5}, "less than 1", "a probability"),
    ({"task": "regression", "decision_threshold": 0.5}, "decision_threshold is for binary", "nothing to decide"),
    ({"training": {}}, "training.until is missing", "with time, training has an end"),
    ({"training": {"until": "2020-01-01", "window": "36 moons"}}, "a count and a unit", "not a length of time"),
    ({"training": {"until": "2020-01-01", "window": "0 days"}}, "greater than 0", "no time at all"),
    ({"training": {"until": "2020-01-01", "holdout": 0.9}}, "less than 0.6", "nothing left to fit"),
    ({"event_time": ..., "training": {"until": "2020-01-01"}, "monitoring": {}}, "need event_time", "no time to end at"),
    ({"event_time": ..., "training": {}, "monitoring": {"start": "2020-01-01"}}, "monitoring.start needs event_time", "no windows without time"),
    ({"monitoring": {"cadence": "hour"}}, "'day', 'week', 'month', 'quarter' or 'year'", "no such window"),
    ({"card": {"risks": [{"risk": "Too optimistic"}]}}, "mitigation\n  Field required", "a risk without an answer"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message", "why"), WRONG, ids=[w for _, _, w in WRONG])
def test_a_wrong_declaration_says_what_is_wrong(changes, message, why):
    with pytest.raises(ValidationError) as refused:
        declared(**changes)
    assert re.search(message, str(refused.value)), why


@pytest.mark.parametrize(
    ("short", "long", "why"),
    [
        ({"target": "default"}, {"target": {"column": "default"}}, "target: column"),
        ({"event_time": "approved"}, {"event_time": {"column": "approved"}}, "event time: column"),
        ({"features": {"a": "numeric"}}, {"features": {"a": {"role": "numeric"}}}, "feature: role"),
        ({"protected": ["sex"]}, {"protected": [{"column": "sex"}]}, "protected: column"),
        ({"slices": ["a"]}, {"slices": [{"column": "a"}]}, "slice: column"),
        ({"candidates": ["linear"]}, {"candidates": [{"algorithm": "linear"}]}, "candidate: algorithm"),
        (
            {"training": {"until": "2020-01-01", "window": "1 year"}},
            {"training": {"until": "2020-01-01", "window": {"count": 1, "unit": "year"}}},
            "a length of time",
        ),
    ],
)
def test_short_forms_mean_the_long_ones(short, long, why):
    assert declared(**short).digest == declared(**long).digest, why


class TestDigest:
    def test_survives_being_written_and_read_again(self):
        assert declared().digest == Declaration.model_validate_json(declared().model_dump_json()).digest
        assert re.fullmatch("[0-9a-f]{64}", declared().digest)

    def test_order_of_fields_does_not_matter(self):
        assert Declaration.model_validate(dict(reversed(GOOD.items()))).digest == declared().digest

    @pytest.mark.parametrize(
        "changes",
        [
            {"purpose": "Probability that a loan is paid back."},
            {"tier": "low"},
            {"features": {"employees": "numeric", "state": "categorical", "sector": "categorical"}},
            {"training": {"until": "2020-01-01", "window": "36 months", "seed": 1}},
            {"policy": {"validity_days": 1}},
        ],
        ids=lambda c: next(iter(c)),
    )
    def test_anything_declared_changes_it(self, changes):
        assert declared(**changes).digest != declared().digest


def test_columns_are_named_once_in_a_fixed_order():
    found = declared(protected=["state", "sex"], slices=["sex", "sector"]).columns
    assert found == ("loan_id", "approved", "default", "employees", "state", "sex", "sector")


def test_features_by_role():
    assert declared().features_of(Role.NUMERIC) == ("employees",)


@pytest.mark.parametrize(
    ("source", "key", "why"),
    [
        ({"path": "data/retail/loans.parquet"}, ("source", "data", "retail", "loans"), "the whole path, not the stem"),
        (
            {"path": "./data//retail/loans.parquet"},
            ("source", "data", "retail", "loans"),
            "the same path, spelt otherwise",
        ),
        ({"path": "x", "asset": "warehouse/loans"}, ("warehouse", "loans"), "another asset's own key"),
    ],
)
def test_models_that_read_one_table_share_its_key(source, key, why):
    assert Source.model_validate(source).key == key, why


def test_different_paths_have_different_valid_keys():
    paths = [
        "data/loans.parquet",
        "data/loans.csv",
        "data/loans",
        "data/*.parquet",
        "data/x/*.parquet",
        "/data/loans.parquet",
    ]
    paths += [
        "s3://bank/loans.parquet",
        "s3://bank/loans/",
        "data/lo ans.parquet",
        "data/lo_ans.parquet",
        "../data/loans.parquet",
    ]
    keys = [Source(path=path).key for path in paths]
    assert len(set(keys)) == len(paths)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", part) for key in keys for part in key)


def test_queries_differ_by_text():
    keys = {Source(sql=f"select {i}", connection="MLOPS_SOURCE_X").key for i in (1, 2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "text", ["201 years", "999999999 days", "9" * 5000 + " days", "१ year", "0 days", "1 year\nmore"]
)
def test_a_period_that_leaves_the_calendar_is_refused(text: str):
    with pytest.raises(ValueError, match=r"expected|greater than 0"):
        TypeAdapter(PeriodText).validate_python(text)
