"""From an empty server to a running system, by the files in `deploy/postgres/` and by nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

import mlops_assets
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.postgresql import server_of_its_own

pytestmark = pytest.mark.integration
ROOT = Path(mlops_assets.__file__).parents[1]
FOLDER = ROOT / "deploy" / "postgres"
PASSWORDS = {
    "ledger_roles.sql": ("owner_password", "writer_password", "reader_password"),
    "store_roles.sql": ("mlflow_password", "dagster_password"),
}


@pytest.fixture(scope="module")
def address():
    """URL of a database for a role, on a server of its own that both files were run on."""
    with server_of_its_own() as server:
        psql = Path(server.bin_path) / "psql"
        for script, names in PASSWORDS.items():
            words = [f"-v{name}=pw" for name in names]
            done = subprocess.run(
                [str(psql), server.get_uri(), "-v", "ON_ERROR_STOP=1", *words, "-f", str(FOLDER / script)],
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr

        def of(role: str, database: str) -> str:
            url = make_url(server.get_uri(database)).set(drivername="postgresql+psycopg2", username=role, password="pw")
            return url.render_as_string(hide_password=False)

        yield of


def tables(url: str) -> set[str]:
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_the_ledger_migrates_as_owner_and_is_written_as_writer(address):
    Ledger(address("mlops_ledger_owner", "mlops_ledger")).close()
    ledger = Ledger(address("mlops_ledger_writer", "mlops_ledger"))
    ledger.append(raw("note", {}))
    assert ledger.verify() == []
    ledger.close()


def test_mlflow_keeps_runs_and_versions_there(address, tmp_path):
    import mlflow
    from mlflow.store.db.utils import _initialize_tables

    url = address("mlops_mlflow", "mlops_mlflow")
    engine = sa.create_engine(url)
    _initialize_tables(engine)
    engine.dispose()
    client = mlflow.MlflowClient(url, url)
    experiment = client.create_experiment("loans", artifact_location=tmp_path.as_uri())
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "auc", 0.8)
    client.create_registered_model("loans")
    client.create_model_version("loans", tmp_path.as_uri(), run.info.run_id)
    client.set_registered_model_alias("loans", "champion", "1")
    assert client.get_run(run.info.run_id).data.metrics == {"auc": 0.8}
    assert client.get_model_version_by_alias("loans", "champion").version in (1, "1")
    assert "alembic_version" in tables(url)


def test_dagster_keeps_runs_and_events_there(address, tmp_path, monkeypatch):
    import dagster as dg

    url = address("mlops_dagster", "mlops_dagster")
    shutil.copy(FOLDER / "dagster.yaml", tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("MLOPS_DAGSTER_URL", url)

    @dg.asset
    def champion() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"version": 1})

    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled
        assert dg.materialize([champion], instance=instance).success
    with dg.DagsterInstance.get() as again:
        event = again.get_latest_materialization_event(dg.AssetKey("champion"))
        assert event is not None
        materialization = event.asset_materialization
        assert materialization is not None
        assert materialization.metadata["version"].value == 1
        assert len(again.get_runs()) == 1
    assert {"runs", "event_logs", "alembic_version"} <= tables(url)


@pytest.mark.parametrize("role", ["mlops_mlflow", "mlops_dagster", "mlops_ledger_writer", "mlops_ledger_reader"])
@pytest.mark.parametrize("database", ["mlops_mlflow", "mlops_dagster", "mlops_ledger"])
def test_nobody_sees_anothers_database(address, role, database):
    engine = sa.create_engine(address(role, database))
    try:
        if role.startswith(database):
            engine.connect().close()
        else:
            with pytest.raises(DBAPIError, match="permission denied for database"):
                engine.connect()
    finally:
        engine.dispose()


def test_the_instance_differs_from_the_one_on_sqlite_in_its_storage_alone():
    ours = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    assert ours.pop("storage") == {"postgres": {"postgres_url": {"env": "MLOPS_DAGSTER_URL"}}}
    assert ours == yaml.safe_load((ROOT / "dagster.yaml").read_text())
