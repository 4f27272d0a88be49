"""What is thought a model and what is not, on files that real libraries wrote, without ever running one."""

import json
import pickle
import sqlite3
from pathlib import Path

import pytest

from mlops_assets.discovery.registries import RegistryUnreadable
from mlops_assets.discovery.search import SourceNotFound, discover, slug
from mlops_assets.discovery.starter import ImportedFile, starter
from mlops_assets.project import read_declaration


class Exploding:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder as people leave them."""
    import joblib
    import polars as pl
    import skops.io
    from sklearn.linear_model import LogisticRegression, Ridge

    folder = tmp_path_factory.mktemp("models")
    fitted = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    joblib.dump(fitted, folder / "plain.joblib")
    joblib.dump(fitted, folder / "packed.joblib", compress=3)
    (folder / "Credit Score.pkl").write_bytes(pickle.dumps(Ridge().fit([[0.0], [1.0]], [0, 1])))
    (folder / "wrapped.pkl").write_bytes(pickle.dumps({"model": fitted, "columns": ["a"]}))
    (folder / "old.pkl").write_bytes(pickle.dumps(fitted, protocol=0))
    (folder / "table.pkl").write_bytes(pickle.dumps(pl.DataFrame({"a": [1]}).to_pandas()))
    (folder / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    (folder / "garbage.pkl").write_bytes(b"zz\x00")
    (folder / "trap.pkl").write_bytes(pickle.dumps(Exploding(folder / "exploded")))
    skops.io.dump(fitted, folder / "kept.skops")
    (folder / "broken.skops").write_bytes(b"zz")
    (folder / "graph.onnx").write_bytes(b"\x08\x07rest")
    (folder / "notes.txt").write_text("a model")
    model = folder / "churn" / "artifacts"
    model.mkdir(parents=True)
    signature = {"inputs": json.dumps([{"name": "tenure", "type": "double"}, {"name": "off", "type": "string"}])}
    (model / "MLmodel").write_text(
        json.dumps({"flavors": {"python_function": {}, "sklearn": {}}, "signature": signature})
    )
    (model / "model.pkl").write_bytes(pickle.dumps(fitted))
    for name, cells in {
        "trains.ipynb": ["import sklearn\n%matplotlib inline\nm.fit(x)", "m.predict(x)", "half a ="],
        "scales.ipynb": ["scaler.fit(x)"],
        "plots.ipynb": ["plot(x)"],
    }.items():
        (folder / name).write_text(json.dumps({"cells": [{"cell_type": "code", "source": text} for text in cells]}))
    (folder / "torn.ipynb").write_text("{")
    for hidden in (".venv", "node_modules"):
        (folder / hidden).mkdir()
        joblib.dump(fitted, folder / hidden / "theirs.joblib")
    return folder


@pytest.mark.parametrize(
    ("name", "confidence", "said"),
    [
        ("plain", "likely", "sklearn.linear_model._logistic.LogisticRegression"),
        ("packed", "likely", "LogisticRegression"),  # compressed by joblib
        ("credit_score", "likely", "sklearn.linear_model._ridge.Ridge"),
        ("wrapped", "likely", "LogisticRegression"),  # a model among other things
        ("old", "likely", "LogisticRegression"),  # the first protocol names classes otherwise
        ("list", "possible", "names no class"),
        ("garbage", "possible", "names no class"),
        ("kept", "likely", "a skops file of sklearn.linear_model._logistic.LogisticRegression"),
        ("broken", "possible", "damaged"),
        ("graph", "likely", "an ONNX graph"),
        ("churn", "likely", "an MLflow model (sklearn)"),
        ("trains", "likely", "calls .fit in cell 1, .predict in cell 2, with sklearn"),
        ("scales", "possible", "calls .fit in cell 1"),  # a scaler has a `fit`, too
        ("torn", "possible", "cannot be read"),
    ],
)
def test_a_model_is_named_with_the_reason(models: Path, name: str, confidence: str, said: str) -> None:
    found = {f.name: f for f in discover(str(models)).found}[name]
    assert found.signs.confidence == confidence
    assert said in found.signs.why
    assert found.size
    assert found.modified is not None


def test_data_software_and_texts_are_no_models(models: Path) -> None:
    names = [f.name for f in discover(str(models)).found]
    assert {"table", "notes", "plots", "theirs"}.isdisjoint(names)
    assert "model" not in names, "files of an MLflow model are part of it"
    assert len(names) == len(set(names))


def test_a_pickle_that_would_act_is_read_and_does_not(models: Path) -> None:
    discover(str(models))
    assert not (models / "exploded").exists()


def test_likely_ones_come_first_and_own_stores_are_left_out(models: Path) -> None:
    found = discover(str(models), leave_out=[models / "churn"]).found
    order = [f.signs.confidence for f in found]
    assert order == sorted(order)
    assert "churn" not in {f.name for f in found}


def test_one_file_may_be_asked_about(models: Path) -> None:
    assert [f.name for f in discover(str(models / "plain.joblib")).found] == ["plain"]


def registry(path: Path) -> str:
    """A database with the tables of an MLflow registry."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE registered_models (name TEXT, last_updated_time INTEGER);"
            "CREATE TABLE model_versions (name TEXT, version INTEGER, last_updated_time INTEGER);"
            "CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER);"
            "INSERT INTO registered_models VALUES ('Churn (EU)', 1700000000000), ('loans', 1700000000000);"
            "INSERT INTO model_versions VALUES ('Churn (EU)', 1, 1700000000000), ('Churn (EU)', 2, 1800000000000);"
            "INSERT INTO registered_model_aliases VALUES ('Churn (EU)', 'prod', 2);"
        )
    return f"sqlite:///{path}"


def test_a_registry_lists_what_is_not_declared(tmp_path: Path) -> None:
    address = registry(tmp_path / "mlflow.db")
    before = (tmp_path / "mlflow.db").read_bytes()
    looked = discover(address)
    assert [(f.name, f.where, f.form) for f in looked.found] == [
        ("churn_eu", "Churn (EU)", "registered model"),
        ("loans", "loans", "registered model"),
    ]
    assert looked.found[0].signs.why == "registered in MLflow with 2 versions, alias prod on 2"
    assert looked.found[0].modified is not None
    assert looked.found[0].modified.year == 2027
    assert (tmp_path / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda p: str(p / "none"), SourceNotFound, "no such folder"),
        (lambda p: f"sqlite:///{p / 'none.db'}", RegistryUnreadable, "file not found"),
        (lambda p: _text(p / "text.db"), RegistryUnreadable, "no MLflow registry"),
        (lambda p: "postgresql://user:secret@127.0.0.1:1/x", RegistryUnreadable, "no MLflow registry"),
    ],
)
def test_what_is_no_source_is_refused_and_not_made(tmp_path: Path, make, error, said: str) -> None:
    source = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=said) as refused:
        discover(source)
    assert sorted(tmp_path.iterdir()) == before
    assert "secret" not in str(refused.value)


def _text(path: Path) -> str:
    path.write_text("not a database " * 100)
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Churn (EU)", "churn_eu"), ("2024 model", "model_2024_model"), ("", "model"), ("größe", "gr_e")],
)
def test_names_become_those_of_declarations(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_starter_is_a_declaration_that_reads(tmp_path: Path) -> None:
    inputs = [("tenure", "numeric"), ("größe in m", "categorical"), ("no", "boolean")]
    path = tmp_path / "churn" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(starter("churn", origin="Found somewhere.", inputs=inputs), encoding="utf-8")
    declaration = read_declaration(path)
    assert {name: feature.role.value for name, feature in declaration.features.items()} == dict(inputs)
    assert path.read_text(encoding="utf-8").startswith("# Found somewhere.\n")
    path.write_text(starter("churn", inputs=inputs, imported=ImportedFile("models/churn (1).skops")), encoding="utf-8")
    imported = read_declaration(path).imported
    assert imported is not None
    assert imported.artifact == "models/churn (1).skops"


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"cells": ' + "[" * 100_000, json.dumps({"cells": [{"cell_type": "code", "source": "(" * 5_000}]}),
     json.dumps({"cells": [{"cell_type": "code", "source": "x = 1\x00"}]})],
    ids=["deep", "deep cells", "deep code", "a null byte"],
)  # fmt: skip
def test_a_notebook_that_no_parser_takes_ends_no_search(tmp_path, content):
    (tmp_path / "deep.ipynb").write_text(content)
    (tmp_path / "plain.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": "import sklearn\nm.fit(x, y)"}]})
    )
    assert str(tmp_path / "plain.ipynb") in [found.where for found in discover(str(tmp_path)).found]
