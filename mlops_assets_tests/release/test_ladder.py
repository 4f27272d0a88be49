from datetime import date

import pytest

from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.judgements import Approval, GateDecided
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.ladder import climb
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets_tests.governance.world import MODEL, World, policy
from mlops_assets_tests.ledger.raw import raw

POLICY = policy(release={"shadow_windows": 2, "canary_windows": 1, "canary_shares": [0.25]})


def prepare(world: World, version: int, time: bool = True) -> None:
    world.register(version, time=time)
    world.decide(POLICY, version)
    world.approve(POLICY, "validator", "risk", version=version)


def go(world: World, version: int):
    return promote(world.ledger, world.registry, POLICY, MODEL, version, world.verify_artifact)


@pytest.fixture
def beside(world):
    """Version 1 is champion; version 2 passed everything and was seen in nothing."""
    prepare(world, 1)
    go(world, 1)
    prepare(world, 2)
    return world


def test_the_first_champion_climbs_nothing(world):
    prepare(world, 1)
    assert climb(world.ledger.state().model(MODEL), POLICY, 1).name == "none"
    assert go(world, 1).record.event.ladder.step == "none"


def test_the_whole_way_up(beside):
    def where():
        step = climb(beside.ledger.state().model(MODEL), POLICY, 2)
        return step.name, step.seen, step.asked, step.share

    assert where() == ("shadow", 0, 2, 0.0)
    beside.score("2020-01-01", 2)
    assert where() == ("shadow", 1, 2, 0.0)
    beside.score("2020-02-01", 2)
    assert where() == ("canary", 0, 1, 0.25)
    with pytest.raises(PromotionRefused, match=r"on the ladder .canary.: decided 25% of the rows of 0 of 1"):
        go(beside, 2)
    beside.score("2020-03-01", 2, canary_share=0.25)
    assert where() == ("top", 3, 3, 0.0)
    assert go(beside, 2).record.event.ladder.step == "top"
    assert audit_promotions(beside.ledger) == []


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        ([], "none was scored"),
        ([("2020-01-01", 2, 100)], "one is not two"),
        ([("2020-01-01", 2, 100), ("2020-01-01", 2, 100)], "the same window, scored twice"),
        ([("2020-01-01", 3, 100), ("2020-02-01", 3, 100)], "another challenger"),
        ([("2020-01-01", None, 100), ("2020-02-01", None, 100)], "the champion alone"),
        ([("2020-01-01", 2, 0), ("2020-02-01", 2, 0)], "windows without a row"),
    ],
)
def test_no_path_leads_past_the_shadow(beside, windows, why):
    for window, challenger, rows in windows:
        beside.score(window, challenger, rows=rows)
    with pytest.raises(PromotionRefused, match=r"on the ladder .shadow.: scored [01] of 2"):
        go(beside, 2)
    assert beside.registry.aliases(MODEL)["champion"] == 1, why


def test_windows_of_another_model_do_not_count(beside):
    for window in ("2020-01-01", "2020-02-01"):
        beside.score(window, 2, model="cards")
    assert climb(beside.ledger.state().model(MODEL), POLICY, 2).seen == 0


def test_data_without_time_has_no_ladder(world):
    for version in (1, 2):
        prepare(world, version, time=False)
        assert go(world, version).version == version


def test_a_version_registered_without_its_declaration_does_not_escape(beside):
    body = {k: v for k, v in beside.ledger.latest("version_registered").event.body().items() if k != "declaration"}
    beside.ledger.append(raw("version_registered", body), model=MODEL, subject="3")
    with pytest.raises(PromotionRefused, match="version 3: the ledger has no registration of it"):
        go(beside, 3)


def test_a_canary_alone_needs_no_shadow(beside):
    step = climb(beside.ledger.state().model(MODEL), policy(release={"shadow_windows": 0, "canary_windows": 1}), 2)
    assert (step.name, step.share) == ("canary", 0.1)


def past_promote(beside: World) -> None:
    """A promotion of version 2 of which all that it rests on is its own and counted, but for the ladder."""
    first = beside.ledger.latest_of(Promotion).event
    named = {
        "former": 1,
        "decisions": tuple(r.seq for r in beside.ledger.of(GateDecided, model=MODEL, subject="2")),
        "approvals": tuple(r.seq for r in beside.ledger.of(Approval, model=MODEL, subject="2")),
    }
    beside.ledger.append(first.model_copy(update=named), model=MODEL, subject="2")


def test_a_promotion_written_past_the_ladder_is_named(beside):
    past_promote(beside)
    assert ["on the ladder (shadow)" in p.message for p in audit_promotions(beside.ledger)] == [True]


def test_the_past_is_seen_as_it_was(beside):
    then = beside.clock.now
    beside.clock.pass_days(1)
    beside.score("2020-01-01", 2)
    assert climb(beside.ledger.state(then).model(MODEL), POLICY, 2).seen == 0
    assert climb(beside.ledger.state().model(MODEL), POLICY, 2).seen == 1


def beside_champion(world: World, window: str, outcome: str, champion: int = 1) -> None:
    event = LadderTested(
        window=date.fromisoformat(window), champion=champion, canary_share=0.0, outcome=outcome,
        tests=(LadderCheck(name="performance", outcome=outcome, reason="AUC fell by 0.05"),), policy_digest=POLICY.digest,
    )  # fmt: skip
    world.ledger.append(event, model=MODEL, subject="2")


def climbed(world: World) -> None:
    for window, share in (("2020-01-01", 0.0), ("2020-02-01", 0.0), ("2020-03-01", 0.25)):
        world.score(window, 2, canary_share=share)


def test_a_challenger_that_failed_beside_the_champion_is_sent_back(beside):
    climbed(beside)
    beside_champion(beside, "2020-01-01", "passed")
    beside_champion(beside, "2020-02-01", "failed")
    step = climb(beside.ledger.state().model(MODEL), POLICY, 2)
    assert (step.name, step.share, step.waiting) == ("sent_back", 0.0, True)
    with pytest.raises(
        PromotionRefused, match=r"it was sent back: it failed beside version 1 in the window 2020-02-01"
    ):
        go(beside, 2)
    # Outcomes were corrected, and the window was judged again.
    beside_champion(beside, "2020-02-01", "passed")
    assert go(beside, 2).record.event.ladder.step == "top"
    assert audit_promotions(beside.ledger) == []


def test_a_test_beside_a_former_champion_sends_nobody_back(beside):
    climbed(beside)
    beside_champion(beside, "2020-02-01", "failed", champion=7)
    assert climb(beside.ledger.state().model(MODEL), POLICY, 2).name == "top"


@pytest.mark.parametrize("outcome", ["failed", "not_measurable"])
def test_a_promotion_written_past_a_failed_test_is_named(beside, outcome):
    climbed(beside)
    beside_champion(beside, "2020-02-01", outcome)
    past_promote(beside)
    said = [p.message for p in audit_promotions(beside.ledger)]
    assert ["it was sent back" in text for text in said] == ([True] if outcome == "failed" else [])
