import pickle
import shutil
import zipfile
from pathlib import Path
from subprocess import Popen  # noqa: F401

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from mlops_assets.declaration.training import Candidate
from mlops_assets.features.frame import to_model_frame
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.training.artifact import (
    MODEL_FILE,
    ArtifactError,
    canonical_digest,
    inspect,
    load,
    save,
    trusted_types,
)
from mlops_assets.training.artifact_signature import sign_folder, verify_folder
from mlops_assets.training.candidates import refit
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.training.tables import declare, multiclass, regression, table


@pytest.mark.parametrize("model", [declare(), multiclass(), regression()], ids=["binary", "multiclass", "regression"])
@pytest.mark.parametrize("algorithm", ["linear", "hist_gradient_boosting", "random_forest"])
def test_a_model_comes_back_as_it_was(model, algorithm: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    frame = table(300)
    candidate = Candidate(algorithm=algorithm)
    pipeline = refit(model, candidate, frame)
    save(pipeline, tmp_path / "a", model)
    digest = canonical_digest(tmp_path / "a")
    back = load(tmp_path / "a", model, digest)
    rows = to_model_frame(frame, model)
    assert np.array_equal(scores_of(back, rows, model), scores_of(pipeline, rows, model))
    save(back, tmp_path / "b", model)
    save(refit(model, candidate, frame.reverse()), tmp_path / "c", model)
    assert canonical_digest(tmp_path / "b") == digest, "saved again"
    assert canonical_digest(tmp_path / "c") == digest, "trained again"
    other = refit(model, candidate, frame.head(250))
    save(other, tmp_path / "d", model)
    assert canonical_digest(tmp_path / "d") != digest
    assert inspect(tmp_path / "a", model).problems == ()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    model = declare()
    save(refit(model, model.candidates[0], table(200)), tmp_path / "stored", model)
    return tmp_path / "stored"


def test_another_digest_than_on_record_is_not_loaded(stored: Path) -> None:
    with pytest.raises(ArtifactError, match="on record is 0000"):
        load(stored, declare(), "0" * 64)


def add_pickle(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps({"a": 1}))


def hide_pickle(folder: Path) -> None:
    (folder / MODEL_FILE).write_bytes(pickle.dumps({"a": 1}))


def cut(folder: Path) -> None:
    data = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(data[: len(data) // 2])


def remove(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()


def double(folder: Path) -> None:
    shutil.copy(folder / MODEL_FILE, folder / "other.skops")


def foreign_type(folder: Path) -> None:
    with zipfile.ZipFile(folder / MODEL_FILE) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = parts["schema.json"].replace(b'"sklearn.linear_model._logistic"', b'"os"')
    parts["schema.json"] = schema.replace(b'"LogisticRegression"', b'"system"')
    with zipfile.ZipFile(folder / MODEL_FILE, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (add_pickle, "model.pkl is a pickle"),
        (hide_pickle, "model.skops is a pickle"),
        (cut, "damaged"),
        (remove, "found 0 .skops files"),
        (double, "found 2 .skops files"),
        (foreign_type, "not on the allow-list: .*system"),
    ],
)
def test_nothing_foreign_is_loaded(stored: Path, attack: object, message: str) -> None:
    attack(stored)  # type: ignore[operator]
    with pytest.raises(ArtifactError, match=message):
        load(stored, declare())


def test_types_of_an_own_algorithm_must_be_listed(tmp_path: Path) -> None:
    from mlops_assets_tests.training import estimators

    pipeline = refit(declare(), declare().candidates[0], table(100))
    pipeline.steps[-1] = ("model", estimators.Scorecard())
    with pytest.raises(ArtifactError, match="Scorecard"):
        save(pipeline, tmp_path, declare())
    name = "mlops_assets_tests.training.estimators.Scorecard"
    listed = declare(
        candidates=[{"algorithm": "mlops_assets_tests.training.estimators:build", "trusted_types": [name]}]
    )
    assert name in trusted_types(listed)
    save(pipeline, tmp_path, listed)
    assert type(load(tmp_path, listed).steps[-1][1]).__name__ == "Scorecard"


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "builtins.object", "subprocess.Popen", "functools.partial", "cloudpickle.loads",
     "other_bank.models.Scorecard", "eval", "sklearn..x", "importlib.import_module", "mlflow.pyfunc.PyFuncModel"],
)  # fmt: skip
def test_a_declaration_cannot_trust_what_runs_code(name: str) -> None:
    with pytest.raises(ValidationError, match="expected module and class of an estimator library"):
        declare(candidates=[{"algorithm": "mlops_assets_tests.training.estimators:build", "trusted_types": [name]}])


def shell(command: str) -> int:
    """A function of the bank's own package."""
    return len(command)


@pytest.mark.parametrize("name", ["shell", "Popen", "numpy", "absent"])
def test_a_name_of_the_own_package_that_is_no_class_of_it_is_refused(stored: Path, name: str) -> None:
    listed = declare(
        candidates=[{"algorithm": f"{__name__}:build", "trusted_types": [f"{__name__}.{name}"]}],
    )
    with zipfile.ZipFile(stored / MODEL_FILE) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    schema = parts["schema.json"].replace(b'"sklearn.linear_model._logistic"', f'"{__name__}"'.encode())
    parts["schema.json"] = schema.replace(b'"LogisticRegression"', f'"{name}"'.encode())
    with zipfile.ZipFile(stored / MODEL_FILE, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    with pytest.raises(ArtifactError, match=f"not on the allow-list: .*{name}.*refused even there"):
        load(stored, listed)


def test_types_that_only_the_declaration_trusts_are_in_the_report(tmp_path: Path) -> None:
    from mlops_assets_tests.training import estimators

    name = "mlops_assets_tests.training.estimators.Scorecard"
    listed = declare(
        candidates=[{"algorithm": "mlops_assets_tests.training.estimators:build", "trusted_types": [name]}]
    )
    pipeline = refit(declare(), declare().candidates[0], table(100))
    pipeline.steps[-1] = ("model", estimators.Scorecard())
    save(pipeline, tmp_path, listed)
    assert inspect(tmp_path, listed).own_types == (name,)


def flip(folder: Path) -> None:
    data = bytearray((folder / MODEL_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / MODEL_FILE).write_bytes(bytes(data))


def add(folder: Path) -> None:
    (folder / "extra.txt").write_text("more")


def add_ignored(folder: Path) -> None:
    (folder / ".gitignore").write_text("more")


@pytest.mark.parametrize("attack", [flip, add, add_ignored, remove])
def test_a_signature_holds_until_anything_changes(stored: Path, attack: object, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = tmp_path / "key.pem"
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    pem.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(encoding, form)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(encoding, form)
    signature = sign_folder(stored, pem, tmp_path / "model.sig")
    verify_folder(stored, public, signature)
    with pytest.raises(ArtifactError, match="does not hold"):
        verify_folder(stored, stranger, signature)
    with pytest.raises(ArtifactError, match="missing"):
        verify_folder(stored, public, tmp_path / "none.sig")
    with pytest.raises(ArtifactError, match="outside the folder"):
        sign_folder(stored, pem, stored / "model.sig")
    attack(stored)  # type: ignore[operator]
    with pytest.raises(ArtifactError, match="does not hold"):
        verify_folder(stored, public, signature)


def test_a_key_that_is_no_file_signs_as_one_in_a_file_does(stored: Path, tmp_path: Path) -> None:
    key = SigningKey.generate()
    signature = sign_folder(stored, key, tmp_path / "model.sig")
    verify_folder(stored, key.public.pem.encode(), signature)
    with pytest.raises(ArtifactError, match="does not hold"):
        verify_folder(stored, SigningKey.generate().public.pem.encode(), signature)
