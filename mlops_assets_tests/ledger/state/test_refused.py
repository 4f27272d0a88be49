"""A record counts for nothing, and is listed with the reason, whatever is wrong with it; one test for each kind and fault."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import close_finding, record_finding, respond
from mlops_assets.governance.validations import record_validation
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events.base import SignedEvent
from mlops_assets.ledger.events.people import KeyRevoked, PersonEnrolled
from mlops_assets.ledger.events.registry import EVENTS
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets_tests.governance.world import MODEL, Clock, World, build, policy, registration
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.ledger.state.acts import ACTS, OTHER, exception_granted, settle

every_kind = pytest.mark.parametrize("kind", ACTS)


@pytest.fixture(scope="module")
def settled(tmp_path_factory) -> World:
    """Made once; each test works on a copy."""
    world = build(tmp_path_factory.mktemp("settled"))
    settle(world)
    world.ledger.close()
    return world


@pytest.fixture
def ready(settled, tmp_path) -> World:
    for name in ("ledger.db", "anchor.json"):
        shutil.copy(settled.folder / name, tmp_path)
    clock = Clock(settled.clock.now)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", settled.keys["head"], tmp_path / "anchor.json", clock=clock)
    return World(tmp_path, ledger, clock, dict(settled.keys))


def counted(state: LedgerState, model: str = MODEL) -> object:
    """What a model's state says, but for the numbers of the last records, which every record changes."""
    return replace(state.model(model), latest={})


def refused(world: World, seq: int) -> str:
    """Why the record counts for nothing; it is the only one that does not."""
    state = world.ledger.state()
    assert list(state.refusals) == [seq]
    assert [problem.seq for problem in not_counted(state)] == [seq]
    return state.refusals[seq].reason


def changes_nothing(world: World, write: Callable[[], int], model: str = MODEL) -> str:
    """Why a record that `write` appends counts for nothing; the state is what it was."""
    before = counted(world.ledger.state(), model)
    why = refused(world, write())
    assert counted(world.ledger.state(), model) == before
    return why


def test_every_signed_kind_is_tested():
    signed = {event.KIND for event in EVENTS if "envelope" in event.model_fields}
    assert signed - {PersonEnrolled.KIND, KeyRevoked.KIND} == set(ACTS)
    assert {event.KIND for event in EVENTS if issubclass(event, SignedEvent)} < signed


@every_kind
def test_as_it_should_be_it_counts(ready, kind):
    act = ACTS[kind](ready)
    before = counted(ready.ledger.state())
    act.write(ready, act.body(ready))
    assert ready.ledger.state().refused == ()
    assert counted(ready.ledger.state()) != before


@every_kind
def test_signed_with_an_unknown_key(ready, kind):
    act = ACTS[kind](ready)
    body = act.body(ready, key=ready.keys["stranger"])
    assert "nobody is enrolled with" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_signed_with_anothers_key_in_their_name(ready, kind):
    """Whoever holds one enrolled key could otherwise act in everybody's name."""
    act = ACTS[kind](ready)
    name, role = act.by, act.role
    body = act.body(ready, key=ready.keys["second" if name != "second" else "validator"], person=name, role=role)
    assert f"in the name of {name}" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_signed_over_something_else(ready, kind):
    """The envelope's payload was changed, or the key id alone was borrowed."""
    act = ACTS[kind](ready)
    body, other = act.body(ready), act.body(ready, key=ready.keys["stranger"])
    signature = {**other["envelope"]["signatures"][0], "keyid": body["envelope"]["signatures"][0]["keyid"]}
    body["envelope"] = {**body["envelope"], "signatures": [signature]}
    assert "is not one of key" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_signed_in_a_role_that_may_not(ready, kind):
    act = ACTS[kind](ready)
    person, role = act.wrong
    body = act.body(ready, person=person, role=role)
    why = changes_nothing(ready, lambda: act.write(ready, body))
    assert f"the role {role} may not sign" in why or f"{role} is no role of somebody who judges" in why


@every_kind
def test_signed_in_a_role_that_the_signer_does_not_hold(ready, kind):
    act = ACTS[kind](ready)
    person, _ = act.wrong
    body = act.body(ready, person=person, role=act.role)
    assert f"{person} does not hold the role {act.role}" in changes_nothing(ready, lambda: act.write(ready, body))


@pytest.mark.parametrize(
    "kind",
    ["approval", "exception_granted", "finding_recorded", "finding_extended", "finding_closed", "validation_recorded",
     "clause_concluded", "policy_adopted", "tier_assessed", "ladder_step_signed", "rows_erased", "rows_expired", "rollback", "resumption", "segment_resumed", "retirement", "incident_closed"],
)  # fmt: skip
def test_signed_by_an_author(ready, kind):
    act = ACTS[kind](ready)
    assert act.author
    body = act.body(ready, person="developer", role=act.author)
    assert "developer built this version" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_played_again(ready, kind):
    act = ACTS[kind](ready)
    body = act.body(ready)
    first = act.write(ready, body)
    why = changes_nothing(ready, lambda: act.write(ready, body))
    assert f"a replay of record {first}" in why or "the model was retired" in why


@every_kind
def test_played_again_in_another_envelope(ready, kind):
    """The same statement, signed again by its signer: an ECDSA signature is another each time."""
    act = ACTS[kind](ready)
    body = act.body(ready)
    first = act.write(ready, body)
    again = {**body, "envelope": {**body["envelope"], "note": "beside what was signed"}}
    why = changes_nothing(ready, lambda: act.write(ready, again))
    assert f"a replay of record {first}" in why or "the model was retired" in why


@every_kind
def test_recorded_for_another_model(ready, kind):
    act = ACTS[kind](ready)
    body = act.body(ready)
    why = changes_nothing(ready, lambda: act.write(ready, body, OTHER), OTHER)
    assert why == f"signed for model {MODEL!r}, recorded for {OTHER!r}"


@pytest.mark.parametrize("kind", [kind for kind in ACTS if kind != "retraining_request"])
def test_recorded_about_another_subject(ready, kind):
    """Only the id of a request is made from its signature, and is not signed."""
    act = ACTS[kind](ready)
    ready.register(3)
    body = act.body(ready)
    assert changes_nothing(ready, lambda: replace(act, subject="3").write(ready, body))


@every_kind
def test_the_record_differs_from_what_was_signed(ready, kind):
    act = ACTS[kind](ready)
    name, other = act.changed
    body = act.body(ready)
    assert body[name] != other
    why = changes_nothing(ready, lambda: act.write(ready, {**body, name: other}))
    assert why == f"the record differs from what was signed in: {name}"


@every_kind
def test_signed_for_another_purpose(ready, kind):
    act = ACTS[kind](ready)
    purpose = ACTS["suspension" if kind != "suspension" else "retirement"](ready).event
    body = replace(act, event=purpose).body(ready)
    assert "expected a 'urn:x-mlops-assets:" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
@pytest.mark.parametrize("envelope", [None, {}, {"signatures": []}, {"payload": "x", "signatures": [{"keyid": 1}]}])
def test_without_an_envelope_that_can_be_read(ready, kind, envelope):
    act = ACTS[kind](ready)
    body = {**act.body(ready), "envelope": envelope}
    assert changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_with_a_field_missing(ready, kind):
    act = ACTS[kind](ready)
    body = {name: value for name, value in act.body(ready).items() if name != next(iter(act.statement))}
    assert f"{kind}: {next(iter(act.statement))}: Field required" in changes_nothing(
        ready, lambda: act.write(ready, body)
    )


@every_kind
def test_signed_with_a_key_that_was_revoked(ready, kind):
    act = ACTS[kind](ready)
    body = act.body(ready)
    revocation = revoke(ready.ledger, ready.keys["root"], act.by, "left the bank")
    why = changes_nothing(ready, lambda: act.write(ready, body))
    assert f"key was revoked by record {revocation.seq}" in why


@every_kind
def test_signed_with_a_key_that_was_replaced(ready, kind):
    act = ACTS[kind](ready)
    body = act.body(ready)
    enrol(ready.ledger, ready.keys["root"], act.by, SigningKey.generate().public, [act.role])
    assert "key was replaced by record" in changes_nothing(ready, lambda: act.write(ready, body))


@every_kind
def test_recorded_while_the_key_was_in_wrong_hands(ready, kind):
    act = ACTS[kind](ready)
    ready.clock.pass_days(1)
    theft = ready.clock()
    seq = act.write(ready, act.body(ready))
    assert ready.ledger.state().refused == ()
    revoke(ready.ledger, ready.keys["root"], act.by, "stolen", compromised_since=theft)
    assert "was in wrong hands" in refused(ready, seq)


@every_kind
def test_signed_with_a_key_that_expired_or_is_for_other_models(ready, kind):
    act = ACTS[kind](ready)
    keys = {name: SigningKey.generate() for name in ("guest", "cards-only")}
    until = ready.clock.now + timedelta(days=1)
    root = ready.keys["root"]
    enrol(ready.ledger, root, "guest", keys["guest"].public, [act.role], valid_until=until)
    enrol(ready.ledger, root, "cards-only", keys["cards-only"].public, [act.role], models=[OTHER])
    ready.clock.pass_days(2)
    for name, why in (("guest", "expired on"), ("cards-only", f"may act on {OTHER}, not on {MODEL}")):
        seq = act.write(ready, act.body(ready, key=keys[name], person=name))
        assert why in ready.ledger.state().refusals[seq].reason


@every_kind
def test_appended_by_somebody_without_a_ledger_key(ready, kind):
    """The record is right in itself, and whoever wrote it holds no key of the ledger: nobody knows when it was written."""
    act = ACTS[kind](ready)
    body, before = act.body(ready), ready.ledger.state()
    writer = Ledger(str(ready.ledger.database.url), clock=ready.clock)
    seq = writer.append(raw(kind, body), model=MODEL, subject=act.subject).seq
    for fresh in (False, True):
        state = ready.ledger.state(fresh=fresh)
        assert (state.models, state.refused, state.seq) == (before.models, (), before.seq)
        assert f"record {seq} is under no signed head" in state.unsealed


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w, a: {"expires": iso(w.clock.now + timedelta(days=400))}, "longer than the 90 days"),
        (lambda w, a: {"gate": "fairness"}, "signed about gate fairness, recorded about cost"),
        (lambda w, a: {"version": "7"}, "version 7 is not registered"),
        (lambda w, a: {"version": "2"}, "another registration of version 2"),
    ],
    ids=["longer than the policy allows", "another gate", "an unknown version", "another registration"],
)
def test_an_exception_that_does_not_fit(ready, change, why):
    act = exception_granted(ready)
    act = replace(act, statement={**act.statement, **change(ready, act)})
    assert why in changes_nothing(ready, lambda: act.write(ready, act.body(ready)))


@pytest.mark.parametrize(
    "kind", ["rollback", "suspension", "resumption", "retirement", "validation_recorded", "clause_concluded"]
)
def test_signed_for_a_state_that_is_over(ready, kind):
    """A statement names the record that it follows, so that one that was kept back is worth nothing later."""
    act = ACTS[kind](ready)
    act = replace(act, statement={**act.statement, "follows": 3})
    assert "a replay" in changes_nothing(ready, lambda: act.write(ready, act.body(ready)))


@pytest.mark.parametrize(
    "kind",
    [
        "exception_withdrawn",
        "finding_responded",
        "finding_extended",
        "finding_closed",
        "incident_acknowledged",
        "incident_closed",
        "discovery_ignored",
        "discovery_assigned",
    ],
)
def test_signed_about_another_record(ready, kind):
    act = ACTS[kind](ready)
    act = replace(act, about=dict.fromkeys(act.about, "a" * 64))
    assert "with digest" in changes_nothing(ready, lambda: act.write(ready, act.body(ready)))


def test_a_policy_that_had_to_be_signed_and_was_not(ready):
    lax = policy(approvals=[])
    body = {"policy_digest": lax.digest, "tier": "high", "policy": lax.model_dump(mode="json")}
    write = lambda: ready.ledger.append(raw("policy_adopted", body), model=MODEL, subject=lax.digest[:12]).seq  # noqa: E731
    assert "carries no signature" in changes_nothing(ready, write)


def test_an_automatic_request_names_no_signer(ready):
    act = ACTS["retraining_request"](ready)
    body = {**act.body(ready), "automatic": True}
    assert "names a signer" in changes_nothing(ready, lambda: act.write(ready, body))


@pytest.mark.parametrize("kind", ["rollback", "suspension"])
def test_the_service_key_does_what_the_policy_in_force_allows(ready, kind):
    act = ACTS[kind](ready)
    act.write(ready, act.body(ready, person="service", role="automation"))
    assert ready.ledger.state().refused == ()


@pytest.mark.parametrize("kind", ["rollback", "suspension"])
def test_the_service_key_does_nothing_that_the_policy_in_force_does_not_allow(ready, kind):
    """The record names a policy that allows it; only the one in force says what counts."""
    strict = policy(adoption={"roles": ["model-risk"]})
    adopt(ready.ledger, MODEL, strict, key=ready.keys["risk"], rationale="by hand only")
    act = ACTS[kind](ready)
    body = act.body(ready, person="service", role="automation")
    why = changes_nothing(ready, lambda: act.write(ready, body))
    assert why == f"the policy in force lets the service key make no {kind}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"roles": ["root"]}, "differs from what was signed in: roles"),
        ({"key_id": "a" * 64}, "differs from what was signed in: key_id"),
        ({}, "a replay"),
        ({"envelope": {}}, "exactly one signature"),
    ],
)
def test_an_enrolment_that_does_not_count(ready, change, why):
    old = ready.ledger.latest_of(PersonEnrolled, subject="validator")
    people = ready.ledger.people().periods
    seq = ready.ledger.append(raw("person_enrolled", {**old.body, **change}), subject="validator").seq
    assert why in refused(ready, seq)
    assert ready.ledger.people().periods == people


@pytest.mark.parametrize(
    ("by", "subject", "change", "why"),
    [
        ("stranger", "second", {}, "nobody is enrolled with"),
        ("risk", "second", {}, "only a root, or second, may"),
        ("root", "risk", {}, "the statement is about second, its record about risk"),
        ("root", "second", {"reason": "another"}, "differs from what was signed in: reason"),
        ("root", "second", {"follows": None}, "follows: Input should be a valid string"),
    ],
)
def test_a_revocation_that_does_not_count(ready, by, subject, change, why):
    people = ready.ledger.people()
    statement = {
        "name": "second", "key_id": ready.keys["second"].public.key_id, "reason": "lost it", "compromised_since": None,
        "follows": people.last_of("second"),
    }  # fmt: skip
    envelope = sign_statement(ready.keys[by], {"key:second": statement["key_id"]}, KeyRevoked.PURPOSE, statement)
    body = {**statement, **change, "envelope": envelope}
    seq = ready.ledger.append(raw("key_revoked", body), subject=subject).seq
    assert why in refused(ready, seq)
    found = ready.ledger.state().refusals[seq]
    assert (found.kind, found.subject) == ("key_revoked", subject)
    assert ready.ledger.people().periods == people.periods


def test_what_counted_when_it_was_signed_is_not_refused(world):
    """A whole honest life, its approvals voided by a gate that decided anew and its exception by a stricter policy."""
    ledger, keys, under = world.ledger, world.keys, policy()
    world.register()
    world.decide(under)
    adopt(ledger, MODEL, under)
    world.approve(under, "validator", "risk")
    granted = sign_exception(ledger, keys["risk"], under, MODEL, "cost", "x", world.clock.now + timedelta(days=9))
    identity = record_finding(
        ledger, keys["validator"], MODEL, "low", "x", "developer", world.clock.now + timedelta(days=1)
    ).subject
    respond(ledger, keys["developer"], MODEL, identity, "so it is")
    close_finding(ledger, keys["second"], MODEL, identity, "settled")
    record_validation(ledger, keys["validator"], under, MODEL, 1, "approved", "looked at it all")
    world.clock.pass_days(1)
    sign_approval(ledger, keys["validator"], MODEL, 1, "on second thoughts", "reject", policy=under)
    world.decide(under, performance="failed")
    world.approve(under, "validator")
    adopt(ledger, MODEL, policy(exceptions={"roles": [], "max_days": 1}))
    withdraw_exception(ledger, keys["risk"], MODEL, granted.seq, "no longer needed")
    later = registration(2).model_copy(update={"developers": ("validator",)})
    ledger.append(later, model=MODEL, subject="2")
    assert not_counted(ledger.state()) == []
