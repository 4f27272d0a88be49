"""What failed too often opens one incident, and another one when it fails again after that was closed."""

from types import SimpleNamespace
from typing import cast

import pytest

from mlops_assets.pipeline.due import Due, last_closed, open_failure
from mlops_assets.pipeline.failures import give_up
from mlops_assets.platform import Platform
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import close
from mlops_assets_tests.governance.world import MODEL, World, build

TRAINING = Due(MODEL, "training", "it drifted", "r-1/abc/closed-0", request="r-1")
RELEASE = Due(MODEL, "release", "nothing is missing", "2/abc/7", version="2")


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


def fail(world: World, due: Due, reason: str = "no space left on device") -> str:
    return give_up(cast(Platform, SimpleNamespace(ledger=world.ledger)), due, reason).id


@pytest.mark.parametrize(
    ("due", "summary"),
    [
        (TRAINING, "the training failed 3 times: no space left on device."),
        (RELEASE, "the release of version 2 failed 3 times: no space left on device."),
    ],
)
def test_the_incident_says_what_failed_and_what_to_do(world, due, summary):
    identity = fail(world, due)
    incident = world.ledger.state().model(MODEL).incidents[identity]
    assert incident.summary.startswith(summary)
    assert incident.summary.endswith("close this incident; it is then tried again.")


def test_while_it_is_open_the_same_failure_opens_no_other(world):
    assert fail(world, TRAINING) == fail(world, TRAINING, "another reason")
    assert fail(world, RELEASE) != fail(world, TRAINING), "another run is another cause"


def test_closed_it_is_tried_again_and_a_further_failure_opens_it_again(world):
    first = fail(world, TRAINING)
    assert open_failure(world.ledger.state().model(MODEL), TRAINING.cause) is not None
    close(world.ledger, world.keys["validator"], IncidentRule(), first, "true", "the disk was emptied")
    state = world.ledger.state().model(MODEL)
    assert open_failure(state, TRAINING.cause) is None
    assert last_closed(state, TRAINING.cause) == world.ledger.last().seq
    assert fail(world, TRAINING) == first
    state = world.ledger.state().model(MODEL)
    assert open_failure(state, TRAINING.cause) is not None
    assert len(state.incidents[first].earlier) == 1
    close(world.ledger, world.keys["validator"], IncidentRule(), first, "true", "it was another disk")
    assert last_closed(world.ledger.state().model(MODEL), TRAINING.cause) == world.ledger.last().seq


def test_a_failure_without_a_message_is_still_an_incident(world):
    identity = fail(world, TRAINING, "  \n ")
    assert "failed without a message" in world.ledger.state().model(MODEL).incidents[identity].summary
