from datetime import timedelta

import pytest

from mlops_assets.governance import approvals
from mlops_assets.governance.approval_subject import approval_subject
from mlops_assets.governance.approvals import approval_state, sign_approval
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events.judgements import Approval
from mlops_assets.ledger.events.versions import CardIssued
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets_tests.governance.world import MODEL, World, build, policy, registration
from mlops_assets_tests.ledger.raw import raw

POLICY = policy()


@pytest.fixture
def ready(world) -> World:
    world.register()
    world.decide(POLICY)
    return world


def test_two_roles_by_two_people_approve(ready, monkeypatch):
    monkeypatch.delenv("MLOPS_HOME", raising=False)
    pending = approval_state(ready.ledger.state(), POLICY, MODEL, 1, ready.clock.now)
    assert pending.status == "pending"
    assert pending.missing == (("validator", 1), ("model-risk", 1))
    assert pending.command.splitlines() == [
        'mlops approve loans 1 --key .mlops/keys/second.pem --rationale "…"',
        'mlops approve loans 1 --key .mlops/keys/risk.pem --rationale "…"',
    ]
    monkeypatch.setenv("MLOPS_HOME", "/srv/our bank")
    elsewhere = approval_state(ready.ledger.state(), POLICY, MODEL, 1, ready.clock.now)
    assert "--key '/srv/our bank/keys/second.pem' " in elsewhere.command
    ready.approve(POLICY, "validator", "risk")
    done = approval_state(ready.ledger.state(), POLICY, MODEL, 1)
    assert done.status == "approved"
    assert [(person, role) for person, role, _ in done.counted] == [("validator", "validator"), ("risk", "model-risk")]
    assert done.refused == ()
    assert done.command == ""


def test_a_tier_without_approvals_needs_none(ready):
    low = policy(approvals=[])
    assert approval_state(ready.ledger.state(), low, MODEL, 1).status == "approved"


def test_signing_the_same_again_is_the_same_record(ready):
    first = sign_approval(ready.ledger, ready.keys["validator"], MODEL, 1, "sound")
    assert sign_approval(ready.ledger, ready.keys["validator"], MODEL, 1, "sound, again") == first


def test_a_rejection_stands_until_its_author_thinks_again(ready):
    ready.approve(POLICY, "validator", "risk")
    sign_approval(ready.ledger, ready.keys["second"], MODEL, 1, "the sample is too small", "reject")
    assert approval_state(ready.ledger.state(), POLICY, MODEL, 1).status == "rejected"
    ready.approve(POLICY, "second")
    assert approval_state(ready.ledger.state(), POLICY, MODEL, 1).status == "approved"


def refused_at_signing(ready, match, key, version=1, **options):
    with pytest.raises(NotAllowed, match=match):
        sign_approval(ready.ledger, key, MODEL, version, "sound", policy=POLICY, **options)
    assert ready.ledger.records(kind="approval") == []


def test_an_author_cannot_approve_even_with_the_role(ready):
    enrol(ready.ledger, ready.keys["root"], "developer", ready.keys["developer"].public, ["validator"])
    refused_at_signing(ready, "built loans version 1", ready.keys["developer"])


def test_an_author_of_the_code_cannot_approve_under_the_name_in_the_commits(world):
    event = registration().model_copy(update={"code_authors": ("Validator", "second")})
    world.ledger.append(event, model=MODEL, subject="1")
    world.decide(POLICY)
    for name in ("validator", "second"):
        refused_at_signing(world, "built loans version 1", world.keys[name])


def test_a_version_of_an_unknown_developer_cannot_be_approved(world):
    world.ledger.append(registration().model_copy(update={"developers": ("ghost",)}), model=MODEL, subject="1")
    world.decide(POLICY)
    refused_at_signing(world, "developer ghost is not enrolled", world.keys["validator"])
    pending = approval_state(world.ledger.state(), POLICY, MODEL, 1, world.clock.now)
    assert pending.command.splitlines()[0].startswith("# first: the declared developer ghost is not enrolled")
    # Rejecting needs to know no author.
    sign_approval(world.ledger, world.keys["validator"], MODEL, 1, "whose work is this?", "reject", policy=POLICY)
    assert approval_state(world.ledger.state(), POLICY, MODEL, 1).status == "rejected"


def test_an_approval_of_an_unknown_developers_version_that_was_recorded_directly_does_not_count(world, monkeypatch):
    world.ledger.append(registration().model_copy(update={"developers": ("ghost",)}), model=MODEL, subject="1")
    world.decide(POLICY)
    with monkeypatch.context() as patched:
        patched.setattr(approvals, "unknown_developers", lambda people, about: ())
        world.approve(POLICY, "validator", "risk")
    found = approval_state(world.ledger.state(), POLICY, MODEL, 1)
    assert (found.status, found.counted) == ("pending", ())
    assert ["ghost is not enrolled" in why for _, _, why in found.refused] == [True, True]
    enrol(world.ledger, world.keys["root"], "ghost", world.keys["stranger"].public, ["developer"])
    assert approval_state(world.ledger.state(), POLICY, MODEL, 1).status == "approved"


def test_a_stranger_cannot_approve(ready):
    refused_at_signing(ready, "is not enrolled", ready.keys["stranger"])


def test_the_wrong_role_cannot_approve(ready):
    refused_at_signing(ready, "none of which may judge a model", ready.keys["root"])
    refused_at_signing(ready, "not the role", ready.keys["validator"], role="model-risk")


def test_a_revoked_key_cannot_approve(ready):
    revoke(ready.ledger, ready.keys["root"], "validator", "left")
    refused_at_signing(ready, "revoked", ready.keys["validator"])


def test_an_expired_key_cannot_approve(ready):
    key = SigningKey.generate()
    until = ready.clock.now + timedelta(days=1)
    enrol(ready.ledger, ready.keys["root"], "guest", key.public, ["validator"], valid_until=until)
    ready.clock.pass_days(2)
    refused_at_signing(ready, "expired", key)


def play(world: World, envelope_of, model=MODEL, version=1, **changes):
    """Write an approval record past `sign_approval`, as anybody who may append could."""
    world.ledger.append(raw("approval", {**envelope_of.body, **changes}), model=model, subject=str(version))


def why_refused(world: World, model=MODEL, version=1) -> str:
    found = approval_state(world.ledger.state(), POLICY, model, version)
    assert found.counted == ()
    assert found.status == "pending"
    assert len(found.refused) == 1
    return found.refused[0][2]


def genuine(world: World):
    return sign_approval(world.ledger, world.keys["validator"], MODEL, 1, "sound", policy=POLICY)


def test_an_approval_of_another_version_counts_for_nothing(ready):
    subjects = approval_subject(ready.ledger.state().model(MODEL), 1).subjects
    statement = {"version": "1", "decision": "approve", "rationale": "sound", "decisions": {}}
    body = sign_act(ready.ledger, ready.keys["validator"], Approval.PURPOSE, MODEL, subjects, statement)
    ready.register(2)
    ready.decide(POLICY, 2)
    ready.ledger.append(Approval.model_validate(body), model=MODEL, subject="2")
    assert why_refused(ready, version=2) == "signed about version 1, recorded about 2"


def test_an_approval_of_another_model_counts_for_nothing(ready):
    signed = genuine(ready)
    ready.register(1, "cards")
    ready.decide(POLICY, 1, "cards")
    play(ready, signed, model="cards")
    assert why_refused(ready, "cards") == "signed for model 'loans', recorded for 'cards'"


def test_an_approval_counts_for_nothing_once_a_gate_decides_anew(ready):
    genuine(ready)
    ready.decide(POLICY, performance="failed")
    assert why_refused(ready) == "signed over other digests of: gate:performance"


def test_an_approval_counts_for_nothing_once_the_card_changes(ready):
    ready.ledger.append(CardIssued(digest="a" * 64, path="x", missing=(), files={}), model=MODEL, subject="1")
    genuine(ready)
    ready.ledger.append(CardIssued(digest="b" * 64, path="x", missing=(), files={}), model=MODEL, subject="1")
    assert why_refused(ready) == "signed over other digests of: card"


def test_an_approval_under_another_policy_counts_for_nothing(ready):
    genuine(ready)
    other = policy(validity_days=100)
    ready.decide(other)
    found = approval_state(ready.ledger.state(), other, MODEL, 1)
    assert found.counted == ()
    assert "policy" in found.refused[0][2]


def test_the_same_number_in_another_ledger_counts_for_nothing(ready, tmp_path):
    """The same version trained again in a rebuilt ledger: other artifact, other registration."""
    (tmp_path / "again").mkdir()
    other = build(tmp_path / "again")
    for name, role in (("validator", "validator"),):
        enrol(other.ledger, other.keys["root"], name, ready.keys[name].public, [role])
    other.register(content="retrained")
    other.decide(POLICY)
    play(other, genuine(ready))
    assert "artifact" in why_refused(other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: {**e, "payload": e["payload"][:-8] + "AAAAAAA="}, "is not one of key"),
        (lambda e: {**e, "payloadType": "text/plain"}, "payload type"),
        (lambda e: {**e, "signatures": []}, "exactly one signature"),
        (lambda e: {**e, "signatures": e["signatures"] * 2}, "exactly one signature"),
        (lambda e: {**e, "signatures": [{"keyid": "0" * 64, "sig": "AAAA"}]}, "nobody is enrolled"),
        (lambda e: None, "envelope: Input should be a valid dictionary"),
    ],
)
def test_a_forged_envelope_counts_for_nothing(ready, change, why):
    signed = genuine(ready)
    other = ready.register(2)
    assert other
    ready.decide(POLICY, 2)
    play(ready, signed, version=2, envelope=change(signed.body["envelope"]))
    assert why in why_refused(ready, version=2)


def test_the_summary_beside_the_envelope_is_not_believed(ready):
    signed = sign_approval(ready.ledger, ready.keys["second"], MODEL, 1, "too small a sample", "reject", policy=POLICY)
    play(ready, signed, decision="approve", person="risk", role="model-risk")
    found = approval_state(ready.ledger.state(), POLICY, MODEL, 1)
    assert found.counted == ()
    assert [person for person, _, _ in found.rejections] == ["second"]


def test_one_person_cannot_count_in_two_roles(ready):
    key = SigningKey.generate()
    enrol(ready.ledger, ready.keys["root"], "both", key.public, ["validator", "model-risk"])
    with pytest.raises(NotAllowed, match="say with --role"):
        sign_approval(ready.ledger, key, MODEL, 1, "sound", policy=POLICY)
    sign_approval(ready.ledger, key, MODEL, 1, "sound", role="validator", policy=POLICY)
    with pytest.raises(NotAllowed, match="two roles"):
        sign_approval(ready.ledger, key, MODEL, 1, "sound", role="model-risk", policy=POLICY)
    # Past the front door, with a signature of their own making:
    subjects = approval_subject(ready.ledger.state().model(MODEL), 1).subjects
    statement = {"version": "1", "decision": "approve", "rationale": "sound", "decisions": {}}
    body = sign_act(ready.ledger, key, Approval.PURPOSE, MODEL, subjects, statement, role="model-risk")
    ready.ledger.append(Approval.model_validate(body), model=MODEL, subject="1")
    found = approval_state(ready.ledger.state(), POLICY, MODEL, 1)
    assert found.missing == (("model-risk", 1),)
    assert "already counts as validator" in found.refused[0][2]


def test_revocation_leaves_what_was_signed_before_it(ready):
    ready.approve(POLICY, "validator", "risk")
    revoke(ready.ledger, ready.keys["root"], "validator", "left the bank")
    assert approval_state(ready.ledger.state(), POLICY, MODEL, 1).status == "approved"


def test_a_stolen_key_takes_back_what_was_signed_since_the_theft(ready):
    theft = ready.clock.now
    ready.approve(POLICY, "validator", "risk")
    revoke(ready.ledger, ready.keys["root"], "validator", "stolen", compromised_since=theft)
    found = approval_state(ready.ledger.state(), POLICY, MODEL, 1)
    assert found.status == "pending"
    assert "wrong hands" in found.refused[0][2]


def test_rotation_leaves_what_was_signed_before_it(ready):
    ready.approve(POLICY, "validator", "risk")
    enrol(ready.ledger, ready.keys["root"], "validator", SigningKey.generate().public, ["validator"])
    assert approval_state(ready.ledger.state(), POLICY, MODEL, 1).status == "approved"


def test_what_stood_on_a_day_can_be_asked_later(ready):
    ready.approve(POLICY, "validator")
    then = ready.clock.now
    ready.clock.pass_days(3)
    ready.approve(POLICY, "risk")
    assert approval_state(ready.ledger.state(then), POLICY, MODEL, 1).missing == (("model-risk", 1),)
    assert approval_state(ready.ledger.state(), POLICY, MODEL, 1).status == "approved"


def test_the_missing_role_is_named_when_nobody_holds_it(ready):
    required = policy(approvals=[{"role": "ethics", "count": 1}])
    ready.decide(required)
    command = approval_state(ready.ledger.state(), required, MODEL, 1, ready.clock.now).command
    assert "NAME-OF-A-ETHICS" in command
    assert "nobody who may act is enrolled as ethics" in command


def test_an_approval_played_again_does_not_undo_a_later_rejection(ready):
    ready.approve(POLICY, "validator", "risk")
    first = ready.ledger.latest("approval")
    sign_approval(ready.ledger, ready.keys["risk"], MODEL, 1, "thought again", "reject", policy=POLICY)
    ready.ledger.append(raw("approval", first.body), model=MODEL, subject="1")
    stands = approval_state(ready.ledger.state(), POLICY, MODEL, 1)
    assert stands.status == "rejected"
    assert any("a replay" in why for _, _, why in stands.refused)
