import sqlite3

import numpy as np
import pandas as pd
import pytest

from mlops_assets.declaration.imported import Imported, ModelFormat
from mlops_assets.stores.home import Home
from mlops_assets.stores.mlflow_database import migrate
from mlops_assets.stores.model_files import ModelFileError, read_model_file
from mlops_assets.stores.registry import EVIDENCE, TRAINING_KEY, Registry, RegistryError, evidence_bytes

pytestmark = pytest.mark.integration
MODEL = "loans"


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Registry:
    home = Home.of(tmp_path_factory.mktemp("registry"), environment={})
    home.create()
    migrate(home)
    return Registry(home)


@pytest.fixture(scope="module")
def trained(registry) -> tuple[str, str]:
    """A run with a stored pipeline, and the pipeline's URI."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs = pd.DataFrame({"a": np.arange(20.0), "b": np.tile([1.0, 2.0], 10)})
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, inputs["a"] > 9)
    run = registry.client.create_run(registry.experiment(MODEL)).info.run_id
    uri = registry.log_model(run, pipeline, inputs.head(2), [], ["numpy==2"])
    registry.client.set_terminated(run)
    return run, uri


def test_a_killed_set_up_leaves_nothing_in_the_way(tmp_path):
    home = Home.of(tmp_path, environment={})
    home.create()
    # What a kill between two of MLflow's migrations leaves.
    (home.mlflow / "mlflow.db.partial").write_bytes(b"half a database")
    migrate(home)
    assert Registry(home).experiment(MODEL)
    assert [file.name for file in home.mlflow.glob("mlflow.db*")] == ["mlflow.db"]


def test_a_database_of_another_release_says_what_to_run(tmp_path):
    made, home = (Home.of(tmp_path / name, environment={}) for name in ("made", "moved"))
    for each in (made, home):
        each.create()
    migrate(made)
    # Moved, because MLflow remembers in a process which databases it has found to be right.
    (made.mlflow / "mlflow.db").rename(home.mlflow / "mlflow.db")
    with sqlite3.connect(home.mlflow / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    connection.close()
    with pytest.raises(RegistryError, match="mlflow db upgrade sqlite:///"):
        migrate(home)


def test_registered_twice_is_one_version(registry, trained):
    run, uri = trained
    first = registry.register(MODEL, uri, run, {TRAINING_KEY: "k1", "mlops.tier": "low"})
    again = registry.register(MODEL, uri, run, {TRAINING_KEY: "k1", "mlops.tier": "low"})
    other = registry.register(MODEL, uri, run, {TRAINING_KEY: "k2"})
    assert (first, again, other) == (1, 1, 2)
    assert registry.versions(MODEL)[1] == {TRAINING_KEY: "k1", "mlops.tier": "low"}
    with registry.folder(MODEL, first) as folder:
        assert (folder / "MLmodel").is_file()
        assert not list(folder.rglob("*.pkl")), "no pickle in the registry"


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_plain_mlflow_takes_whole_numbers_and_gives_probabilities_beside_labels(registry, task):
    """Whoever loads the champion without this package once had whole numbers refused, and labels alone."""
    import mlflow.pyfunc
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    inputs = pd.DataFrame({"a": np.arange(30.0), "kind": np.tile(["x", "y", "z"], 10).astype(object)})
    target = {"binary": inputs["a"] > 9, "multiclass": np.tile(["u", "v", "w"], 10), "regression": inputs["a"] * 2}[
        task
    ]
    model = LinearRegression() if task == "regression" else LogisticRegression()
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    pipeline = make_pipeline(encoder, model).fit(inputs, target)
    name = f"plain_{task}"
    run = registry.client.create_run(registry.experiment(name)).info.run_id
    uri = registry.log_model(run, pipeline, inputs.head(2), [], ["numpy==2"])
    version = registry.register(name, uri, run, {TRAINING_KEY: task})
    registry.set_alias(name, "champion", version)
    with registry.folder(name, version) as folder:
        assert not list(folder.rglob("*.pkl"))

    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    whole = pd.DataFrame({"a": np.array([1, 20, 5], dtype="int64"), "kind": ["x", "y", "z"]})
    found = loaded.predict(whole)
    expected = whole.assign(a=whole["a"].astype(float))
    assert found["prediction"].tolist() == pipeline.predict(expected).tolist()
    if task == "regression":
        assert list(found.columns) == ["prediction"]
        return
    assert [c for c in found.columns if c != "prediction"] == [f"probability:{c}" for c in pipeline.classes_]
    assert found.drop(columns="prediction").to_numpy() == pytest.approx(pipeline.predict_proba(expected))


def test_two_projects_in_one_process_do_not_mix(registry, trained, tmp_path):
    run, _ = trained
    registry.log_evidence(run, "said", {"a": 1})
    home = Home.of(tmp_path, environment={})
    home.create()
    migrate(home)
    other = Registry(home)
    other.log_evidence(other.client.create_run(other.experiment(MODEL)).info.run_id, "said", {"a": 2})
    assert registry.evidence(run, "said") == {"a": 1}
    with registry.folder(MODEL, 1) as folder:
        assert (folder / "MLmodel").is_file()


def test_everything_is_what_each_model_has(registry, trained, monkeypatch):
    run, uri = trained
    for name in ("first", "second", "third"):
        version = registry.register(name, uri, run, {TRAINING_KEY: f"everything-{name}"})
        registry.set_alias(name, "champion", version)
    monkeypatch.setattr("mlops_assets.stores.registry.PAGE", 2)
    found = registry.everything()
    assert {"first", "second", "third"} <= set(found)
    for name, (versions, aliases) in found.items():
        assert (versions, aliases) == (registry.versions(name), registry.aliases(name))


def test_a_version_that_is_not_there(registry):
    refused = pytest.raises(RegistryError, match="loans version 99: its artifacts cannot be read")
    with refused, registry.folder(MODEL, 99):
        pass


def test_reading_leaves_nothing_in_the_temporary_folder(registry, trained, tmp_path, monkeypatch):
    """A daemon that reads evidence for months would fill the disk."""
    run, uri = trained
    version = registry.register(MODEL, uri, run, {TRAINING_KEY: "k1"})
    registry.log_evidence(run, "kept", {"a": 1})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with registry.folder(MODEL, version) as folder, registry.stored(uri) as stored:
        assert (folder / "MLmodel").read_bytes() == (stored / "MLmodel").read_bytes()
    assert registry.evidence(run, "kept") == {"a": 1}
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_has_nothing(registry):
    assert registry.aliases("nobody") == {}
    assert registry.versions("nobody") == {}


def test_aliases_are_set_moved_and_removed(registry, trained):
    run, uri = trained
    version = registry.register("aliased", uri, run, {TRAINING_KEY: "k"})
    registry.set_alias("aliased", "champion", version)
    assert registry.aliases("aliased") == {"champion": version}
    registry.delete_alias("aliased", "champion")
    registry.delete_alias("aliased", "champion")
    assert registry.aliases("aliased") == {}


class TestEvidence:
    @pytest.fixture(scope="class")
    def run(self, registry) -> str:
        return registry.client.create_run(registry.experiment("evidence")).info.run_id

    def test_is_read_back_as_it_was(self, registry, run):
        content = {"größe": [1, 2.5, None], "a": {"b": True}, "text": "€"}
        digest = registry.log_evidence(run, "evaluation", content)
        assert registry.evidence(run, "evaluation") == content
        assert digest == registry.log_evidence(run, "evaluation", dict(reversed(content.items())))

    def test_that_is_missing_says_what_to_do(self, registry, run):
        with pytest.raises(RegistryError, match="no evidence 'nothing' in MLflow; materialize the asset"):
            registry.evidence(run, "nothing")

    def test_with_nan_is_refused(self):
        with pytest.raises(ValueError, match="JSON compliant"):
            evidence_bytes({"value": float("nan")})

    def test_is_where_people_look_for_it(self, registry, run):
        registry.log_evidence(run, "drift", {"a": 1})
        assert f"{EVIDENCE}/drift.json" in [f.path for f in registry.client.list_artifacts(run, EVIDENCE)]


def test_only_a_finished_training_is_found_by_its_key(registry):
    run = registry.client.create_run(registry.experiment("keyed")).info.run_id
    registry.tag_run(run, {TRAINING_KEY: "k"})
    assert registry.run_with_key("keyed", "k") is None, "cut short: what is there may be half of it"
    registry.tag_run(run, {"mlops.trained": "yes"})
    assert registry.run_with_key("keyed", "k") == run


class Remembered(dict):
    """A book of digests in memory."""

    def keep(self, model: str, run_id: str, name: str, digest: str) -> None:
        self[run_id, name] = digest

    def digest(self, run_id: str, name: str) -> str | None:
        return self.get((run_id, name))


def test_a_run_that_only_says_it_was_a_training_is_none(registry):
    """Planted with the right key before anybody trains, its model would be registered and signed."""
    booked = Registry(registry.home, Remembered())
    experiment = booked.experiment("planted")
    tags = {TRAINING_KEY: "k", "mlops.trained": "yes"}
    genuine = booked.client.create_run(experiment, tags=tags).info.run_id
    assert booked.run_with_key("planted", "k") is None
    booked.log_evidence(genuine, "candidates", {"chosen": "linear"})
    booked.client.create_run(experiment, tags=tags)
    assert booked.run_with_key("planted", "k") == genuine


def test_evidence_that_was_changed_in_the_store_is_not_read(registry):
    booked = Registry(registry.home, Remembered())
    run = booked.client.create_run(booked.experiment("changed")).info.run_id
    booked.log_evidence(run, "profile", {"a": 1})
    assert booked.evidence(run, "profile") == {"a": 1}
    registry.log_evidence(run, "profile", {"a": 2})
    with pytest.raises(RegistryError, match="was changed"):
        booked.evidence(run, "profile")


def test_candidates_are_nested_and_end_as_they_went(registry):
    parent = registry.client.create_run(registry.experiment(MODEL)).info.run_id
    with registry.candidate_run(MODEL, parent, "linear") as good:
        registry.log_candidate(good, {"C": 1.0}, {"cv_roc_auc": 0.7}, {"mlops.candidate": "linear"})
    with pytest.raises(ZeroDivisionError), registry.candidate_run(MODEL, parent, "forest") as bad:
        _ = 1 / 0
    found = registry.client.get_run(good)
    assert found.data.params == {"C": "1.0"}
    assert found.data.metrics == {"cv_roc_auc": 0.7}
    assert found.data.tags["mlflow.parentRunId"] == parent
    assert (found.info.status, registry.client.get_run(bad).info.status) == ("FINISHED", "FAILED")


def test_artifacts_lie_under_the_home(registry, trained):
    run = registry.client.get_run(trained[0])
    assert run.info.artifact_uri.startswith(registry.home.mlflow.as_uri())


def test_what_is_no_number_in_mlflows_database_hides_nothing(registry):
    """Written there past MLflow, it must not keep the models from being compared with the ledger."""
    client = registry.client
    client.create_registered_model("odd")
    client.create_model_version("odd", "file:///nowhere")
    client.set_registered_model_alias("odd", "champion", "1")
    database = sqlite3.connect(registry.home.tracking_uri.removeprefix("sqlite:///"))
    with database:
        database.execute("UPDATE registered_model_aliases SET version = 'abc' WHERE name = 'odd'")
    database.close()
    assert registry.aliases("odd") == {"champion": 0}
    assert registry.everything()["odd"][1] == {"champion": 0}


def test_a_model_of_another_server_is_read_by_its_address(registry, tmp_path):
    import mlflow
    import skops.io
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(pd.DataFrame({"a": np.arange(8.0)}), np.arange(8) > 3)
    mlflow.set_experiment(experiment_id=registry.experiment("of_others"))
    with mlflow.start_run() as run:
        for name, form in (("cards", "skops"), ("pickled", "cloudpickle")):
            mlflow.sklearn.log_model(  # pyright: ignore[reportPrivateImportUsage]
                model, name=form, registered_model_name=name, serialization_format=form, pip_requirements=["skops"]
            )
    own, other = Home.of(tmp_path, environment={}), f"sqlite:///{tmp_path}/other.db"

    def read(address):
        declared = Imported(artifact=address, tracking_uri=registry.home.tracking_uri, supplier="Group")
        return read_model_file(declared, tmp_path, own)

    # The process asks another server, as that of a project does.
    mlflow.set_tracking_uri(other)
    mlflow.set_registry_uri(other)
    found = read("models:/cards/1")
    assert read(f"runs:/{run.info.run_id}/skops").sha256 == found.sha256
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (other, other)
    assert not (tmp_path / "other.db").exists()
    assert (found.format, found.where) == (ModelFormat.SKOPS, "models:/cards/1 (model.skops)")
    assert np.array_equal(skops.io.loads(found.content).coef_, model.coef_)
    with pytest.raises(ModelFileError, match=r"models:/pickled/1 \(model.pkl\) is a pickle"):
        read("models:/pickled/1")
    with pytest.raises(ModelFileError, match=r"models:/cards/7 cannot be read from the MLflow server sqlite"):
        read("models:/cards/7")
