"""What counts for nothing because of who signed it is named; what was overtaken since is not."""

from datetime import timedelta

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approval_subject import approval_subject, registered
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import close_finding, record_finding, respond
from mlops_assets.governance.validations import record_validation
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

POLICY = policy()


@pytest.fixture
def ready(world):
    world.register()
    world.decide(POLICY)
    adopt(world.ledger, MODEL, POLICY)
    return world


def past(world, kind, purpose, subject, by, about, **said):
    """Sign and append without the function that would have refused it."""
    body = sign_act(world.ledger, world.keys[by], purpose, MODEL, about, said)
    return world.ledger.append(raw(kind, body), model=MODEL, subject=subject)


def approval(world, by):
    about = approval_subject(world.ledger.state().model(MODEL), 1, POLICY.digest)
    return past(
        world, "approval", "approval/v1", "1", by, about.subjects, version="1", decision="approve", rationale="good"
    )


def exception(world, by, days=10, gate="cost", subject="cost"):
    ends = iso(world.ledger.clock() + timedelta(days=days))
    about = {"policy": POLICY.digest, "registration": registered(world.ledger.state().model(MODEL), 1).digest}
    return past(
        world, "exception_granted", "exception/v1", subject, by, about,
        version="1", gate=gate, reason="x", expires=ends,
    )  # fmt: skip


def finding(world, by):
    about = {"registration": registered(world.ledger.state().model(MODEL), 1).digest}
    said = {"severity": "low", "summary": "x", "owner": "developer", "due": iso(world.clock.now), "condition": ""}
    return past(world, "finding_recorded", "finding/v1", "loans-F1", by, about, id="loans-F1", version="1", **said)


def closed_finding(world, by):
    about = finding(world, "validator").digest
    return past(
        world, "finding_closed", "finding-closure/v1", "loans-F1", by, {"finding": about}, id="loans-F1", note="x"
    )


def validation(world, by):
    about = {"registration": registered(world.ledger.state().model(MODEL), 1).digest}
    said = {"outcome": "approved", "summary": "x", "conditions": [], "restrictions": [], "follows": 0}
    ends = iso(world.clock.now + timedelta(days=5))
    return past(world, "validation_recorded", "validation/v1", "1", by, about, version="1", valid_until=ends, **said)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda w: approval(w, "developer"), "developer built version 1"),
        (lambda w: exception(w, "developer"), "developer built version 1"),
        (lambda w: exception(w, "validator"), "the role validator may not sign it: model-risk may"),
        (lambda w: exception(w, "risk", days=400), "longer than the 90 days"),
        (lambda w: exception(w, "risk", subject="fairness"), "signed for gate cost"),
        (lambda w: finding(w, "developer"), "developer built version 1"),
        (lambda w: closed_finding(w, "developer"), "developer built version 1"),
        (lambda w: closed_finding(w, "root"), "the role root may not sign it"),
        (lambda w: validation(w, "developer"), "developer built version 1"),
        (lambda w: validation(w, "root"), "the role root may not sign it"),
    ],
    ids=[
        "an author approves", "an author lifts a gate", "a role the policy leaves out lifts a gate",
        "longer than the policy lets", "another gate than signed", "an author records a finding",
        "an author closes one", "the root closes one", "an author validates", "the root validates",
    ],
)  # fmt: skip
def test_what_its_signer_was_not_allowed_is_named(ready, act, why):
    record = act(ready)
    assert not_counted(ready.ledger.state()) == [], "its signature is good, which is why it takes this look"
    (problem,) = not_counted(ready.ledger.state())
    assert (problem.seq, why in problem.message) == (record.seq, True), problem.message


def test_what_is_played_again_is_named(ready):
    ready.approve(POLICY, "validator")
    sign_exception(
        ready.ledger, ready.keys["risk"], POLICY, MODEL, "cost", "x", ready.clock.now + timedelta(days=9), version=1
    )
    first = ready.ledger.latest("approval"), ready.ledger.latest("exception_granted")
    again = [ready.ledger.append(raw(r.kind, r.body), model=MODEL, subject=r.subject) for r in first]
    found = not_counted(ready.ledger.state())
    assert [p.seq for p in found] == [r.seq for r in again]
    assert all(f"a replay of record {r.seq}" in p.message for r, p in zip(first, found, strict=True))


def test_a_policy_that_had_to_be_signed_and_was_not_is_named(ready):
    strict = policy(adoption={"roles": ["model-risk"]})
    adopt(ready.ledger, MODEL, strict)
    lax = policy(approvals=[])
    body = {"policy_digest": lax.digest, "tier": "high", "policy": lax.model_dump(mode="json")}
    record = ready.ledger.append(raw("policy_adopted", body), model=MODEL, subject=lax.digest[:12])
    (problem,) = not_counted(ready.ledger.state())
    assert (problem.seq, "had to sign it" in problem.message) == (record.seq, True)


def test_what_counted_when_it_was_signed_is_not_named(ready):
    """A whole honest life, its approvals voided by a gate that decided anew and its exception by a stricter policy."""
    ledger, keys = ready.ledger, ready.keys
    ready.approve(POLICY, "validator", "risk")
    granted = sign_exception(ledger, keys["risk"], POLICY, MODEL, "cost", "x", ready.clock.now + timedelta(days=9))
    identity = record_finding(ledger, keys["validator"], MODEL, "low", "x", "developer", ready.clock.now).subject
    respond(ledger, keys["developer"], MODEL, identity, "so it is")
    close_finding(ledger, keys["second"], MODEL, identity, "settled")
    record_validation(ledger, keys["validator"], POLICY, MODEL, 1, "approved", "looked at it all")
    ready.clock.pass_days(1)
    sign_approval(ledger, keys["validator"], MODEL, 1, "on second thoughts", "reject", policy=POLICY)
    ready.decide(POLICY, performance="failed")
    ready.approve(POLICY, "validator")
    adopt(ledger, MODEL, policy(exceptions={"roles": [], "max_days": 1}))
    withdraw_exception(ledger, keys["risk"], MODEL, granted.seq, "no longer needed")
    later = {**ledger.latest("version_registered").body, "artifact_digest": "a" * 64, "developers": ["validator"]}
    ledger.append(raw("version_registered", later), model=MODEL, subject="2")
    assert not_counted(ledger.state()) == []
