import pytest

from mlops_assets_tests.evidence.conftest import clock, ledger, life, people_alone, written
from mlops_assets_tests.governance.world import World, build

__all__ = ["clock", "ledger", "life", "people_alone", "world", "written"]


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)
