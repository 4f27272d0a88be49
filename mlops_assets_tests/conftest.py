"""What tests of several rooms share: an environment of their own, and a project that was run once."""

import os
import sys
from collections.abc import Iterator

import pytest


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
