import pytest

from mlops_assets_tests.governance.world import World, build


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)
