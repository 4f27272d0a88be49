"""The steps of the ladder by policy: rows, growing shares, tests that must pass, signatures, A/B, and where it begins again.

What `climb` says is held against the stand-alone verifier, which follows the records by itself.
"""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from mlops_assets.evidence.packet.verifier_history import history_of
from mlops_assets.evidence.packet.verifier_ladder import check_ladder
from mlops_assets.evidence.packet.verifier_signatures import Wrong
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.policy import Policy
from mlops_assets.release.ladder import Step, climb
from mlops_assets.release.promotion import promote
from mlops_assets.release.steps import StepRefused, sign_step
from mlops_assets_tests.governance.world import MODEL, World, policy

NONE = {"release": {"shadow_windows": 0}}
CANARY = {"shadow_windows": 0, "canary_windows": 1, "canary_shares": [0.1, 0.4]}
SIGNED = {"shadow_windows": 1, "advance": "signed", "advance_roles": ["model-risk"]}
AB = {"shadow_windows": 0, "takeover": "ab", "ab_windows": 2, "ab_share": 0.5}


def rules(**release: Any) -> Policy:
    return policy(release=release)


@pytest.fixture
def beside(world):
    """Version 1 is champion, and version 2 was registered."""
    first = policy(**NONE)
    world.register(1, time=True)
    world.decide(first)
    world.approve(first, "validator", "risk")
    promote(world.ledger, world.registry, first, MODEL, 1, world.verify_artifact)
    world.register(2, time=True)
    return world


def where(world: World, rules: Policy, version: int = 2) -> Step:
    return climb(world.ledger.state().model(MODEL), rules, version)


def seen(world: World, window: str, share: float = 0.0, version: int = 2, rows: int = 100, **more: Any) -> None:
    world.score(window, version, canary_share=share or None, rows=rows, **more)


def check(name: str, outcome: str, **more: Any) -> LadderCheck:
    return LadderCheck(name=name, outcome=outcome, reason=f"{name} was {outcome}", **more)


def judged(world: World, window: str, *checks: LadderCheck, version: int = 2, champion: int = 1) -> None:
    outcomes = {one.outcome for one in checks}
    outcome = "failed" if "failed" in outcomes else "passed"
    event = LadderTested(
        window=date.fromisoformat(window), champion=champion, canary_share=0.0, outcome=outcome, tests=checks,
        policy_digest="b" * 64,
    )  # fmt: skip
    world.ledger.append(event, model=MODEL, subject=str(version))


def test_shares_grow_step_by_step(beside):
    at = rules(**CANARY)
    assert where(beside, at).share == 0.1
    seen(beside, "2026-02-01", 0.1)
    assert (where(beside, at).share, where(beside, at).label) == (0.4, "canary 0.4")
    seen(beside, "2026-03-01", 0.4)
    assert where(beside, at).name == "top"


def test_a_window_at_a_larger_share_counts_for_every_smaller_one(beside):
    seen(beside, "2026-02-01", 0.4)
    assert where(beside, rules(**CANARY)).name == "top"


def test_a_step_has_a_least_number_of_rows(beside):
    at = rules(shadow_windows=1, shadow_rows=150, canary_rows=30, canary_shares=[0.2])
    seen(beside, "2026-02-01")
    assert (
        where(beside, at).reason == "scored 1 of 1 windows and 100 of 150 rows in shadow; it decides nothing until then"
    )
    seen(beside, "2026-03-01")
    assert where(beside, at).label == "canary 0.2"
    seen(beside, "2026-04-01", 0.2, challenger_rows=19)
    assert "19 of 30 rows as a canary" in where(beside, at).reason
    seen(beside, "2026-05-01", 0.2, challenger_rows=11)
    assert where(beside, at).name == "top"


def test_a_test_that_must_pass_holds_the_step_until_it_has(beside):
    at = rules(shadow_windows=1, must_pass=["performance"])
    seen(beside, "2026-02-01")
    judged(beside, "2026-02-01", check("agreement", "passed"), check("performance", "not_measurable"))
    assert "not passed in any of them: performance" in where(beside, at).reason
    judged(beside, "2026-02-01", check("performance", "passed"))
    assert where(beside, at).name == "top"


def test_blue_green_takes_over_after_the_shadow_whatever_the_canary_says(beside):
    at = rules(takeover="blue_green", shadow_windows=1, canary_windows=3)
    seen(beside, "2026-02-01")
    assert where(beside, at).name == "top"


def test_a_failed_test_sends_back_or_lets_it_begin_again(beside):
    again, back = rules(**CANARY, failed_test="repeat"), rules(**CANARY)
    seen(beside, "2026-02-01", 0.1)
    judged(beside, "2026-02-01", check("speed", "failed"))
    assert where(beside, back).name == "sent_back"
    step = where(beside, again)
    assert (step.label, step.share) == ("canary 0.1", 0.1)
    assert "it began again after the window 2026-02-01, where it failed: speed" in step.reason
    seen(beside, "2026-03-01", 0.4)
    assert where(beside, again).name == "top"


def test_a_step_waits_for_a_signature_by_somebody_who_may(beside):
    at = rules(**SIGNED)
    with pytest.raises(StepRefused, match="scored 0 of 1 windows"):
        sign_step(beside.ledger, at, MODEL, 2, beside.keys["risk"], "looks right")
    seen(beside, "2026-02-01")
    assert where(beside, at).to_sign
    for person in ("validator", "developer"):
        with pytest.raises(NotAllowed):
            sign_step(beside.ledger, at, MODEL, 2, beside.keys[person], "looks right")
    record = sign_step(beside.ledger, at, MODEL, 2, beside.keys["risk"], "looks right")
    assert (record.event.step, record.event.champion) == ("shadow", 1)
    assert where(beside, at).name == "top"
    with pytest.raises(StepRefused, match="stands on no step"):
        sign_step(beside.ledger, at, MODEL, 2, beside.keys["risk"], "once more")


def test_a_signature_given_before_the_step_was_full_does_not_count(beside):
    seen(beside, "2026-02-01")
    sign_step(beside.ledger, rules(**SIGNED), MODEL, 2, beside.keys["risk"], "looks right")
    longer = rules(**{**SIGNED, "shadow_windows": 2})
    seen(beside, "2026-03-01")
    assert where(beside, longer).to_sign


def test_an_ab_test_decides_once_by_its_windows_together(beside):
    at = rules(**AB)
    for window, value in (("2026-02-01", 0.02), ("2026-03-01", -0.01)):
        assert where(beside, at).share == 0.5
        seen(beside, window, 0.5)
        assert where(beside, at).name == "ab", "its outcomes are not known"
        judged(beside, window, check("ab", "passed", value=value, error=0.005, rows=50))
    assert where(beside, at).name == "top"
    # What comes later is not looked at: it would be another look at the same question.
    seen(beside, "2026-04-01", 0.5)
    judged(beside, "2026-04-01", check("ab", "passed", value=-0.9, error=0.001, rows=50))
    assert where(beside, at).name == "top"


@pytest.mark.parametrize("failed_test", ["send_back", "repeat"])
def test_an_ab_test_that_cannot_rule_out_a_loss_fails_and_states_its_power(beside, failed_test):
    at = rules(**AB, failed_test=failed_test)
    for window in ("2026-02-01", "2026-03-01"):
        seen(beside, window, 0.5)
        judged(beside, window, check("ab", "passed", value=0.0, error=0.05, rows=50))
    step = where(beside, at)
    assert step.name == ("sent_back" if failed_test == "send_back" else "ab")
    if step.name == "sent_back":
        # 0.05 / √2 is the error of two windows: (1.645 + 0.842) times that.
        assert "with a power of 80% an equal version passes from a margin of 0.0879 on" in step.reason


TESTS = ("performance", "speed", "agreement")


def at_random(generator: random.Random) -> dict[str, Any]:
    return {
        "takeover": generator.choice(["canary", "ab", "canary", "blue_green", "ab"]),
        "shadow_windows": generator.choice([0, 1, 2]), "shadow_rows": generator.choice([0, 0, 150]),
        "canary_windows": generator.choice([0, 1]), "canary_rows": generator.choice([0, 0, 15]),
        "canary_shares": generator.choice([[0.1], [0.1, 0.4]]),
        "ab_windows": generator.choice([1, 2]), "ab_rows": generator.choice([0, 60]),
        "advance": generator.choice(["automatic", "automatic", "signed"]),
        "must_pass": generator.choice([[], [], ["performance"]]),
        "failed_test": generator.choice(["send_back", "repeat"]),
    }  # fmt: skip


def climbing(world: World, at: Policy, version: int, generator: random.Random) -> None:
    """Some windows at the shares that the policy asks for, and sometimes at others, with tests and signatures."""
    day = date(2026, 2, 1)
    for _ in range(generator.randint(1, 5)):
        step = where(world, at, version)
        share = step.share if generator.random() < 0.8 else generator.choice([0.0, 0.1, 0.4, 0.5])
        seen(world, day.isoformat(), share, version)
        checks = [check(n, generator.choices(["passed", "failed", "not_measurable"], [6, 1, 2])[0]) for n in TESTS]
        if share:
            value = generator.choice([0.05, -0.05])
            checks.append(check("ab", "passed", value=value, error=0.01, rows=round(share * 100)))
        judged(world, day.isoformat(), *checks, version=version)
        if at.release.advance == "signed" and where(world, at, version).to_sign and generator.random() < 0.8:
            sign_step(world.ledger, at, MODEL, version, world.keys["risk"], "looks right")
        day += timedelta(days=31)


def test_the_verifier_follows_the_ladder_as_promotion_does(beside):
    generator, outcomes = random.Random(3), []
    policies = {version: rules(**at_random(generator)) for version in range(3, 31)}
    for version, at in policies.items():
        beside.register(version, time=True)
        climbing(beside, at, version, generator)
    state = beside.ledger.state().model(MODEL)
    rows = [
        {"seq": r.seq, "kind": r.kind, "model": r.model, "subject": r.subject, "body": r.event.body()}
        for r in beside.ledger.records()
    ]
    signed = {r["seq"]: (r["body"]["person"], {}, r["body"]) for r in rows if r["kind"] == "ladder_step_signed"}
    for version, at in policies.items():
        registered = next(r for r in rows if (r["kind"], r["subject"]) == ("version_registered", str(version)))
        promotion = {"seq": 9999, "kind": "promotion", "subject": str(version), "body": {}}
        step = climb(state, at, version)
        try:
            check_ladder(
                history_of(rows, signed, MODEL),
                signed,
                promotion,
                at.model_dump(mode="json"),
                registered,
                {"champion": 1},
            )
            said = ""
        except Wrong as wrong:
            said = str(wrong)
        assert bool(said) == step.waiting, (at.release, step, said)
        outcomes.append(step.name)
    assert {"top", "sent_back", "shadow", "canary", "ab"} <= set(outcomes)
