"""A segment is paused alone: by whom, until when, and what becomes of its rows."""

import polars as pl
import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.segments import SegmentError
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.pipeline.stages.window_scorers import decided, scores_of_version, without_decision
from mlops_assets.release import segments
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.interventions import InterventionRefused, suspend
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.world import MODEL, World, policy
from mlops_assets_tests.pipeline.stages.test_window_scorers import CHALLENGER, CHAMPION, CHOSEN
from mlops_assets_tests.training.tables import declare

DECLARED = declare(name=MODEL, features={"code": "categorical", "amount": "numeric", "born": "date"})
TEXAS = "code == 'TX'"


@pytest.fixture
def champion(world) -> World:
    rules = policy(release={"shadow_windows": 0})
    for version in (1, 2):
        world.register(version)
        world.decide(rules, version)
        world.approve(rules, "validator", "risk", version=version)
    promote(world.ledger, world.registry, rules, MODEL, 1, world.verify_artifact)
    return world


def pause(world: World, where: str = TEXAS, by: str = "developer"):
    return segments.pause(world.ledger, world.registry, DECLARED, where, world.keys[by], "floods")


def resume(world: World, where: str = TEXAS, by: str = "validator"):
    return segments.resume(world.ledger, world.registry, MODEL, where, world.keys[by], "they are over")


def paused(world: World) -> list[str]:
    return list(world.ledger.state().model(MODEL).pauses)


def test_an_author_may_pause_and_not_resume(champion):
    assert pause(champion, 'code=="TX"').subject == TEXAS
    assert paused(champion) == [TEXAS]
    with pytest.raises(NotAllowed):
        resume(champion, by="developer")
    resume(champion)
    assert paused(champion) == []
    assert champion.ledger.state().model(MODEL).champion.status == "active"
    assert champion.ledger.state().refused == ()
    pause(champion)
    assert paused(champion) == [TEXAS], "it may be paused again"


def test_a_pause_outlives_the_champion_and_holds_up_no_promotion(champion):
    pause(champion)
    promote(
        champion.ledger, champion.registry, policy(release={"shadow_windows": 0}), MODEL, 2, champion.verify_artifact
    )
    assert paused(champion) == [TEXAS]
    assert audit_promotions(champion.ledger) == []
    suspend(champion.ledger, champion.registry, MODEL, champion.keys["risk"], "all of it")
    resume(champion)


def test_what_is_paused_or_not_is_refused(champion):
    pause(champion)
    with pytest.raises(InterventionRefused, match="are paused since record"):
        pause(champion)
    with pytest.raises(InterventionRefused, match="are not paused; paused are: code == 'TX'"):
        resume(champion, "code == 'CA'")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("state == 'TX'", "expected one of amount, born, code, row id"),
        ("amount == 'TX'", "for a column of numbers"),
        ("born > 3.5", "cannot be compared"),
        ("code > 3", "cannot be compared"),
    ],
)
def test_a_segment_is_held_against_the_declaration_before_it_is_signed(champion, where, why):
    with pytest.raises(SegmentError, match=why):
        pause(champion, where)
    assert paused(champion) == []


def test_the_policys_signatures_hold_for_a_segment(champion):
    both = [{"role": "validator", "count": 1}, {"role": "model-risk", "count": 1}]
    adopt(champion.ledger, MODEL, policy(interventions={"suspension": both}))
    with pytest.raises(NotAllowed):
        pause(champion)
    pause(champion, by="validator")
    assert paused(champion) == []
    with pytest.raises(InterventionRefused, match="has signed this segment_paused already"):
        pause(champion, by="validator")
    pause(champion, by="risk")
    assert paused(champion) == [TEXAS]
    assert champion.ledger.state().model(MODEL).waiting == ()


def test_each_row_has_the_first_record_that_paused_it(champion):
    first, second = pause(champion).seq, pause(champion, "amount > 10").seq
    rows = pl.DataFrame({"code": ["TX", "CA", "TX", None, "CA"], "amount": [1.0, 20.0, 20.0, 1.0, 1.0]})
    pauses = champion.ledger.state().model(MODEL).pauses.values()
    assert segments.paused_rows(rows, pauses).to_list() == [first, second, first, first, None]
    with pytest.raises(SegmentError, match="the rows have no column 'amount'"):
        segments.paused_rows(rows.drop("amount"), pauses)


def test_a_paused_row_has_no_score_and_the_champions_beside_it():
    found = without_decision(decided(CHAMPION, CHALLENGER, CHOSEN), pl.Series([7, None, None], dtype=pl.Int64))
    assert found["paused"].to_list() == [7, None, None]
    assert found["score"].to_list() == [None, 0.7, 0.9]
    assert found["prediction"].to_list() == [None, 1, 1]
    assert found["beside_version"].to_list() == [1, 1, 2]
    assert found["beside_score"].to_list() == [0.1, 0.2, 0.8]
    assert scores_of_version(found, 1).to_list() == [0.1, 0.2, 0.9], "drift sees every row"
