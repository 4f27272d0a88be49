"""One packet for all tests that only look at it."""

from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import write_packet
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.evidence.packet.made import approved, live, parts, usual
from mlops_assets_tests.governance.world import MODEL, World


@pytest.fixture(scope="session")
def packet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World, Policy]:
    folder = tmp_path_factory.mktemp("bank")
    world, rules = live(folder)
    path = folder / "packet.zip"
    write_packet(path, world.ledger, MODEL, "1", parts(rules))
    return path, world, rules


@pytest.fixture(scope="session")
def unpromoted(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which version 1 was approved and not promoted; to be copied, and changed there."""
    return approved(tmp_path_factory.mktemp("bank"), usual())
