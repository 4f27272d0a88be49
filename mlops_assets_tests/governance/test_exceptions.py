from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from mlops_assets.governance.exceptions import lifts, objection, sign_exception, withdraw_exception
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.events.judgements import ExceptionGranted
from mlops_assets.ledger.keys import decode, encode
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

POLICY = policy(exceptions={"roles": ["model-risk"], "max_days": 60})


@pytest.fixture
def ready(world):
    world.register()
    return world


def grant(world, by="risk", days=30, version=None, rule=POLICY, gate="fairness"):
    expires = world.clock.now + timedelta(days=days)
    return sign_exception(world.ledger, world.keys[by], rule, MODEL, gate, "a pilot", expires, version=version)


def lifted(world, version=1, rule=POLICY, model=MODEL):
    return lifts(world.ledger.state().model(model), rule, version, world.ledger.clock())


def status(world, model=MODEL):
    """Status of each exception that counts, now."""
    return [granted.status(world.clock.now) for granted in world.ledger.state().model(model).exceptions]


def why_refused(world, record):
    return world.ledger.state().refusals[record.seq].reason


def test_it_lifts_one_gate_until_it_expires(ready):
    record = grant(ready)
    found = lifted(ready)
    assert {gate: lift.seq for gate, lift in found.items()} == {"fairness": record.seq}
    ready.clock.pass_days(31)
    assert lifted(ready) == {}
    assert status(ready) == ["expired"]


def test_one_for_a_version_is_for_no_other(ready):
    grant(ready, version=1)
    ready.register(2)
    assert set(lifted(ready)) == {"fairness"}
    assert lifted(ready, 2) == {}


def test_the_one_that_lasts_longest_counts(ready):
    grant(ready, days=10)
    longer = grant(ready, days=20)
    assert lifted(ready)["fairness"].seq == longer.seq


def test_it_can_be_withdrawn(ready):
    record = grant(ready)
    withdraw_exception(ready.ledger, ready.keys["validator"], MODEL, record.seq, "pilot ended")
    assert lifted(ready) == {}
    assert status(ready) == ["withdrawn"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"by": "validator"}, "needs model-risk"),
        ({"by": "stranger"}, "is not enrolled"),
        ({"days": 61}, "at most 60 days"),
        ({"days": -1}, "not after now"),
        ({"rule": policy(exceptions={"roles": [], "max_days": 9})}, "at most 9 days"),
        ({"rule": policy(exceptions={"roles": [], "max_days": 90})}, "allows no exceptions"),
    ],
)
def test_what_the_policy_does_not_allow_is_not_signed(ready, changes, why):
    with pytest.raises(ValueError, match=why):
        grant(ready, **changes)
    assert ready.ledger.records(kind="exception_granted") == []


def test_an_author_grants_none(ready):
    enrol(ready.ledger, ready.keys["root"], "developer", ready.keys["developer"].public, ["model-risk"])
    with pytest.raises(NotAllowed, match="built this version"):
        grant(ready, by="developer")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (policy(exceptions={"roles": ["validator"], "max_days": 60}), "the role model-risk may not sign it"),
        (policy(exceptions={"roles": ["model-risk"], "max_days": 5}), "longer than the 5 days"),
    ],
)
def test_a_policy_that_became_stricter_accepts_it_no_longer(ready, rule, why):
    grant(ready)
    (granted,) = ready.ledger.state().model(MODEL).exceptions
    assert objection(POLICY, granted) == ""
    assert why in objection(rule, granted)
    assert lifted(ready, rule=rule) == {}


def test_it_cannot_be_carried_to_another_gate(ready):
    body = signed(ready, {"version": None, "gate": "fairness"}, {})
    carried = ready.ledger.append(raw("exception_granted", body), model=MODEL, subject="performance")
    assert why_refused(ready, carried) == "signed about gate fairness, recorded about performance"
    assert lifted(ready) == {}


def test_it_cannot_be_carried_to_another_model(ready):
    body = grant(ready).body
    ready.register(1, "cards")
    carried = ready.ledger.append(raw("exception_granted", body), model="cards", subject="fairness")
    assert why_refused(ready, carried) == "signed for model 'loans', recorded for 'cards'"
    assert lifted(ready, model="cards") == {}


def test_it_cannot_be_carried_to_another_registration_of_the_version(ready):
    body = signed(ready, {"version": "1", "gate": "fairness"}, {"registration": "a" * 64})
    carried = ready.ledger.append(raw("exception_granted", body), model=MODEL, subject="fairness")
    assert why_refused(ready, carried) == "signed for another registration of version 1"


def signed(world, statement, about):
    """The body of an exception by model-risk that `sign_exception` did not see."""
    expires = iso(world.clock.now + timedelta(days=9))
    subjects = {"policy": POLICY.digest, **about}
    content = {"reason": "a pilot", "expires": expires, **statement}
    return sign_act(world.ledger, world.keys["risk"], ExceptionGranted.PURPOSE, MODEL, subjects, content)


def test_a_withdrawn_exception_played_again_lifts_nothing(world):
    world.register()
    until = world.clock.now + timedelta(days=20)
    granted = sign_exception(world.ledger, world.keys["risk"], policy(), MODEL, "fairness", "pilot", until)
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "over")
    again = world.ledger.append(raw("exception_granted", granted.body), model=MODEL, subject="fairness")
    assert status(world) == ["withdrawn"]
    assert f"a replay of record {granted.seq}" in why_refused(world, again)
    assert lifted(world, rule=policy()) == {}


def respelled(text: str) -> str:
    """The same bytes in other base64 text, where there is another; else the text itself."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    padding = len(text) - len(text.rstrip("="))
    last = text[-1 - padding]
    return text[: -1 - padding] + alphabet[alphabet.index(last) + 1] + "=" * padding if padding else text


def other_signature(text: str) -> str:
    """The second signature that holds wherever one does: `s` replaced by the group's order less `s`."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(decode(text))
    return encode(encode_dss_signature(r, order - s))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: e | {"note": "beside what was signed"}, "the envelope says more"),
        (lambda e: e | {"signatures": [{**e["signatures"][0], "note": "x"}]}, "a signature says more"),
        (
            lambda e: e | {"signatures": [{**e["signatures"][0], "sig": other_signature(e["signatures"][0]["sig"])}]},
            "another signature, made without the key",
        ),
        (lambda e: e | {"payload": respelled(e["payload"])}, "the payload is spelled in another way"),
    ],
)
@pytest.mark.parametrize("length", range(3), ids=["as it is", "one letter more", "two letters more"])
def test_an_envelope_written_in_another_way_is_the_same_one(world, change, why, length):
    """Each still holds a valid signature, so only what was signed tells that it was played before."""
    world.register()
    until = world.clock.now + timedelta(days=20)
    granted = sign_exception(
        world.ledger, world.keys["risk"], policy(), MODEL, "fairness", "pilot" + "s" * length, until
    )
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "over")
    body = {**granted.body, "envelope": change(dict(granted.body["envelope"]))}
    again = world.ledger.append(raw("exception_granted", body), model=MODEL, subject="fairness")
    assert status(world) == ["withdrawn"], why
    assert why_refused(world, again), why
    assert lifted(world, rule=policy()) == {}, why
