"""Lifecycles that are run once and looked at by many tests; the undisturbed one is in the conftest above."""

import sys
from collections.abc import Iterator

import pytest

from mlops_assets_tests.integration.lives import Champions, Lived, live
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, write_project


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> Iterator[Lived]:
    """A project whose models have their first champion and no window yet, to do harm to."""
    root = tmp_path_factory.mktemp("attacked")
    sys.path.insert(0, str(root))
    yield live(write_project(root, TIMED, SNAPSHOT), Champions)
    sys.path.remove(str(root))
