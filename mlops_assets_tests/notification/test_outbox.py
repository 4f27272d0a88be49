"""What waits is sent once, later, together or again, as the outbox says."""

import stat
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.notification.notice import Notice
from mlops_assets.notification.outbox import OUTBOX, Outbox

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def notice(key="1", text="income is gone", **others):
    return Notice(key, "incident_opened", "m", "act", text, "2026-01-01T12:00:00Z", **others)


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path)


def test_a_notice_comes_back_as_it_was_added(outbox):
    whole = notice(
        details={"columns": ["income"]}, tier="high", owner="team:cards", roles=("validator",), action="mlops verify"
    )
    outbox.add(whole, {"mail": NOW}, NOW)
    assert [one.notice for one in outbox.due(NOW)] == [whole]
    assert stat.S_IMODE((outbox.path.parent / OUTBOX).stat().st_mode) == 0o600


def test_a_notice_is_there_once_for_a_channel_whatever_became_of_it(outbox):
    for _ in range(2):
        outbox.add(notice(), {"mail": NOW, "pager": NOW}, NOW)
    assert [one.channel for one in outbox.due(NOW)] == ["mail", "pager"]
    outbox.mark_sent(outbox.due(NOW)[:1], NOW)
    outbox.add(notice(), {"mail": NOW}, NOW)
    assert [one.channel for one in outbox.due(NOW)] == ["pager"]


def test_what_is_due_later_goes_out_with_others(outbox):
    outbox.add(notice("1"), {"mail": NOW}, NOW)
    outbox.add(notice("2", "another"), {"mail": NOW + HOUR}, NOW)
    assert [(one.notice.key, one.together) for one in outbox.due(NOW)] == [("1", False)]
    assert outbox.count_due(NOW) == 1
    assert [(one.notice.key, one.together) for one in outbox.due(NOW + HOUR)] == [("1", False), ("2", True)]


def test_the_same_again_waits(outbox):
    outbox.add(notice("1"), {"mail": NOW}, NOW, HOUR)
    outbox.mark_sent(outbox.due(NOW), NOW)
    outbox.add(notice("2"), {"mail": NOW + MINUTE}, NOW + MINUTE, HOUR)
    outbox.add(notice("3", "another"), {"mail": NOW + MINUTE}, NOW + MINUTE, HOUR)
    assert [one.notice.key for one in outbox.due(NOW + MINUTE)] == ["3"]
    assert [(one.notice.key, one.together) for one in outbox.due(NOW + HOUR)] == [("2", True), ("3", False)]


def test_waits_grow_to_an_hour_until_it_is_given_up(outbox):
    outbox.add(notice(), {"mail": NOW}, NOW)
    moment, waits = NOW, []
    while held := outbox.due(moment):
        given_up = outbox.mark_failed(held, "no way out", moment, timedelta(hours=3))
        if given_up:
            break
        after = datetime.fromisoformat(outbox.waiting()[0].due)
        waits.append(int((after - moment).total_seconds() // 60))
        moment = after
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [(one.attempts, one.reason) for one in outbox.undelivered()] == [(9, "no way out")]
    assert outbox.waiting() == []
    assert outbox.send_again(moment) == 1
    assert [(one.attempts, one.added) for one in outbox.due(moment)] == [(0, outbox.due(moment)[0].due)]


def test_what_failed_less_often_comes_first(outbox):
    outbox.add(notice("1"), {"mail": NOW}, NOW)
    outbox.mark_failed(outbox.due(NOW), "no way out", NOW, 72 * HOUR)
    outbox.add(notice("2", "another"), {"mail": NOW + HOUR}, NOW + HOUR)
    assert [one.notice.key for one in outbox.due(NOW + HOUR)] == ["2", "1"]


def test_an_empty_home_has_no_file(outbox):
    assert (outbox.due(NOW), outbox.count_due(NOW), outbox.undelivered(), outbox.send_again(NOW)) == ([], 0, [], 0)
    assert not outbox.path.exists()
