"""Notices arrive at a real mail server and a real HTTP endpoint: once, together, again after a failure, or nowhere."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.extensions import Notifier
from mlops_assets.notification.channels import unusable_channels
from mlops_assets.notification.delivery import Post
from mlops_assets.notification.notice import Notice
from mlops_assets.notification.notifiers import NOTICES
from mlops_assets.notification.outbox import Outbox
from mlops_assets.notification.routes import Settings
from mlops_assets.registration import registered
from mlops_assets_tests.notification.servers import endpoint, mail_server

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TOLD = ("incident_opened",)
MAIL = {"mail": {"apprise": "MLOPS_NOTIFY_MAIL"}}
PAGES = {"pages": "https://models.bank.example/reports/", "runbooks": "https://models.bank.example/runbooks"}
ACTION = "mlops incident ack m-1 --key KEY.pem"


def notice(key="1:abc", text="income is gone", severity="act"):
    details = {"incident": "data_quality", "record": 7, "window": "2025-12-01", "columns": ["income"]}
    return Notice(
        key, "incident_opened", "m", severity, text, "2026-01-05T11:59:30Z", details, "high", "team:cards",
        ("validator", "model-risk"), ACTION,
    )  # fmt: skip


@pytest.fixture
def post(tmp_path):
    def of(channels, *routes, **others):
        all_to_each = [{"to": list(channels)}] if channels else []
        found = {"channels": channels, "routes": list(routes) or all_to_each, **others}
        return Post(tmp_path / "home", tmp_path, Settings.model_validate(found), TOLD)

    return of


@pytest.fixture(scope="module")
def mail():
    with mail_server() as found:
        yield found


@pytest.fixture
def mailbox(mail, monkeypatch):
    mailbox, url = mail
    mailbox.messages, mailbox.open = [], True
    monkeypatch.setenv("MLOPS_NOTIFY_MAIL", url)
    return mailbox


@pytest.fixture
def hook():
    with endpoint() as found:
        yield found


def test_a_message_says_what_happened_since_when_on_what_evidence_and_what_to_do(post, mailbox):
    sent = post(MAIL, **PAGES).send([notice()], NOW)
    assert (sent.failed, mailbox.subjects) == ((), ["m: data quality (act)"])
    text = mailbox.texts[0]
    for said in (
        "What happened: income is gone",
        "Model: m (high tier, owner team:cards)",
        "Since: the window of 2025-12-01, recorded 2026-01-05 11:59 UTC",
        "Columns: income",
        "Evidence: record 7 of the ledger (incident_opened)",
        "To act: validator, model-risk",
        f"Next: {ACTION}",
        "https://models.bank.example/reports/models/m.html",
        "https://models.bank.example/runbooks/data_quality",
        "Notice: 1:abc",
    ):
        assert said in text


def test_what_data_carry_is_text_in_a_message(post, mailbox):
    hostile = "<img src=x onerror=alert(1)> \x1b[31m\u202e [click](https://evil.example)"
    post(MAIL).send([notice(text=hostile)], NOW)
    html = [part.get_content() for part in mailbox.messages[0].walk() if part.get_content_type() == "text/html"]
    assert all("<img" not in found for found in html)
    assert "\x1b" not in "".join([*html, *mailbox.texts])
    assert "\u202e" not in "".join([*html, *mailbox.texts])


def test_every_notice_is_sent_once_to_each_channel(post, mailbox, tmp_path):
    mine = post(MAIL)
    assert mine.send([notice()], NOW).sent == 3, "mail, log and file"
    assert mine.send([notice()], NOW + 2 * HOUR).sent == 0
    assert len(mailbox.messages) == 1
    assert len((tmp_path / "home" / NOTICES).read_text().splitlines()) == 1


def test_the_quiet_hours_and_the_digest_end_in_one_message(post, mailbox):
    mine = post(MAIL, {"to": ["mail"], "digest": "18:00"})
    for number, text in enumerate(["income is gone", "income is gone", "age is new"]):
        mine.send([notice(f"{number}:x", text)], NOW)
    assert mailbox.messages == []
    mine.send([], datetime(2026, 1, 5, 18, tzinfo=UTC))
    assert mailbox.subjects == ["3 notices: m"]
    assert "m: data quality (act) (2 times, last 2026-01-05 11:59 UTC)" in mailbox.texts[0]
    assert "age is new" in mailbox.texts[0]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_an_incident_that_nobody_acknowledges_is_told_of_again(post, mailbox, acknowledged):
    mine = post(MAIL, {"to": ["mail"], "unacknowledged_hours": 4})
    mine = replace(mine, looked_at=lambda one: acknowledged)
    mine.send([notice()], NOW)
    mine.send([], NOW + 3.9 * HOUR)
    assert mailbox.messages == []
    mine.send([], NOW + 4 * HOUR)
    assert mailbox.subjects == ([] if acknowledged else ["m: data quality, not acknowledged (act)"])
    assert Outbox(mine.home).waiting() == []


def test_a_mail_server_that_is_down_gets_it_later_and_others_are_told_at_once(post, mailbox, hook):
    mine = post({**MAIL, "events": {"webhook": hook.url}})
    mailbox.open = False
    sent = mine.send([notice()], NOW)
    assert [(one.channel, one.attempts) for one in sent.failed] == [("mail", 0)]
    assert "did not take the message" in sent.failed[0].reason
    assert len(hook.posts) == 1
    mailbox.open = True
    assert mine.send([], NOW + MINUTE).waiting == {}
    assert (len(mailbox.messages), len(hook.posts)) == (1, 1)


def test_what_waits_for_a_channel_that_is_not_declared_now_is_not_lost(post, mailbox):
    mailbox.open = False
    mine, without = post(MAIL), post({})
    mine.send([notice()], NOW)
    found = without.send([], NOW + HOUR)
    assert (found.waiting, found.failed, found.given_up) == ({"mail": 1}, (), ())
    assert Outbox(mine.home).count_due(NOW + 1.5 * HOUR) == 0, "no look is needed for it"
    mailbox.open = True
    assert mine.send([], NOW + 2 * HOUR).waiting == {}
    assert len(mailbox.messages) == 1


def test_what_waits_too_long_for_such_a_channel_is_given_up(post, mailbox):
    mailbox.open = False
    mine, without = post(MAIL), post({})
    mine.send([notice()], NOW)
    found = without.send([], NOW + 73 * HOUR)
    assert [(one.channel, one.reason) for one in found.given_up] == [("mail", "no channel of this name is declared")]
    assert [one.channel for one in Outbox(mine.home).undelivered()] == ["mail"]


def test_no_secret_is_in_the_reason(post, monkeypatch):
    monkeypatch.setenv(
        "MLOPS_NOTIFY_MAIL", "mailto://someone:hunter2secret@127.0.0.1:9?to=a@bank.example&mode=insecure"
    )
    sent = post(MAIL).send([notice()], NOW)
    assert sent.failed[0].channel == "mail"
    assert "hunter2secret" not in sent.failed[0].reason


def test_a_channel_that_keeps_failing_is_reported_and_its_notices_are_given_up(post, hook):
    mine = post({"events": {"webhook": hook.url}}, give_up_after_hours=1)
    hook.status, moment, reported = 503, NOW, []
    for number in range(5):
        sent = mine.send([notice(f"{number}:x", f"column {number}")], moment)
        reported.append(list(sent.to_report))
        moment += MINUTE
    assert reported == [[], [], ["events"], ["events"], ["events"]]
    assert "answered 503: said" in sent.failed[0].reason
    given_up = mine.send([], NOW + 2 * HOUR).given_up
    assert len(given_up) == 3, "after three failures the rest of a round waits"
    hook.status = 204
    assert len(mine.send([], NOW + 3 * HOUR).waiting) == 0
    assert len(hook.posts) == 2
    outbox = Outbox(mine.home)
    assert len(outbox.undelivered()) == 3
    outbox.send_again(NOW + 3 * HOUR)
    mine.send([], NOW + 3 * HOUR)
    assert len(hook.posts) == 5


def test_an_event_is_a_cloud_event_whose_signature_the_receiver_can_check(post, hook, monkeypatch):
    monkeypatch.setenv("MLOPS_NOTIFY_SECRET", "whsec_" + base64.b64encode(b"shared").decode())
    post({"events": {"webhook": hook.url, "secret": "MLOPS_NOTIFY_SECRET"}}).send([notice()], NOW)
    headers, body = hook.posts[0]
    event = json.loads(body)
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", "1:abc", "mlops_assets.incident_opened")
    assert event["data"]["roles"] == ["validator", "model-risk"]
    assert headers["content-type"].startswith("application/cloudevents+json")
    signed = f"1:abc.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"shared", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))


def test_a_template_makes_an_issue_of_a_tracker(post, hook, monkeypatch, tmp_path):
    monkeypatch.setenv("MLOPS_NOTIFY_TOKEN", "Bearer token")
    issue = '{"fields": {"summary": {{ title | tojson }}, "description": {{ message | tojson }}, "labels": {{ notice.columns | default([]) | tojson }}}}'
    (tmp_path / "issue.json.j2").write_text(issue)
    channel = {"webhook": hook.url, "template": "issue.json.j2", "headers": {"Authorization": "MLOPS_NOTIFY_TOKEN"}}
    sent = post({"tracker": channel}).send([notice(text='a "quoted" text')], NOW)
    assert sent.failed == ()
    headers, body = hook.posts[0]
    assert headers["authorization"] == "Bearer token"
    assert json.loads(body)["fields"]["summary"] == "m: data quality (act)"
    assert 'a "quoted" text' in json.loads(body)["fields"]["description"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ('{"text": {{ notice.text }}}', "gave no JSON"),
        ("{{ notice.__class__.__mro__ }}", "access to attribute '__class__'"),
        (None, "No such file"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_failure_with_the_reason(post, hook, tmp_path, template, said):
    if template is not None:
        (tmp_path / "issue.json.j2").write_text(template)
    sent = post({"tracker": {"webhook": hook.url, "template": "issue.json.j2"}}).send([notice()], NOW)
    assert said in sent.failed[0].reason
    assert hook.posts == []


def test_a_redirect_is_not_followed(post, hook):
    hook.status = 302
    sent = post({"events": {"webhook": hook.url}}).send([notice()], NOW)
    assert "answered 302" in sent.failed[0].reason


def test_a_notifier_gets_everything_unless_a_channel_names_it(post):
    got = []
    with registered(Notifier("pager", lambda one, home: got.append(one.key))):
        post({}).send([notice("1:x"), Notice("2:x", "promotion", "m", "none", "", "")], NOW)
        assert got == ["1:x"], "what nobody is told of goes nowhere"
        named = post({"duty": {"notifier": "pager"}}, {"to": ["duty"], "severity": "critical"})
        named.send([notice("3:x"), notice("4:x", severity="critical")], NOW)
    assert got == ["1:x", "4:x"]
    assert post({"duty": {"notifier": "pager"}}).send([], NOW + HOUR).failed == ()


def test_what_a_channel_needs_is_checked_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_NOTIFY_ODD", "nothing://here")
    channels = {
        "mail": {"apprise": "MLOPS_NOTIFY_UNSET"},
        "odd": {"apprise": "MLOPS_NOTIFY_ODD"},
        "tracker": {"webhook": "https://bank.example", "template": "gone.j2", "secret": "MLOPS_NOTIFY_KEY"},
        "duty": {"notifier": "nobody"},
    }
    found = unusable_channels(
        Settings.model_validate({"channels": channels, "routes": [{"to": list(channels)}]}), tmp_path
    )
    assert [line.removeprefix("config/notification.yaml: channel ").partition(":")[0] for line in found] == [
        "mail", "odd", "tracker", "tracker", "duty",
    ]  # fmt: skip
    assert "MLOPS_NOTIFY_UNSET is not set" in found[0]
    assert "URL 1 in MLOPS_NOTIFY_ODD is none that Apprise knows" in found[1]
    assert "gone.j2" in found[2]
