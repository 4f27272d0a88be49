"""A model with the rows and the target of one that people ended or refused is shown as its copy."""

import pytest

from mlops_assets.governance.copies import copies
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.release.interventions import retire
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.assessments import declared
from mlops_assets_tests.governance.world import MODEL, World, build, policy, registration

UNDER = policy(approvals=[], release={"shadow_windows": 0})
OTHER = "reminders"


@pytest.fixture
def world(tmp_path) -> World:
    world = build(tmp_path)
    register(world, MODEL)
    world.decide(UNDER)
    return world


def register(world: World, model: str, **fields) -> None:
    content = declared(model, **fields).model_dump(mode="json")
    world.registry.tags[model, 1] = {}
    event = registration(1, model).model_copy(update={"declaration": content})
    world.ledger.append(event, model=model, subject="1")


def found(world: World, data: str | None = None, **fields) -> list[tuple[str, str, str]]:
    content = declared(OTHER, **fields).model_dump(mode="json")
    return [(c.model, c.ended, c.same) for c in copies(world.ledger.state(), OTHER, content, data)]


def end(world: World) -> None:
    promote(world.ledger, world.registry, UNDER, MODEL, 1, world.verify_artifact)
    retire(world.ledger, world.registry, MODEL, world.keys["risk"], "replaced by a rule")


def test_a_model_beside_one_that_lives_is_no_copy(world):
    assert found(world) == []


def test_of_a_retired_model(world):
    end(world)
    assert found(world) == [(MODEL, "retired", "source and target")]


def test_of_a_model_that_people_rejected(world):
    from mlops_assets.governance.approvals import sign_approval

    sign_approval(world.ledger, world.keys["risk"], MODEL, 1, "it harms people", "reject", policy=UNDER)
    assert found(world) == [(MODEL, "rejected", "source and target")]


@pytest.mark.parametrize(
    ("fields", "copied"),
    [
        ({"purpose": "Something else altogether."}, True),
        ({"features": {"income": "numeric"}}, True),
        ({"source": {"path": "data/loans.parquet", "asset": "warehouse/loans"}}, True),
        ({"source": {"path": "data/cards.parquet"}}, False),
        ({"target": {"column": "paid", "positive": 1, "favourable": "positive"}}, False),
    ],
    ids=["another purpose", "other inputs", "an asset of the same table", "another table", "another target"],
)
def test_what_makes_a_copy(world, fields, copied):
    end(world)
    assert bool(found(world, **fields)) is copied


def test_the_same_rows_from_elsewhere_are_known_by_their_digest(world):
    end(world)
    data = registration(1, MODEL).data_digest
    assert found(world, data, source={"path": "elsewhere.csv"}) == [(MODEL, "retired", "training data and target")]


def test_the_promotion_of_a_copy_says_so(world):
    end(world)
    register(world, OTHER)
    world.decide(UNDER, model=OTHER)
    event = promote(world.ledger, world.registry, UNDER, OTHER, 1, world.verify_artifact).record.event
    assert isinstance(event, Promotion)
    assert [(copy.model, copy.ended) for copy in event.copies] == [(MODEL, "retired")]
