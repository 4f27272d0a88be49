from datetime import timedelta

import pytest

from mlops_assets.governance.findings import close_finding, record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.ledger.events.champion import Resumption
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.interventions import InterventionRefused, intervene, resume, rollback, suspend
from mlops_assets.release.oversight import due
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.made import health_verdict

POLICY = policy(validity_days=100)


def prepare(world, under=POLICY, version=1):
    world.register(version)
    world.decide(under, version)
    world.approve(under, "validator", "risk", version=version)


def go(world, under=POLICY, version=1):
    return promote(world.ledger, world.registry, under, MODEL, version, world.verify_artifact)


def validate(world, outcome="approved", under=POLICY, **more):
    return record_validation(world.ledger, world.keys["second"], under, MODEL, 1, outcome, "examined", **more)


def test_a_rejected_version_is_not_promoted(world):
    prepare(world)
    validate(world, "rejected")
    with pytest.raises(PromotionRefused, match="second rejected it in validation"):
        go(world)


def test_an_expired_validation_promotes_nothing(world):
    prepare(world)
    validate(world)
    world.clock.pass_days(101)
    with pytest.raises(PromotionRefused, match=r"its validation .* expired"):
        go(world)
    assert validate(world).seq == go(world).record.event.validation
    assert audit_promotions(world.ledger) == []


def test_a_required_validation_must_be_there(world):
    strict = policy(validation={"required": True})
    prepare(world, strict)
    with pytest.raises(PromotionRefused, match="no validation is on record"):
        go(world, strict)
    validate(world, under=strict)
    assert go(world, strict).version == 1


def test_a_promotion_written_past_a_rejection_is_named(world):
    prepare(world)
    first = go(world).record.event
    prepare(world, version=2)
    record_validation(world.ledger, world.keys["second"], POLICY, MODEL, 2, "rejected", "no")
    about = world.ledger.latest("version_registered").digest
    world.ledger.append(
        first.model_copy(update={"former": 1, "digests": {"registration": about}}), model=MODEL, subject="2"
    )
    assert any("rejected it in validation" in p.message for p in audit_promotions(world.ledger))


@pytest.mark.parametrize("validated", [True, False], ids=["a validation", "never validated"])
def test_what_ended_raises_an_incident_once(world, validated):
    prepare(world)
    if validated:
        validate(world)
    go(world)
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []
    world.clock.pass_days(101)
    (opening,) = due(world.ledger.state(), POLICY, MODEL, world.ledger.clock())
    kind = "validation_expired" if validated else "validation_missing"
    assert (opening.kind, opening.severity, opening.actions) == (kind, "act", ("incident",))
    expected = "the validation of version 1" if validated else "version 1 was promoted 100 days ago"
    assert opening.summary.startswith(expected)
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock())[0].occasion == opening.occasion
    if validated:
        validate(world)
        assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []


@pytest.mark.parametrize(
    ("actions", "expected"), [([], []), (["none"], []), (["watch"], ["watch"]), (["incident", "suspend"], ["act"])]
)
def test_the_policy_says_what_is_done(world, actions, expected):
    under = policy(validity_days=100, response={"validation_expired": actions})
    prepare(world, under)
    go(world, under)
    world.clock.pass_days(101)
    assert [opening.severity for opening in due(world.ledger.state(), under, MODEL, world.ledger.clock())] == expected


def test_a_model_that_decides_nothing_expires_nothing(world):
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []
    prepare(world)
    go(world)
    suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "odd")
    world.clock.pass_days(101)
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []


@pytest.mark.parametrize(("severity", "expected"), [("critical", "act"), ("high", "act"), ("low", "watch")])
def test_an_overdue_finding_raises_an_incident_until_it_is_closed(world, severity, expected):
    world.register()
    deadline = world.clock.now + timedelta(days=5)
    identity = record_finding(
        world.ledger, world.keys["validator"], MODEL, severity, "weak data", "developer", deadline
    ).subject
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []
    world.clock.pass_days(6)
    (opening,) = due(world.ledger.state(), POLICY, MODEL, world.ledger.clock())
    assert (opening.kind, opening.severity, opening.happened_at) == ("finding_overdue", expected, deadline)
    assert "developer must answer" in opening.summary
    close_finding(world.ledger, world.keys["second"], MODEL, identity, "done")
    assert due(world.ledger.state(), POLICY, MODEL, world.ledger.clock()) == []


def verdict(world, window, severity, version=2):
    event = health_verdict(window, severity=severity, kind="concept_drift", version=str(version))
    world.ledger.append(event, model=MODEL, subject=window)


@pytest.fixture
def on_probation(world):
    """Version 2 is champion, 1 stands ready; the first two windows are its probation."""
    for version in (1, 2):
        prepare(world, version=version)
        go(world, version=version)
    return world


PROBATION = policy(validity_days=100, release={"probation_windows": 2, "rollback_on": "act"})


@pytest.mark.parametrize(
    ("verdicts", "found", "why"),
    [
        ([("2020-01-01", "act")], ["2020-01-01"], "bad enough"),
        ([("2020-01-01", "watch"), ("2020-02-01", "critical")], ["2020-02-01"], "the second window counts"),
        ([("2020-01-01", "none"), ("2020-02-01", "none"), ("2020-03-01", "critical")], [], "probation was over"),
        ([("2020-01-01", "watch"), ("2020-02-01", "not_measurable")], [], "not bad enough, not measurable"),
        ([("2020-01-01", "act"), ("2020-01-01", "none")], [], "judged again, and well"),
    ],
)
def test_a_probation_that_was_not_passed_calls_for_a_rollback(on_probation, verdicts, found, why):
    for window, severity in verdicts:
        verdict(on_probation, window, severity)
    openings = due(on_probation.ledger.state(), PROBATION, MODEL, on_probation.ledger.clock())
    assert [opening.occasion for opening in openings] == found, why
    assert all("mlops rollback loans" in opening.summary for opening in openings)


def test_probation_is_of_the_champion_and_ends_with_the_rollback(on_probation):
    verdict(on_probation, "2020-01-01", "critical", version=1)
    assert due(on_probation.ledger.state(), PROBATION, MODEL, on_probation.ledger.clock()) == []
    verdict(on_probation, "2020-01-01", "critical")
    never = policy(validity_days=100, release={"rollback_on": "never"})
    assert due(on_probation.ledger.state(), never, MODEL, on_probation.ledger.clock()) == []
    assert [
        opening.kind for opening in due(on_probation.ledger.state(), PROBATION, MODEL, on_probation.ledger.clock())
    ] == ["probation_failed"]
    rollback(
        on_probation.ledger,
        on_probation.registry,
        MODEL,
        on_probation.keys["risk"],
        "worse",
        on_probation.verify_artifact,
    )
    assert due(on_probation.ledger.state(), PROBATION, MODEL, on_probation.ledger.clock()) == []


@pytest.mark.parametrize(("days", "passed"), [(0, 0), (30, 31)], ids=["at once", "after the term"])
def test_a_rejected_champion_is_an_incident_and_suspended_at_the_end_of_the_term(world, days, passed):
    under = policy(validity_days=100, validation={"rejection_term_days": days})
    prepare(world, under)
    go(world, under)
    validate(world, "rejected", under)
    (first,) = due(world.ledger.state(), under, MODEL, world.ledger.clock())
    assert (first.kind, first.act) == ("validation_rejected", "" if days else "suspension")
    assert "second rejected version 1 in validation" in first.summary
    world.clock.pass_days(passed)
    (last,) = due(world.ledger.state(), under, MODEL, world.ledger.clock())
    assert (last.kind, last.severity, last.act) == ("validation_rejected", "critical", "suspension")
    assert (last.cause != first.cause) == bool(days), "the end of the term is an incident of its own"
    validate(world, "approved", under)
    assert due(world.ledger.state(), under, MODEL, world.ledger.clock()) == []


def test_a_rejected_version_decides_again_only_after_another_validation(on_probation):
    world = on_probation
    key = world.keys["risk"]
    validate(world, "rejected")
    with pytest.raises(InterventionRefused, match="version 1 was rejected in validation by second"):
        rollback(world.ledger, world.registry, MODEL, key, "worse", world.verify_artifact)
    record_validation(world.ledger, world.keys["second"], POLICY, MODEL, 2, "rejected", "no")
    suspend(world.ledger, world.registry, MODEL, key, "rejected")
    with pytest.raises(InterventionRefused, match="version 2 was rejected"):
        resume(world.ledger, world.registry, MODEL, key, "go on", world.verify_artifact)
    record_validation(world.ledger, world.keys["second"], POLICY, MODEL, 2, "approved", "repaired")
    resume(world.ledger, world.registry, MODEL, key, "go on", world.verify_artifact)
    assert world.ledger.state().model(MODEL).champion.deciding == 2


def test_a_resumption_of_a_rejected_version_past_the_function_counts_for_nothing(world):
    prepare(world)
    go(world)
    suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "odd")
    validate(world, "rejected")
    now = world.ledger.state().model(MODEL).champion
    intervene(world.ledger, world.registry, now, Resumption, "1", world.keys["risk"], "because")
    assert world.ledger.state().model(MODEL).champion.deciding is None
    assert "rejected in validation" in world.ledger.state().refused[-1].reason
