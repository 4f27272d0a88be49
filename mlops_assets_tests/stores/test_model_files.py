"""Which bytes a declared model file is, and what is not read."""

import hashlib
import pickle

import pytest

from mlops_assets.declaration.imported import Imported
from mlops_assets.stores.home import Home
from mlops_assets.stores.model_files import ModelFileError, read_declared, read_model_file

DESCRIPTION = "flavors:\n  python_function: {loader_module: mlflow.sklearn}\n  sklearn: {pickled_model: %s}\n"


def imported(artifact, **facts):
    return Imported(artifact=artifact, supplier="Group", **facts)


@pytest.fixture
def read(tmp_path):
    home = Home.of(tmp_path / "home", environment={})
    return lambda artifact, **facts: read_model_file(imported(artifact, **facts), tmp_path, home)


def test_a_file_is_read_with_its_format_and_digest(tmp_path, read):
    (tmp_path / "m.skops").write_bytes(b"PK content")
    (tmp_path / "m.model").write_bytes(b"PK content")
    found = read("m.skops")
    assert (found.content, found.sha256) == (b"PK content", hashlib.sha256(b"PK content").hexdigest())
    assert read("m.model", format="skops").sha256 == found.sha256


def test_only_the_described_file_of_an_mlflow_model_is_read(tmp_path, read):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "MLmodel").write_text(DESCRIPTION % "model.skops")
    (folder / "model.skops").write_bytes(b"PK content")
    (folder / "other.pkl").write_bytes(pickle.dumps({}))
    found = read("saved")
    assert (found.content, found.where) == (b"PK content", "saved (model.skops)")


def test_the_declared_digest_decides(tmp_path):
    (tmp_path / "m.skops").write_bytes(b"PK content")
    home, digest = Home.of(tmp_path / "home", environment={}), hashlib.sha256(b"PK content").hexdigest()
    assert read_declared(imported("m.skops", sha256=digest), tmp_path, home).sha256 == digest
    with pytest.raises(ModelFileError, match=f"none is declared.*`sha256: {digest}`"):
        read_declared(imported("m.skops"), tmp_path, home)
    (tmp_path / "m.skops").write_bytes(b"PK other")
    with pytest.raises(ModelFileError, match="changed or exchanged, and is not used"):
        read_declared(imported("m.skops", sha256=digest), tmp_path, home)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.skops", None, "there is no file absent.skops"),
        ("model.pkl", b"anything", "is a pickle, which runs code"),
        ("model.skops", pickle.dumps({"a": 1}), "is a pickle, which runs code"),
        ("model.bin", b"what", "its name does not tell its format"),
        ("folder/notes.txt", b"", "a folder without the file MLmodel"),
        ("folder/MLmodel", b"no: flavors", "MLmodel is damaged"),
        ("folder/MLmodel", b"flavors: {tensorflow: {}}", "has the flavors tensorflow"),
        ("folder/MLmodel", (DESCRIPTION % "../m.skops").encode(), "outside the model's folder"),
        ("folder/MLmodel", (DESCRIPTION % "m.skops").encode(), "there is no file folder"),
        ("folder/MLmodel", (DESCRIPTION % "m.pkl").encode(), "there is no file folder"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(tmp_path, read, name, content, reason):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        read("folder" if name.startswith("folder/") else name)


def test_a_link_out_of_an_mlflow_model_is_not_followed(tmp_path, read):
    (tmp_path / "secret.skops").write_bytes(b"PK secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "MLmodel").write_text(DESCRIPTION % "model.skops")
    (folder / "model.skops").symlink_to(tmp_path / "secret.skops")
    with pytest.raises(ModelFileError, match="outside the model's folder"):
        read("folder")
