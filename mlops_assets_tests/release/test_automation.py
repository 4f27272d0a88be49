"""The service key does what the policy lets it do, on the record that calls for it, and nothing else."""

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.validations import record_validation
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events.champion import Resumption, Rollback, Suspension
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.release import automation
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.champion import champion_state
from mlops_assets.release.interventions import intervene, resume, rollback, suspend
from mlops_assets.release.oversight import due
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.made import health_verdict
from mlops_assets_tests.release.test_oversight import go, prepare

RULES = {
    "validity_days": 100,
    "release": {"shadow_windows": 0, "probation_windows": 2, "rollback_on": "act"},
    "response": {"concept_drift": ["incident", "suspend"], "validation_expired": ["incident", "suspend"]},
}
ALLOWED = policy(**RULES, automation={"suspend": True, "rollback": True})
ASKING = policy(**RULES)


@pytest.fixture
def watched(world):
    """Version 2 is champion after 1, under a policy that lets the service key act."""
    adopt(world.ledger, MODEL, ALLOWED)
    for version in (1, 2):
        prepare(world, ALLOWED, version)
        go(world, ALLOWED, version)
    world.keys["service"] = SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "automation", world.keys["service"].public, ["automation"])
    return world


def verdict(world, severity="act", kind="concept_drift", version=2, window="2026-02-01"):
    event = health_verdict(window, severity=severity, kind=kind, version=str(version))
    return world.ledger.append(event, model=MODEL, subject=window)


def act(world, under=ALLOWED, by="service"):
    """What the watch does at each tick."""
    done = [
        automation.act(world.ledger, world.registry, under, MODEL, o, world.keys[by], world.verify_artifact)
        for o in due(world.ledger.state(), under, MODEL, world.ledger.clock())
    ]
    return [record for record in done if record is not None]


def whole(world) -> bool:
    return audit_promotions(world.ledger) == [] and not_counted(world.ledger.state()) == []


def test_a_failed_probation_is_rolled_back_at_once_and_once(watched):
    seen = verdict(watched, kind="label_shift")
    (record,) = act(watched)
    assert (record.kind, record.subject, record.event.evidence) == ("rollback", "1", seen.seq)
    assert champion_state(watched.ledger, MODEL).champion == 1
    assert watched.registry.aliases(MODEL)["champion"] == 1
    assert act(watched) == []
    assert whole(watched)


def test_a_verdict_for_which_the_policy_asks_for_suspension_suspends(watched):
    watched.clock.pass_days(1)
    no_probation = policy(
        **RULES | {"release": {"shadow_windows": 0, "rollback_on": "never"}}, automation={"suspend": True}
    )
    adopt(watched.ledger, MODEL, no_probation)
    verdict(watched)
    (record,) = act(watched, no_probation)
    assert record.kind == "suspension"
    assert champion_state(watched.ledger, MODEL).deciding is None
    assert whole(watched)
    resume(watched.ledger, watched.registry, MODEL, watched.keys["risk"], "looked at", watched.verify_artifact)
    assert act(watched, no_probation) == [], "what a person has decided since stands"
    verdict(watched, window="2026-03-01")
    assert [r.kind for r in act(watched, no_probation)] == ["suspension"], "a later window is another occasion"
    assert whole(watched)


def test_an_ended_validation_suspends(watched):
    watched.clock.pass_days(101)
    (record,) = act(watched)
    assert (record.kind, record.event.cause) == ("suspension", "validation_missing")
    assert whole(watched)


@pytest.mark.parametrize(("days", "kinds"), [(0, ["suspension"]), (10, [])], ids=["at once", "within the term"])
def test_a_rejected_validation_suspends_at_the_end_of_the_policys_term(watched, days, kinds):
    under = policy(**RULES, automation={"suspend": True}, validation={"rejection_term_days": days})
    adopt(watched.ledger, MODEL, under)
    record_validation(watched.ledger, watched.keys["second"], under, MODEL, 2, "rejected", "unfit")
    assert [record.kind for record in act(watched, under)] == kinds
    watched.clock.pass_days(11)
    act(watched, under)
    assert champion_state(watched.ledger, MODEL).deciding is None
    assert whole(watched)


def test_a_suspension_by_the_stolen_key_within_the_term_is_named(watched):
    under = policy(**RULES, automation={"suspend": True}, validation={"rejection_term_days": 10})
    adopt(watched.ledger, MODEL, under)
    seen = record_validation(watched.ledger, watched.keys["second"], under, MODEL, 2, "rejected", "unfit")
    stolen(
        watched, Suspension, evidence=seen.seq, policy=under.model_dump(mode="json"), policy_digest=under.digest
    )  # fmt: skip
    assert "let the champion decide until" in audit_promotions(watched.ledger)[0].message


@pytest.mark.parametrize(
    ("severity", "kind", "version"),
    [("watch", "concept_drift", 2), ("none", "none", 2), ("critical", "concept_drift", 1)],
    ids=["not bad enough", "nothing happened", "about another version"],
)
def test_nothing_is_done_that_is_not_called_for(watched, severity, kind, version):
    verdict(watched, severity, kind, version)
    assert act(watched) == []


def test_where_the_policy_asks_a_person_nothing_happens_by_itself(watched):
    adopt(watched.ledger, MODEL, ASKING)
    verdict(watched)
    openings = due(watched.ledger.state(), ASKING, MODEL, watched.ledger.clock())
    assert {o.act for o in openings} == {"rollback", "suspension"}
    assert all("mlops " in o.summary for o in openings)
    assert act(watched, ASKING) == []
    assert champion_state(watched.ledger, MODEL).champion == 2


def test_a_policy_that_waits_for_its_signature_lets_nothing_happen(watched):
    held = policy(**RULES, adoption={"roles": ["model-risk"]})
    adopt(watched.ledger, MODEL, held)
    assert adopt(watched.ledger, MODEL, ALLOWED) is None
    verdict(watched)
    assert act(watched) == []


@pytest.mark.parametrize(
    "attempt",
    [
        lambda w, key: suspend(w.ledger, w.registry, MODEL, key, "because"),
        lambda w, key: rollback(w.ledger, w.registry, MODEL, key, "because", w.verify_artifact),
        lambda w, key: sign_approval(w.ledger, key, MODEL, 2, "because", role="automation"),
        lambda w, key: sign_approval(w.ledger, key, MODEL, 2, "because"),
    ],
    ids=["suspend", "roll back", "approve", "approve without a role"],
)
def test_the_service_key_can_do_nothing_that_people_do(watched, attempt):
    before = len(watched.ledger.records())
    with pytest.raises(NotAllowed):
        attempt(watched, watched.keys["service"])
    assert len(watched.ledger.records()) == before


def test_the_service_key_lets_nothing_decide_again(watched):
    suspend(watched.ledger, watched.registry, MODEL, watched.keys["risk"], "because")
    with pytest.raises(NotAllowed):
        resume(watched.ledger, watched.registry, MODEL, watched.keys["service"], "because", watched.verify_artifact)


@pytest.mark.parametrize("by", ["risk", "developer", "stranger"])
def test_nobody_but_the_service_key_acts_as_it(watched, by):
    verdict(watched)
    with pytest.raises(NotAllowed):
        act(watched, by=by)


def test_a_revoked_service_key_does_nothing(watched):
    revoke(watched.ledger, watched.keys["root"], "automation", "in wrong hands")
    verdict(watched)
    with pytest.raises(NotAllowed, match="revoked"):
        act(watched)


def stolen(world, kind, **about):
    """An act that somebody makes with the stolen service key, past `automation.act`."""
    now = champion_state(world.ledger, MODEL)
    grounds = {
        "cause": "x", "occasion": "y", "evidence": 0,
        "policy_digest": ALLOWED.digest, "policy": ALLOWED.model_dump(mode="json"), **about,
    }  # fmt: skip
    subject = "1" if kind is Rollback else str(now.champion)
    return intervene(
        world.ledger,
        world.registry,
        now,
        kind,
        subject,
        world.keys["service"],
        "because",
        about=grounds,
        roles=("automation",),
    )


def test_an_act_of_the_stolen_key_on_no_ground_is_named(watched):
    stolen(watched, Suspension)
    assert "rests on no record" in audit_promotions(watched.ledger)[0].message


def test_an_act_of_the_stolen_key_on_a_good_verdict_is_named(watched):
    seen = verdict(watched, "watch")
    stolen(watched, Rollback, evidence=seen.seq, former=2, version="1")
    assert "is at watch, and the policy rolls back on act" in audit_promotions(watched.ledger)[0].message


def test_an_act_of_the_stolen_key_under_an_invented_policy_is_named(watched):
    seen = verdict(watched, "watch")
    lax = policy(**RULES, automation={"rollback": True}, retention_days=1)
    stolen(
        watched, Rollback, evidence=seen.seq, former=2, version="1",
        policy=lax.model_dump(mode="json"), policy_digest=lax.digest,
    )  # fmt: skip
    assert any("was not in force" in problem.message for problem in audit_promotions(watched.ledger))


def test_a_claimed_end_of_a_validation_that_still_held_is_named(watched):
    now = champion_state(watched.ledger, MODEL)
    stolen(watched, Suspension, cause="validation_expired", evidence=now.seq)
    assert "nothing called for it then" in audit_promotions(watched.ledger)[0].message


def test_a_resumption_by_the_stolen_key_is_named(watched):
    suspend(watched.ledger, watched.registry, MODEL, watched.keys["risk"], "because")
    stolen(watched, Resumption)
    assert "may not sign resumption" in audit_promotions(watched.ledger)[0].message
