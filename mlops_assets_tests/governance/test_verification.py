from datetime import timedelta

import pytest

from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.findings import record_finding
from mlops_assets.governance.verification import not_counted, verify_all
from mlops_assets.ledger.anchors import sign_head
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.keys import KeyRefused, SigningKey, key_id_of
from mlops_assets.ledger.ledger import ClockWentBack, Ledger, LedgerTampered
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import note, raw
from mlops_assets_tests.ledger.test_ledger import attack, put_in

POLICY = policy()


@pytest.fixture
def busy(world):
    world.register()
    world.decide(POLICY)
    world.approve(POLICY, "validator", "risk")
    later = world.clock.now + timedelta(days=20)
    sign_exception(world.ledger, world.keys["risk"], POLICY, MODEL, "fairness", "pilot", later)
    record_finding(world.ledger, world.keys["second"], MODEL, "low", "thin slice", "developer", later)
    return world


def test_a_ledger_of_genuine_records_is_whole(busy):
    assert verify_all(busy.ledger, busy.keys["root"].public) == []


def test_with_another_root_nobody_counts(busy):
    assert verify_all(busy.ledger, SigningKey.generate().public) != []


@pytest.mark.parametrize("kind", ["approval", "exception_granted", "rollback", "finding_closed"])
def test_an_unsigned_record_of_a_kind_that_needs_a_signature_is_named(busy, kind):
    record = busy.ledger.append(raw(kind, {"person": "risk"}), model=MODEL, subject="1")
    found = not_counted(busy.ledger.state())
    assert [problem.seq for problem in found] == [record.seq]
    assert f"record {record.seq} ({kind} {MODEL} 1) counts for nothing" in found[0].message


def test_a_summary_that_differs_from_what_was_signed_is_named(busy):
    signed = busy.ledger.latest("exception_granted")
    busy.ledger.append(raw("exception_granted", {**signed.body, "reason": "because"}), model=MODEL, subject="fairness")
    assert "the record differs from what was signed in: reason" in not_counted(busy.ledger.state())[0].message


def test_a_forged_enrolment_is_named(busy):
    key = SigningKey.generate()
    old = busy.ledger.latest("person_enrolled", subject="risk")
    busy.ledger.append(raw("person_enrolled", {**old.body, "public_key": key.public.pem}), subject="risk")
    assert [problem.code for problem in not_counted(busy.ledger.state())] == ["enrolment"]


def test_an_edited_record_is_named_not_raised(busy):
    attack(busy.ledger, "UPDATE ledger_records SET body = '{}' WHERE seq = 4")
    assert verify_all(busy.ledger)[0].message.startswith("record 4")


def test_a_rotated_head_key_is_known_by_its_enrolment(busy):
    new = SigningKey.generate()
    enrol(busy.ledger, busy.keys["root"], "ledger", new.public, ["ledger"])
    reader = Ledger(str(busy.ledger.database.url), new, busy.ledger.anchor_path, clock=busy.clock)
    reader.append(note())
    assert verify_all(busy.ledger) == []
    assert [problem.code for problem in busy.ledger.verify()] == ["head_signature", "anchor_signature"]


def test_a_head_key_that_no_root_enrolled_is_refused_and_named(busy):
    """The machine's own head key is believed by the machine; the root's enrolment of it is not in its hands."""
    enrol(busy.ledger, busy.keys["root"], "ledger", busy.ledger.head_key.public, ["ledger"])
    assert verify_all(busy.ledger) == []
    imposter = SigningKey.generate()
    thief = Ledger(str(busy.ledger.database.url), imposter, clock=busy.clock)
    with pytest.raises(LedgerTampered, match="not one that a root enrolled"):
        thief.append(note())
    slip_in(busy.ledger, imposter)
    assert [problem.code for problem in verify_all(thief)] == ["head_key"]
    with pytest.raises(LedgerTampered, match="which no root enrolled"):
        busy.ledger.append(note())


def test_a_machine_that_lost_its_key_enrols_a_new_one_and_goes_on(busy):
    enrol(busy.ledger, busy.keys["root"], "ledger", busy.ledger.head_key.public, ["ledger"])
    new = SigningKey.generate()
    ledger = Ledger(str(busy.ledger.database.url), new, busy.ledger.anchor_path, clock=busy.clock)
    with pytest.raises(LedgerTampered, match="mlops people enrol NAME"):
        enrol(ledger, busy.keys["root"], "friend", SigningKey.generate().public, ["validator"])
    enrol(ledger, busy.keys["root"], "ledger", new.public, ["ledger"])
    ledger.append(note())
    assert verify_all(ledger) == []


@pytest.mark.parametrize("ending", ["revoked", "replaced"])
def test_a_stolen_head_key_seals_nothing_more_once_it_has_ended(busy, ending):
    """Its old heads stand, and whoever has both the key and the database cannot go on with it."""
    stolen, new = busy.ledger.head_key, SigningKey.generate()
    enrol(busy.ledger, busy.keys["root"], "ledger", stolen.public, ["ledger"])
    if ending == "revoked":
        revoke(busy.ledger, busy.keys["root"], "ledger", "stolen")
        with pytest.raises(LedgerTampered, match="counts no longer"):
            busy.ledger.append(note())
    rightful = Ledger(str(busy.ledger.database.url), new, busy.ledger.anchor_path, clock=busy.clock)
    enrol(rightful, busy.keys["root"], "ledger", new.public, ["ledger"])
    rightful.append(note())
    assert verify_all(rightful) == []
    slip_in(busy.ledger, stolen)
    assert [problem.code for problem in verify_all(rightful)] == ["head_key"]
    with pytest.raises(LedgerTampered, match="had ended before"):
        rightful.append(note())


def slip_in(ledger: Ledger, key: SigningKey) -> None:
    """A record with the right chain, and its head signed with any key: what the database lets its writer do."""
    Ledger(str(ledger.database.url), clock=ledger.clock).append(note(13))
    last = ledger.records()[-1]
    put_in(ledger, sign_head(key, last.seq, last.digest))


def test_with_a_root_known_from_outside_an_unenrolled_head_key_is_named(busy):
    ledger = busy.ledger
    ledger.root = busy.keys["root"].public.key_id
    assert [problem.code for problem in verify_all(ledger)] == ["head_key"]
    enrol(ledger, busy.keys["root"], "ledger", ledger.head_key.public, ["ledger"])
    assert verify_all(ledger) == []


def test_a_root_known_from_outside_holds_wherever_people_are_read(busy):
    url = str(busy.ledger.database.url)
    known = Ledger(url, busy.ledger.head_key, busy.ledger.anchor_path, root=SigningKey.generate().public.key_id)
    assert known.people().periods == ()
    with pytest.raises(ValueError, match="expected the root key"):
        enrol(known, busy.keys["root"], "friend", SigningKey.generate().public, ["validator"])


def test_a_root_is_named_by_its_file_or_its_id(tmp_path):
    key = SigningKey.generate()
    key.save(tmp_path / "root.pem")
    assert key_id_of(str(tmp_path / "root.pub.pem")) == key_id_of(key.public.key_id) == key.public.key_id
    with pytest.raises(KeyRefused, match="expected a key id"):
        key_id_of("no such file")


def test_a_record_from_the_future_is_named_and_what_stands_in_its_way_says_so(busy):
    """Written once with a clock that was ahead, it keeps every other machine from writing until then."""
    busy.clock.pass_days(400)
    last = busy.ledger.append(note())
    busy.clock.pass_days(-400)
    assert [problem.code for problem in verify_all(busy.ledger)] == ["clock_ahead"]
    with pytest.raises(ClockWentBack, match=f"record {last.seq} was written by a machine whose clock is ahead"):
        busy.ledger.append(note())
