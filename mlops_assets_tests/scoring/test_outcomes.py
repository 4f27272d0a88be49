import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence
from mlops_assets.scoring.outcomes import join_outcomes

ONE_YEAR = Period(count=1, unit=Cadence.YEAR)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PREDICTIONS = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "event_time": [date(2020, 1, 1), date(2020, 2, 1), date(2020, 3, 1), date(2021, 6, 1)],
        "score": [0.1, 0.2, 0.3, 0.4],
    }
)


def recordings(*rows):
    return pl.DataFrame(
        [{"id": i, "outcome": o, "recorded_at": at(r) if r else None} for i, o, r in rows],
        schema={"id": pl.String, "outcome": pl.Int64, "recorded_at": pl.Datetime("us", "UTC")},
    )


def join(*rows, known_at="2021-06-30", matures_after: Period | None = ONE_YEAR):
    return join_outcomes(PREDICTIONS, recordings(*rows), matures_after=matures_after, known_at=at(known_at))


@pytest.mark.parametrize(
    ("rows", "matured", "counts", "reason"),
    [
        ([("a", 1, "2020-12-01")], {"a": 1}, {"late": 0, "missing": 2}, "in time"),
        ([("a", 1, "2021-03-01")], {"a": 1}, {"late": 1}, "late"),
        ([("d", 1, "2021-06-20")], {}, {"early": 1, "missing": 3, "not_due": 1}, "early: it waits"),
        (
            [("a", 1, "2020-12-01"), ("a", 1, "2021-02-01")],
            {"a": 1},
            {"repeated": 1, "corrected": 0, "late": 0},
            "repeated",
        ),
        ([("a", 1, "2020-12-01"), ("a", 0, "2021-02-01")], {"a": 0}, {"corrected": 1, "late": 1}, "corrected"),
        ([("a", 0, "2021-02-01"), ("a", 1, "2020-12-01")], {"a": 0}, {"corrected": 1}, "given in another order"),
        (
            [("a", 1, "2020-10-01"), ("a", 0, "2020-11-01"), ("a", 1, "2020-12-01"), ("a", 1, "2020-12-05")],
            {"a": 1},
            {"corrected": 1, "repeated": 1},
            "corrected back",
        ),
        ([("x", 1, "2020-12-01")], {}, {"unknown": 1, "missing": 3}, "unknown id"),
        ([("a", None, "2020-12-01"), (None, 1, "2020-12-01"), ("b", 1, None)], {}, {"empty": 3}, "nothing in it"),
        ([("a", 1, "2021-07-01")], {}, {"future": 1, "missing": 3}, "not known yet at that instant"),
        ([], {}, {"recordings": 0, "missing": 3, "due": 3, "predictions": 4}, "no outcome at all"),
    ],
)
def test_each_way_of_being_untidy(rows, matured, counts, reason):
    found = join(*rows)
    assert dict(found.rows.select("id", "outcome").iter_rows()) == matured, reason
    summary = found.summary.to_dict()
    assert {name: summary[name] for name in counts} == counts, reason
    json.dumps(summary)


def test_partial_share():
    found = join(("a", 1, "2020-12-01"), ("b", 0, "2020-12-01"))
    assert found.summary.matured_share == pytest.approx(2 / 3)
    assert found.waiting["id"].to_list() == ["c"]
    assert join(known_at="2020-01-02").summary.matured_share == 0


def test_history_keeps_what_was_superseded():
    found = join(("a", 1, "2020-10-01"), ("a", 0, "2020-11-01"), ("x", 1, "2020-11-01"))
    statuses = dict(zip(found.history["outcome"], found.history["status"], strict=True))
    assert found.history["status"].to_list() == ["superseded", "counts", "unknown"]
    assert statuses
    assert found.rows["corrections"].to_list() == [1]


def test_the_past_can_be_asked_again():
    rows = (("a", 1, "2020-10-01"), ("a", 0, "2021-05-01"))
    assert join(*rows, known_at="2021-04-01").rows["outcome"].to_list() == [1]
    assert join(*rows, known_at="2021-06-01").rows["outcome"].to_list() == [0]


def test_without_delay_everything_is_due_when_it_happened():
    found = join(("d", 1, "2021-06-20"), matures_after=None)
    assert (found.summary.due, found.rows["id"].to_list()) == (4, ["d"])


def test_months_are_calendar_months():
    found = join_outcomes(
        pl.DataFrame({"id": [1], "event_time": [at("2020-01-31T12:00:00").replace(tzinfo=None)]}),
        pl.DataFrame({"id": [1], "outcome": ["x"], "recorded_at": [date(2020, 2, 1)]}),
        matures_after=Period(count=1, unit=Cadence.MONTH),
        known_at=at("2020-02-29T12:00:00"),
    )
    assert found.rows["due_at"].to_list() == [at("2020-02-29T12:00:00")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": PREDICTIONS.drop("event_time")}, "predictions without event_time"),
        ({"predictions": pl.concat([PREDICTIONS, PREDICTIONS])}, "share an id"),
        ({"outcomes": pl.DataFrame({"id": ["a"]})}, "outcomes without outcome, recorded_at"),
        ({"known_at": at("2021-01-01").replace(tzinfo=None)}, "without a time zone"),
        ({"predictions": PREDICTIONS.with_columns(event_time=pl.lit("2020"))}, "expected dates or timestamps"),
    ],
)
def test_refusals(change, message):
    given_ = {"predictions": PREDICTIONS, "outcomes": recordings(), "known_at": at("2021-01-01"), **change}
    with pytest.raises(ValueError, match=message):
        join_outcomes(given_["predictions"], given_["outcomes"], matures_after=None, known_at=given_["known_at"])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d", "x", None]),
            st.sampled_from([0, 1, None]),
            st.sampled_from(["2020-05-01", "2020-12-01", "2021-05-01", "2022-01-01"]),
        ),
        max_size=12,
    )
)
def test_nothing_is_lost_and_the_last_word_counts(rows):
    found = join(*rows)
    s = found.summary
    assert s.matured + s.missing == s.due
    assert s.due + s.not_due == s.predictions
    assert s.recordings + s.future == len(rows)
    known = sorted((r for r in rows if r[2] <= "2021-06-30" and r[0] is not None), key=lambda r: r[2])
    # A later recording without a value takes the outcome back.
    last = {i: o for i, o, _ in known if o is not None or i in "abcd"}
    last = {i: o for i, o in last.items() if o is not None}
    assert dict(found.rows.select("id", "outcome").iter_rows()) == {i: o for i, o in last.items() if i in "abc"}
