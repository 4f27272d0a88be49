"""Which notice goes where, and when."""

from datetime import UTC, datetime

import pytest

from mlops_assets.notification.notice import Notice
from mlops_assets.notification.routes import Settings, read_settings
from mlops_assets.policy.reading import PolicyError

TOLD = ("incident_opened", "promotion")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MAIL = {"mail": {"apprise": "MLOPS_NOTIFY_MAIL"}}


def notice(kind="incident_opened", severity="act", incident="data_quality", **others):
    facts = {"model": "m", "tier": "high", "owner": "team:cards", "roles": ("validator",), **others}
    return Notice(
        "1", kind, facts.pop("model"), severity, "text", "2026-01-05T12:00:00Z", {"incident": incident}, **facts
    )


def ways(route, one=None, now=NOON, **others):
    settings = Settings.model_validate({"channels": MAIL, "routes": [{"to": ["mail"], **route}], **others})
    return settings.ways(one or notice(), TOLD, now).get("mail")


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        ({}, True),
        ({"kinds": ["data_quality"]}, True),
        ({"kinds": ["concept_drift"]}, False),
        ({"severity": "act"}, True),
        ({"severity": "critical"}, False),
        ({"below": "act"}, False),
        ({"below": "critical"}, True),
        ({"tiers": ["high"], "owners": ["team:cards"], "models": ["m"], "roles": ["validator", "other"]}, True),
        ({"tiers": ["low"]}, False),
        ({"owners": ["team:loans"]}, False),
        ({"models": ["n"]}, False),
        ({"roles": ["model-risk"]}, False),
        ({"records": ["promotion"]}, False),
        ({"records": ["incident_opened"]}, True),
        ({"records": "all"}, True),
    ],
)
def test_a_notice_is_taken_that_meets_every_condition(route, taken):
    assert (ways(route) is not None) is taken


def test_a_record_that_nobody_is_told_of_goes_where_it_is_asked_for():
    snapshot = notice(kind="snapshot_taken")
    assert ways({}, snapshot) is None
    assert ways({"records": ["snapshot_taken"]}, snapshot) == NOON
    settings = Settings.model_validate({"channels": MAIL, "routes": [{"to": ["mail"], "records": ["snapshot_taken"]}]})
    assert settings.kinds(TOLD) == (*TOLD, "snapshot_taken")
    every = Settings.model_validate({"channels": MAIL, "routes": [{"to": ["mail"], "records": "all"}]})
    assert every.kinds(TOLD) is None


@pytest.mark.parametrize(
    ("route", "now", "due"),
    [
        ({"digest": "08:00"}, "2026-01-05T12:00", "2026-01-06T08:00"),
        ({"digest": "18:00"}, "2026-01-05T12:00", "2026-01-05T18:00"),
        ({"quiet": {"from": "19:00", "until": "07:00"}}, "2026-01-05T23:00", "2026-01-06T07:00"),
        ({"quiet": {"from": "19:00", "until": "07:00"}}, "2026-01-05T06:59", "2026-01-05T07:00"),
        ({"quiet": {"from": "19:00", "until": "07:00"}}, "2026-01-05T07:00", "2026-01-05T07:00"),
        ({"quiet": {"from": "12:00", "until": "13:00"}}, "2026-01-05T12:30", "2026-01-05T13:00"),
        ({"quiet": {"from": "12:00", "until": "13:00"}}, "2026-01-05T13:30", "2026-01-05T13:30"),
        ({"quiet": {"from": "12:00", "until": "13:00", "except": "act"}}, "2026-01-05T12:30", "2026-01-05T12:30"),
    ],
)
def test_a_notice_is_due_when_the_route_says(route, now, due):
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert ways(route, now=at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_times_of_day_are_those_of_the_zone():
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert ways({"digest": "08:00"}, now=summer, time_zone="Europe/London") == datetime(2026, 7, 2, 7, tzinfo=UTC)


def test_the_earliest_of_several_routes_counts():
    routes = [{"to": ["mail"], "digest": "08:00"}, {"to": ["mail"], "severity": "act"}]
    settings = Settings.model_validate({"channels": MAIL, "routes": routes})
    assert settings.ways(notice(), TOLD, NOON) == {"mail": NOON}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "channels: {mail: {apprise: 'mailto://me:secret@bank.example'}}",
            "expected the name of a variable that begins with",
        ),
        (
            "channels: {mail: {apprise: MLOPS_LEDGER_URL}}",
            "expected the name of a variable that begins with MLOPS_NOTIFY_",
        ),
        ("channels: {hook: {webhook: 'https://me:secret@bank.example'}}", "found a name or a password in the address"),
        ("channels: {hook: {webhook: 'file:///etc/passwd'}}", "begins with https:// or http://"),
        ("channels: {hook: {}}", "expected one of apprise, webhook and notifier"),
        ("channels: {mail: {apprise: MLOPS_NOTIFY_MAIL, template: x}}", "are for a webhook"),
        ("channels: {mail: {apprise: MLOPS_NOTIFY_MAIL}}", "no route leads to the channel 'mail'"),
        ("routes: [{to: [mail]}]", "routes name the channel 'mail'"),
        (
            "channels: {m: {notifier: log}}\nroutes: [{to: [m], records: [incidents]}]",
            "found the record kind 'incidents'",
        ),
        ("channels: {m: {notifier: log}}\nroutes: [{to: [m], digest: 8}]", "digest"),
        ("channels: {m: {notifier: log}}\nroutes: [{to: [m], digest: '24:00'}]", "expected a time of day"),
        (
            "channels: {m: {notifier: log}}\nroutes: [{to: [m], digest: '08:00', unacknowledged_hours: 4}]",
            "two times for one notice",
        ),
        ("time_zone: Moon/Base", "expected a time zone"),
        ("route: []", "route"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, said):
    (tmp_path / "notification.yaml").write_text(text)
    with pytest.raises(PolicyError, match=said) as error:
        read_settings(tmp_path)
    assert "notification.yaml" in str(error.value)
    assert "secret" not in str(error.value).replace("secret, template", ""), "a password in the file is not repeated"


def test_no_file_is_no_mistake(tmp_path):
    assert read_settings(tmp_path) == Settings()
