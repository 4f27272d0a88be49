"""People are told of what is new, with tier, owner and what to do next, and of a version that waits for them."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from mlops_assets.declaration.terms import Tier
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.notification.notice import SIGNATURE
from mlops_assets.notification.notifiers import NOTICES
from mlops_assets.pipeline.notices import ASKING, send, send_damage
from mlops_assets.response.incident_acts import acknowledge
from mlops_assets.response.incidents import incidents, open_incident
from mlops_assets_tests.evidence.life import MODEL, POLICY, Clock, Life, at
from mlops_assets_tests.evidence.test_version_status import measured
from mlops_assets_tests.notification.servers import endpoint


@pytest.fixture
def bank(tmp_path):
    clock = Clock(at("2026-01-05"))
    life = Life(Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock), clock, declaration={"name": MODEL})
    life.enrol("2026-01-05")
    declared = SimpleNamespace(tier=Tier.HIGH, owner="team:cards", runbook=None)
    project = SimpleNamespace(root=tmp_path, config=tmp_path, declarations={MODEL: declared})
    platform = SimpleNamespace(
        ledger=life.ledger, project=project, home=SimpleNamespace(root=tmp_path / "home"), policy=lambda model: POLICY
    )

    def told(since=0):
        count, _ = send(platform, since)
        path = tmp_path / "home" / NOTICES
        return count, [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    return SimpleNamespace(life=life, platform=platform, told=told, folder=tmp_path)


def test_an_incident_comes_with_what_the_receiver_needs(bank):
    found = open_incident(bank.life.ledger, MODEL, kind="data_quality", severity="act", summary="income is gone")
    _, notices = bank.told()
    assert [(n["kind"], n["tier"], n["owner"]) for n in notices] == [("incident_opened", "high", "team:cards")]
    assert notices[0]["action"] == f"mlops incident ack {found.id} --key KEY.pem"
    assert notices[0]["roles"] == list(POLICY.incidents.close_roles)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_an_incident_that_nobody_looks_at_is_told_of_later(bank, acknowledged):
    (bank.folder / "notification.yaml").write_text(
        "channels: {duty: {notifier: file}}\nroutes: [{to: [duty], unacknowledged_hours: 4}]"
    )
    found = open_incident(bank.life.ledger, MODEL, kind="data_quality", severity="act", summary="income is gone")
    assert bank.told() == (1, [])
    if acknowledged:
        acknowledge(bank.life.ledger, bank.life.keys["validator"], found.id)
    bank.life.clock.at += timedelta(hours=4)
    _, notices = bank.told(bank.life.ledger.latest("incident_opened").seq)
    told = "Nobody has acknowledged this incident. income is gone"
    assert [n["text"] for n in notices] == ([] if acknowledged else [told])


def test_a_version_that_waits_for_signatures_is_told_of_once_for_what_it_lacks(bank):
    measured(bank.life, "1")
    for _ in range(2):
        _, notices = bank.told()
    assert [(n["kind"], n["roles"]) for n in notices] == [(SIGNATURE, ["validator", "model-risk"])]
    assert notices[0]["text"] == "Version 1 is waiting for approval. Signatures missing: validator, model-risk."
    assert notices[0]["action"].startswith("mlops approve")
    since = bank.life.ledger.latest(ASKING).seq
    bank.life.approve("validator", "1")
    _, notices = bank.told(since)
    assert notices[-1]["roles"] == ["model-risk"]


def test_a_version_that_waits_for_nobody_is_no_notice(bank):
    measured(bank.life, "1", failed=POLICY.gates.required[0])
    assert bank.told() == (0, [])


def test_a_file_that_cannot_be_read_is_an_incident_and_keeps_nobody_from_being_told(bank):
    (bank.folder / "notification.yaml").write_text("routes: nothing")
    open_incident(bank.life.ledger, MODEL, kind="data_quality", severity="act", summary="income is gone")
    bank.told()
    _, notices = bank.told()
    assert [n["text"] for n in notices if n["model"] == MODEL] == ["income is gone"]
    found = [i for i in incidents(bank.life.ledger.state(), None) if i.kind == "notification_unreadable"]
    assert len(found) == 1
    assert "notification.yaml" in found[0].summary


def test_a_ledger_that_does_not_hold_is_told_of_once_a_day(bank):
    for _ in range(2):
        send_damage(bank.platform, "record 5 was changed")
    lines = (bank.folder / "home" / NOTICES).read_text().splitlines()
    assert [json.loads(line)["severity"] for line in lines] == ["critical"]


@pytest.mark.parametrize(
    ("answer", "field", "tickets"),
    [
        (b'{"id": "10", "key": "RISK-7"}', "key", ("RISK-7",)),
        (b'{"result": {"number": 12}}', "result.number", ("12",)),
        (b'{"id": "10"}', "key", ()),
        (b"accepted", "key", ()),
        (b'{"key": "two\\nlines"}', "key", ()),
    ],
    ids=["a field", "a path", "no such field", "no JSON", "no reference of one line"],
)
def test_the_ticket_that_a_tracker_opened_is_noted_on_the_incident(bank, answer, field, tickets):
    (bank.folder / "issue.json.j2").write_text('{"summary": {{ title | tojson }}}')
    found = open_incident(bank.life.ledger, MODEL, kind="data_quality", severity="act", summary="income is gone")
    with endpoint() as tracker:
        tracker.answer, tracker.status = answer, 201
        (bank.folder / "notification.yaml").write_text(
            f"channels: {{tracker: {{webhook: '{tracker.url}', template: issue.json.j2, ticket: {field}}}}}\n"
            "routes: [{to: [tracker], records: [incident_opened]}]"
        )
        bank.told()
        assert len(tracker.posts) == 1
        bank.told()
        assert len(tracker.posts) == 1, "a notice is posted once"
    assert incidents(bank.life.ledger.state(), MODEL)[0].tickets == tickets
    assert found.tickets == ()
