"""Model files that others made: read from a file, from the folder of an MLflow model, or from any MLflow server.

Belongs here: which bytes they are. Nothing of them is loaded here, and only the one file that MLflow's description names is
read: other files of an MLflow model, pickles and code among them, are not touched.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mlops_assets.declaration.imported import SUFFIXES, Imported, ModelFormat
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.stores.home import Home, be_quiet
from mlops_assets.stores.registry import own_address

LARGEST = 2 * 1024**3
"""Bytes of a model file."""
DESCRIPTION = "MLmodel"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
FLAVORS = {
    "sklearn": ("pickled_model", ModelFormat.SKOPS),
    "lightgbm": ("data", ModelFormat.LIGHTGBM),
    "xgboost": ("data", ModelFormat.XGBOOST),
    "onnx": ("data", ModelFormat.ONNX),
}
"""Flavors of MLflow, with the key of the model file in their description and its format where its name does not tell it.
MLflow says `pickled_model` even where it is no pickle."""
KNOWN = ", ".join(one.value for one in ModelFormat)


class ModelFileError(MlopsAssetsError, ValueError):
    """A model file is not there, is of no format that is read, or is not the declared one."""


@dataclass(frozen=True)
class ModelFile:
    """A model file as it was read.

    Attributes:
        where: it is, in words for a message.
        format: of the file.
        content: its bytes.
        sha256: of them.
    """

    where: str
    format: ModelFormat
    content: bytes
    sha256: str


def read_declared(imported: Imported, root: Path, home: Home) -> ModelFile:
    """The file that a declaration names, if it is the one that was declared.

    Args:
        imported: where it is, and its digest.
        root: of the project.
        home: whose MLflow is asked where the declaration names no server.

    Raises:
        ModelFileError: it cannot be read, or has another digest.
    """
    file = read_model_file(imported, root, home)
    if not imported.sha256:
        raise ModelFileError(
            f"{file.where} has the SHA-256 {file.sha256}, and none is declared. If this is the file that was handed over, write "
            f"`sha256: {file.sha256}` under `imported`"
        )
    if file.sha256 != imported.sha256:
        raise ModelFileError(
            f"{file.where} has the SHA-256 {file.sha256}, declared is {imported.sha256}: the file was changed or exchanged, and is "
            "not used. If it is a new version, declare its digest; it is then evaluated and approved as one"
        )
    return file


def read_model_file(imported: Imported, root: Path, home: Home) -> ModelFile:
    """The file that a declaration names, whatever its digest.

    Raises:
        ModelFileError: it cannot be read, or is of no format that is read.
    """
    if imported.in_mlflow:
        with tempfile.TemporaryDirectory() as scratch:
            return _of_folder(_downloaded(imported, home, scratch), imported, imported.artifact)
    path = root / imported.artifact
    if path.is_dir():
        return _of_folder(path, imported, imported.artifact)
    return _of_file(path, imported.named_format, imported.artifact)


def _downloaded(imported: Imported, home: Home, scratch: str) -> Path:
    """The folder of an MLflow model, copied from its server."""
    be_quiet()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    # It says that a model is not where models of earlier versions of MLflow are, before it looks where it is.
    logging.getLogger("mlflow.store.artifact.artifact_repo").setLevel(logging.WARNING)
    server = imported.tracking_uri or home.tracking_uri
    try:
        with asking(server):
            return Path(download_artifacts(imported.artifact, dst_path=scratch))
    except (MlflowException, OSError) as error:
        raise ModelFileError(f"{imported.artifact} cannot be read from the MLflow server {server}: {error}") from error


@contextmanager
def asking(server: str) -> Iterator[None]:
    """MLflow asks this server: an address `models:/…` is looked up where the process asks, whatever its functions are given."""
    import mlflow

    tracking = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    registry = mlflow.get_registry_uri() if tracking else None
    patient = RETRIES in os.environ
    with own_address():
        # MLflow goes on for minutes where nobody answers.
        os.environ.setdefault(RETRIES, "2")
        mlflow.set_tracking_uri(server)
        mlflow.set_registry_uri(server)
        try:
            yield
        finally:
            if not patient:
                del os.environ[RETRIES]
            # Typed as text, and takes nothing as well: the address is then unknown again.
            mlflow.set_tracking_uri(tracking)  # pyright: ignore[reportArgumentType]
            mlflow.set_registry_uri(registry)  # pyright: ignore[reportArgumentType]


def _of_folder(folder: Path, imported: Imported, where: str) -> ModelFile:
    """The model file of an MLflow model, as its description names it."""
    description = folder / DESCRIPTION
    if not description.is_file():
        raise ModelFileError(
            f"{where} is a folder without the file {DESCRIPTION}; expected an MLflow model, or one model file"
        )
    try:
        flavors = yaml.safe_load(description.read_text(encoding="utf-8"))["flavors"]
        found = _described(flavors)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{where}: {DESCRIPTION} is damaged ({type(error).__name__}: {error})") from error
    if found is None:
        raise ModelFileError(
            f"{where}: the MLflow model has the flavors {', '.join(map(str, flavors))}; expected a model file of the formats {KNOWN}"
        )
    name, usual = found
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelFileError(f"{where}: {DESCRIPTION} names the file {name}, which is outside the model's folder")
    format = SUFFIXES.get(PurePosixPath(name).suffix.lower(), usual)
    return _of_file(path, imported.format or format, f"{where} ({name})")


def _described(flavors: Mapping[str, Any]) -> tuple[str, ModelFormat] | None:
    """The model file that MLflow's description names, of the flavors whose files hold no code, and their usual format."""
    for flavor, (key, usual) in FLAVORS.items():
        if flavor in flavors:
            return str(flavors[flavor][key]), usual
    return None


def _of_file(path: Path, format: ModelFormat | None, where: str) -> ModelFile:
    try:
        if not path.is_file():
            raise ModelFileError(f"there is no file {where}")
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise ModelFileError(f"{where} cannot be read: {error}") from error
    if len(content) > LARGEST:
        raise ModelFileError(f"{where} is larger than {LARGEST} bytes; no model is")
    if content.startswith(PICKLE_STARTS) or path.suffix.lower() in PICKLE_SUFFIXES:
        raise ModelFileError(
            f"{where} is a pickle, which runs code when it is read, and is refused. Have its maker write a scikit-learn model with "
            "skops.io.dump, or log it in MLflow with serialization_format='skops'; other libraries have files of their own"
        )
    if format is None:
        raise ModelFileError(f"{where}: its name does not tell its format; write `imported.format`: one of {KNOWN}")
    return ModelFile(where, format, content, hashlib.sha256(content).hexdigest())


PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
