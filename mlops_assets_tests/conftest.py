"""What tests of several rooms share: an environment of their own, and a project that was run once."""

import os
import sys
from collections.abc import Iterator

import pytest

SHARED = ("lived",)
"""Fixtures that take a minute to make: the tests that use one run in one process, so that it is made once."""


# Before xdist's own, which reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, where tests run in several processes, what shares a costly fixture; a file is never torn apart."""
    file_of = {item: item.nodeid.split("::")[0] for item in items}
    shares = {file_of[item]: name for item in items for name in SHARED if name in getattr(item, "fixturenames", ())}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(shares.get(file_of[item], file_of[item])))


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
