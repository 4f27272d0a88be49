from datetime import timedelta

import pytest

from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets_tests.governance.world import MODEL, START, Clock
from mlops_assets_tests.ledger.raw import raw


@pytest.fixture
def bank(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/l.db", clock=Clock()), SigningKey.generate()


def test_the_first_enrolment_is_the_roots_own(bank):
    ledger, root = bank
    other = SigningKey.generate()
    with pytest.raises(NotAllowed, match="root"):
        enrol(ledger, root, "validator", other.public, ["validator"])
    enrol(ledger, root, "root", root.public, ["root"])
    enrol(ledger, root, "validator", other.public, ["validator"])
    assert [p.person for p in ledger.people().active(MODEL, ledger.clock())] == ["root", "validator"]


def test_a_root_known_from_outside_is_the_only_root(bank):
    ledger, root = bank
    enrol(ledger, root, "root", root.public, ["root"])
    assert ledger.people(root.public).refused == ()
    imposter = SigningKey.generate().public
    assert ledger.people(imposter).periods == ()


@pytest.mark.parametrize(
    ("signer", "name", "whose", "why"),
    [
        ("stranger", "friend", "friend", "which nobody is enrolled with"),
        ("validator", "friend", "friend", "without the role 'root'"),
        ("root", "friend", "validator", "one person, one key"),
    ],
)
def test_enrolments_that_are_refused(world, signer, name, whose, why):
    key = world.keys[whose].public if whose in world.keys else SigningKey.generate().public
    before = len(world.ledger.records())
    with pytest.raises(NotAllowed, match=why):
        enrol(world.ledger, world.keys[signer], name, key, ["validator"])
    assert len(world.ledger.records()) == before


def test_rotation_ends_the_former_key_and_keeps_what_it_signed(world):
    new = SigningKey.generate()
    before = world.ledger.people().signer(world.keys["validator"].public, MODEL, world.clock())
    rotated = enrol(world.ledger, world.keys["root"], "validator", new.public, ["validator"])
    people = world.ledger.people()
    assert people.signer(new.public, MODEL, world.clock()).person == "validator"
    with pytest.raises(NotAllowed, match="replaced"):
        people.signer(world.keys["validator"].public, MODEL, world.clock())
    old = next(p for p in people.periods if p.key == before.key)
    assert old.refusal(MODEL, rotated.recorded_at, rotated.seq - 1) is None
    assert old.refusal(MODEL, world.clock(), rotated.seq + 1) is not None


def test_a_revoked_key_is_dead_for_ever(world):
    revoke(world.ledger, world.keys["root"], "validator", "left the bank")
    with pytest.raises(NotAllowed, match="revoked"):
        world.ledger.people().signer(world.keys["validator"].public, MODEL, world.clock())
    with pytest.raises(NotAllowed, match="stays so"):
        enrol(world.ledger, world.keys["root"], "validator", world.keys["validator"].public, ["validator"])


def test_a_holder_revokes_their_own_key_and_nobody_elses(world):
    with pytest.raises(NotAllowed, match="only a root"):
        revoke(world.ledger, world.keys["validator"], "risk", "dislike")
    revoke(world.ledger, world.keys["validator"], "validator", "lost the laptop")
    assert world.ledger.people().active(MODEL, world.clock(), "validator")[0].person == "second"


def test_an_old_enrolment_cannot_be_played_again(world):
    old = next(r for r in world.ledger.records(kind="person_enrolled") if r.subject == "validator")
    enrol(world.ledger, world.keys["root"], "validator", world.keys["validator"].public, ["observer"])
    world.ledger.append(raw("person_enrolled", old.body), subject="validator")
    people = world.ledger.people()
    assert people.signer(world.keys["validator"].public, MODEL, world.clock()).roles == ("observer",)
    assert "replay" in people.refused[0][1]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"models": ["cards"]}, "not on loans"),
        ({"valid_until": START + timedelta(hours=1)}, "expired"),
        ({"valid_from": START + timedelta(days=300)}, "valid only from"),
    ],
)
def test_limits_of_a_key(world, limits, why):
    key = SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "guest", key.public, ["validator"], **limits)
    world.clock.pass_days(2)
    with pytest.raises(NotAllowed, match=why):
        world.ledger.people().signer(key.public, MODEL, world.clock())


def test_a_second_root_can_take_over(world):
    heir = SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "heir", heir.public, ["root"])
    revoke(world.ledger, heir, "root", "the key was in an old safe")
    with pytest.raises(NotAllowed, match="revoked"):
        enrol(world.ledger, world.keys["root"], "friend", SigningKey.generate().public, ["validator"])
    enrol(world.ledger, heir, "friend", SigningKey.generate().public, ["validator"])


@pytest.mark.parametrize(
    ("name", "roles", "match"),
    [("Bad Name", ["x"], "lowercase"), ("fine", [], "at least one"), ("../x", ["x"], "lowercase")],
)
def test_what_makes_no_sense_is_refused(world, name, roles, match):
    with pytest.raises(ValueError, match=match):
        enrol(world.ledger, world.keys["root"], name, SigningKey.generate().public, roles)
