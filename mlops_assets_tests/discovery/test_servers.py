"""A real MLflow server on this machine is searched and declared from, and nothing is ever written to it."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops_assets.discovery.declaring import write_starter
from mlops_assets.discovery.registries import RegistryUnreadable
from mlops_assets.discovery.search import discover
from mlops_assets.project import read_declaration
from mlops_assets.stores.home import Home
from mlops_assets.stores.mlflow_database import migrate

pytestmark = pytest.mark.integration
MLMODEL = {
    "flavors": {"lightgbm": {"data": "model.lgb"}, "python_function": {"loader_module": "mlflow.lightgbm"}},
    "signature": {"inputs": json.dumps([{"name": "income", "type": "double"}, {"name": "region", "type": "string"}])},
}


@dataclass
class Server:
    """A server, its database, and what it was asked for.

    Attributes:
        address: to ask.
        database: its file.
        asked: method and path of each request.
    """

    address: str
    database: Path
    asked: list[tuple[str, str]] = field(default_factory=list)

    def content(self) -> str:
        return hashlib.sha256(self.database.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's own server, with two registered models."""
    import mlflow.server
    from mlflow.server import constants, handlers
    from werkzeug.serving import make_server

    home = Home.of(tmp_path_factory.mktemp("theirs"), environment={})
    home.create()
    migrate(home)
    asked: list[tuple[str, str]] = []

    def recorded(environ, start):
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return mlflow.server.app(environ, start)

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(constants.BACKEND_STORE_URI_ENV_VAR, home.tracking_uri)
        patched.setenv(constants.ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
        patched.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, str(home.mlflow / "artifacts"))
        patched.setenv(constants.SERVE_ARTIFACTS_ENV_VAR, "true")
        for name in ("_tracking_store", "_model_registry_store", "_artifact_repo"):
            patched.setattr(handlers, name, None)
        running = make_server("127.0.0.1", 0, recorded, threaded=True)
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        found = Server(f"http://127.0.0.1:{running.server_port}", home.mlflow / "mlflow.db", asked)
        register(found.address, home.mlflow / "artifacts")
        asked.clear()
        yield found
        running.shutdown()
        thread.join()


def register(address: str, artifacts: Path) -> None:
    """Two models: one with a run, an artifact, tags and an alias, and one with a name that needs quoting."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    run = client.create_run(client.create_experiment("churn", "mlflow-artifacts:/churn"))
    client.log_metric(run.info.run_id, "auc", 0.8125)
    client.log_param(run.info.run_id, "objective", "binary")
    source = f"{run.info.artifact_uri}/model"
    folder = artifacts / source.removeprefix("mlflow-artifacts:/")
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(json.dumps(MLMODEL))
    (folder / "model.lgb").write_text("tree\nversion=v4\n\n")
    client.create_registered_model("churn", {"Owner": "Retail CRM"}, "Whether a customer leaves")
    for _ in range(2):
        client.create_model_version("churn", source, run.info.run_id, tags={"stage": "live: yes"})
    client.set_registered_model_alias("churn", "champion", "1")
    client.create_registered_model("Bob's (EU)")
    client.create_model_version("Bob's (EU)", "s3://elsewhere/model", run.info.run_id)


def only_asked(server: Server, before: str) -> None:
    """Nothing was asked for but to read, and nothing in the database is another."""
    assert server.asked
    assert {method for method, _ in server.asked} == {"GET"}
    assert server.content() == before


def test_a_server_is_only_asked_and_its_password_is_stored_nowhere(server: Server) -> None:
    server.asked.clear()
    before = server.content()
    found = discover(server.address.replace("http://", "http://ann:secret@") + "/")
    assert [(one.name, one.place) for one in found.found] == [
        ("bob_s_eu", f"{server.address}#Bob's (EU)"),
        ("churn", f"{server.address}#churn"),
    ]
    churn = found.found[1]
    assert churn.signs.why == "registered in MLflow with 2 versions, alias champion on 1"
    assert churn.signs.facts == {"version": "2", "aliases": "champion on 1", "owner": "Retail CRM"}
    assert "secret" not in repr(found)
    only_asked(server, before)


@pytest.mark.parametrize("imported", [False, True], ids=["external", "imported"])
def test_a_declaration_says_what_the_server_shows(server: Server, tmp_path: Path, imported: bool) -> None:
    server.asked.clear()
    before = server.content()
    search = discover(server.address)
    written = {
        one.name: write_starter(tmp_path, one, source=server.address, root=tmp_path, imported=imported)
        for one in search.found
    }
    declaration = read_declaration(written["churn"].path)
    assert (declaration.purpose, declaration.owner) == ("Whether a customer leaves", "team:retail-crm")
    assert {name: f.role.value for name, f in declaration.features.items()} == {
        "income": "numeric",
        "region": "categorical",
    }
    text = written["churn"].path.read_text(encoding="utf-8")
    for said in ("Version 1, flavor lightgbm.", "auc 0.8125", "objective = binary", "stage = live: yes"):
        assert said in text
    if imported:
        assert declaration.imported is not None
        named = (declaration.imported.artifact, declaration.imported.tracking_uri, declaration.imported.format)
        assert named == ("models:/churn/1", server.address, "lightgbm")
    else:
        assert declaration.external is not None
        assert declaration.external.registry is not None
        assert (declaration.external.version, declaration.external.registry.alias) == ("1", "champion")
    other = read_declaration(written["bob_s_eu"].path)
    assert other.external is None or other.external.registry is not None
    assert written["churn"].unread == ""
    assert "its artifact is in s3, which the server does not hand out" in written["bob_s_eu"].unread
    only_asked(server, before)


def test_a_server_that_nobody_runs_is_said_at_once() -> None:
    with pytest.raises(RegistryUnreadable, match=r"http://127.0.0.1:9: nobody answers there") as refused:
        discover("http://ann:secret@127.0.0.1:9/")
    assert "secret" not in str(refused.value)
