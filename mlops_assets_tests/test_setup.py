"""A fresh project is made ready, and making it ready again changes nothing."""

import stat
from pathlib import Path

import pytest

from mlops_assets.inspection.versions import artifact_public_key
from mlops_assets.ledger.keys import key_path, public_path
from mlops_assets.platform import ARTIFACT_KEY, Platform
from mlops_assets.setup import ROOT_KEY, enrol_missing, prepare
from mlops_assets.training.artifact import ArtifactError
from mlops_assets_tests.integration.small_project import SNAPSHOT, write_project

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Platform:
    monkeypatch = pytest.MonkeyPatch()
    for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    opened = Platform.load(write_project(tmp_path_factory.mktemp("fresh"), SNAPSHOT, rows=10))
    assert opened.home.root == opened.project.root / ".mlops"
    monkeypatch.undo()
    prepare(opened)
    return opened


def test_what_is_there_afterwards(platform):
    home = platform.home
    assert (home.dagster / "dagster.yaml").read_bytes() == (platform.project.root / "dagster.yaml").read_bytes()
    assert (home.mlflow / "mlflow.db").is_file()
    assert [r.subject or r.body for r in platform.ledger.records(kind="person_enrolled")]
    assert platform.ledger.verify() == []


def test_private_keys_are_for_their_owner_alone(platform):
    for key in platform.home.keys.glob("*.pem"):
        if not key.name.endswith(".pub.pem"):
            assert stat.S_IMODE(key.stat().st_mode) == 0o600, key.name
    assert stat.S_IMODE(platform.home.keys.stat().st_mode) == 0o700


def test_again_it_changes_nothing(platform):
    before = ([r.digest for r in platform.ledger.records()], keys_of(platform.home.keys))
    prepare(platform)
    assert ([r.digest for r in platform.ledger.records()], keys_of(platform.home.keys)) == before


def test_settings_of_another_store_stay(platform):
    settings = platform.home.dagster / "dagster.yaml"
    settings.write_text("storage: {postgres: {postgres_url: x}}\n")
    prepare(platform)
    assert settings.read_text() == "storage: {postgres: {postgres_url: x}}\n"


def test_people_are_enrolled_once(platform):
    assert enrol_missing(platform, {"validator": ("validator",)}) == ["validator"]
    assert enrol_missing(platform, {"validator": ("validator",)}) == []
    people = [period.person for period in platform.ledger.people().periods]
    assert people.count("validator") == 1
    assert enrol_missing(platform, {"ada:cards": ("developer",)}) == ["ada:cards"]
    people = [period.person for period in platform.ledger.people().periods]
    assert set(people) == {"root", "ledger", "validator", "ada:cards"}


def keys_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_no_other_root_key_is_made_where_the_root_key_was_taken_offline(platform):
    prepare(platform)
    key_path(ROOT_KEY, platform.home.keys).unlink()
    prepare(platform)
    assert not key_path(ROOT_KEY, platform.home.keys).exists()


def test_what_a_second_machine_needs_is_there_before_the_first_version(platform):
    prepare(platform)
    assert {"ledger.pem", "artifacts.pem", "artifacts.pub.pem"} <= {p.name for p in platform.home.keys.iterdir()}
    private = key_path(ARTIFACT_KEY, platform.home.keys)
    told = artifact_public_key(platform)
    public_path(private).unlink()
    assert artifact_public_key(platform) == told, "the private half says the same"
    private.unlink()
    with pytest.raises(ArtifactError, match=r"copy artifacts\.pub\.pem"):
        artifact_public_key(platform)
