import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.platform import Platform
from mlops_assets.policy.policy import PolicyError
from mlops_assets.project import ProjectError
from mlops_assets.stores.home import QUIET, Home
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, declare, write_project


@pytest.fixture
def defs(tmp_path) -> Path:
    return write_project(tmp_path, TIMED, SNAPSHOT, rows=10)


def test_a_models_policy_is_its_tiers_made_stricter(defs):
    platform = Platform.load(defs)
    assert platform.policy(SNAPSHOT) == platform.policies["low"]
    own = platform.policy(TIMED)
    assert [(rule.role, rule.count) for rule in own.approvals] == [("validator", 1), ("model-risk", 1)]
    assert own.digest != platform.policies["medium"].digest
    with pytest.raises(ProjectError, match="nobody: no such model"):
        platform.policy("nobody")


def test_a_laxer_policy_breaks_the_model_and_no_other(defs):
    text = (defs / "models" / SNAPSHOT / "defs.yaml").read_text(encoding="utf-8")
    declare(defs, "lax", text + "  policy: {monitoring: {psi_act: 0.9}}\n")
    platform = Platform.load(defs)
    assert list(platform.project.broken) == ["lax"]
    assert "0.9" in platform.project.broken["lax"]
    assert "0.25" in platform.project.broken["lax"]
    assert set(platform.project.declarations) == {TIMED, SNAPSHOT}


def test_a_tier_without_policy_breaks_its_models(defs):
    (defs.parent / "config" / "policy" / "low.yaml").unlink()
    platform = Platform.load(defs)
    assert "tier: 'low' has no policy" in platform.project.broken[SNAPSHOT]
    assert set(platform.project.declarations) == {TIMED}


def test_policies_that_cannot_be_read_are_named(defs):
    (defs.parent / "config" / "policy" / "low.yaml").write_text("tier: low\nsurprise: 1\n")
    platform = Platform.load(defs)
    assert set(platform.project.broken) == {TIMED, SNAPSHOT}
    with pytest.raises(PolicyError, match=r"low\.yaml"):
        _ = platform.policies


def test_reading_a_project_writes_nothing_and_imports_little(defs):
    probe = (
        "import sys; from pathlib import Path; from mlops_assets.platform import Platform; "
        "p = Platform.load(Path(sys.argv[1])); p.policies; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'mlflow', 'dagster', 'pandas', 'sklearn', 'evidently'}))"
    )
    found = subprocess.run([sys.executable, "-c", probe, str(defs)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert not (defs.parents[1] / ".mlops").exists()


class TestHome:
    def test_lies_in_the_project(self, tmp_path):
        home = Home.of(tmp_path, environment={})
        assert home.root == tmp_path / ".mlops"
        assert home.ledger_url == f"sqlite:///{tmp_path}/.mlops/ledger.db"
        assert home.tracking_uri == f"sqlite:///{tmp_path}/.mlops/mlflow/mlflow.db"

    @pytest.mark.parametrize(
        ("name", "value", "attribute"),
        [
            ("MLOPS_LEDGER_URL", "postgresql://bank/ledger", "ledger_url"),
            ("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000", "tracking_uri"),
        ],
    )
    def test_each_store_moves_on_its_own(self, tmp_path, name, value, attribute):
        home = Home.of(tmp_path, environment={"MLOPS_HOME": str(tmp_path / "x"), name: value})
        assert getattr(home, attribute) == value
        assert home.lake == tmp_path / "x" / "lake"

    def test_an_empty_variable_is_none(self, tmp_path):
        assert Home.of(tmp_path, environment={"MLOPS_HOME": ""}).root == tmp_path / ".mlops"


def test_telemetry_is_off_unless_a_user_says_otherwise(monkeypatch):
    import os

    from mlops_assets.stores.home import be_quiet

    for name in QUIET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    be_quiet()
    assert os.environ["DO_NOT_TRACK"] == "0"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DAGSTER_DISABLE_TELEMETRY"] == "1"
