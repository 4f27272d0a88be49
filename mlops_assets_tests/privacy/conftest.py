"""One life for the tests of this folder; each test does what it does to a copy."""

import shutil

import pytest

from mlops_assets_tests.privacy.stored import Stored, lived


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Stored:
    return lived(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def stored(once, tmp_path) -> Stored:
    once.ledger.close()
    shutil.copytree(once.folder, tmp_path, dirs_exist_ok=True)
    return once.copy(tmp_path)
