"""What tests of several rooms share: an environment of their own, and a project that was run once."""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.effort import examples_for_all

examples_for_all()
MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
"""Bytes that must be free there."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep what the tests write in memory, where there is a file system for it with room.

    Databases commit thousands of times, and each commit waits for the disk otherwise. Processes are killed in tests, the
    machine is not: nothing that a test looks at depends on the disk. Whoever sets TMPDIR or --basetemp has it there.
    """
    if hasattr(config, "workerinput") or "TMPDIR" in os.environ:
        return
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests over drawn examples."""
    if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
        item.add_marker(pytest.mark.soak)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, put the long ones first, so that all end at about the same time."""
    if hasattr(config, "workerinput"):
        from mlops_assets_tests.units import SHARED, unit

        order = list(SHARED)

        def turn(item: pytest.Item) -> int:
            if (shared := unit(item.nodeid.split("::")[0])) in SHARED:
                return order.index(shared)
            return len(order) + (item.get_closest_marker("integration") is None)

        items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole files, in the order above."""
    from mlops_assets_tests.units import Units

    config.option.loadscopereorder = False
    return Units(config, log)


@pytest.fixture(scope="session", autouse=True)
def own_environment() -> Iterator[None]:
    """The stores of a tested project lie in its own folder, whatever the caller's environment says."""
    kept = {name: os.environ.pop(name, None) for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI")}
    dagster_home = os.environ.get("DAGSTER_HOME")
    yield
    os.environ.update({name: value for name, value in kept.items() if value is not None})
    if dagster_home is None:
        os.environ.pop("DAGSTER_HOME", None)
    else:
        os.environ["DAGSTER_HOME"] = dagster_home


@pytest.fixture(scope="session")
def lived(tmp_path_factory):
    """The small project with all its models, run to the end. Only looked at, never changed."""
    # Imported late: most tests need none of it, and it brings Dagster with it.
    from mlops_assets_tests.integration.lives import live
    from mlops_assets_tests.integration.small_project import write_project

    root = tmp_path_factory.mktemp("lived")
    sys.path.insert(0, str(root))
    yield live(write_project(root))
    sys.path.remove(str(root))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Any]:
    """One server for all tests of a process."""
    from mlops_assets_tests.postgresql import server_of_its_own

    with server_of_its_own() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> str:
    """A database of its own for each test."""
    name = f"ledger_{uuid.uuid4().hex[:12]}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    return postgresql_server.get_uri(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The ledger's address, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A ledger with its people, a registry and a clock that the test moves."""
    from mlops_assets_tests.governance.world import build

    return build(tmp_path)
