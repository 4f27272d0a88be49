import pytest

from mlops_assets_tests.governance.world import World, build
from mlops_assets_tests.ledger.postgresql import postgresql_server, postgresql_url  # noqa: F401


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def url(request, tmp_path) -> str:
    """The ledger's address, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("postgresql_url")
