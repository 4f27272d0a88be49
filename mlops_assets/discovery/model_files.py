"""Whether a file is a model, and of what kind, from its bytes alone.

Nothing is ever unpickled, imported or run: a pickle is read opcode by opcode, which executes none of them. Where models
are looked for is in `discovery.py`.
"""

import bz2
import io
import json
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

Confidence = Literal["likely", "possible"]

LIBRARIES = (
    *("sklearn", "xgboost", "lightgbm", "catboost", "statsmodels", "torch", "tensorflow", "keras", "imblearn"),
    *("pycaret", "autogluon", "flaml", "h2o", "prophet", "pmdarima", "sktime", "pygam", "skorch", "interpret"),
)
"""Top-level modules whose objects are models, or parts of them."""
READ_AT_MOST = 2 << 20
"""Bytes of a pickle that are looked at; the class of the object is named at its beginning."""
SUFFIXES = {
    ".cbm": "CatBoost model",
    ".h5": "HDF5 file, as Keras writes models",
    ".keras": "Keras model",
    ".pmml": "PMML document",
    ".pt": "PyTorch file",
    ".pth": "PyTorch file",
    ".safetensors": "weights in safetensors",
}
"""Formats that are known by their name only."""


@dataclass(frozen=True)
class Signs:
    """Why something is thought a model.

    Attributes:
        why: in a sentence, without a stop.
        confidence: `likely` where the content says so, `possible` where only the name or the format does.
        task: `binary`, `multiclass` or `regression`, where it is known; empty otherwise.
        inputs: names of the inputs with their roles, where they are recorded.
    """

    why: str
    confidence: Confidence = "likely"
    task: str = ""
    inputs: tuple[tuple[str, str], ...] = ()


def signs_of(path: Path) -> Signs | None:
    """Why the file is thought a model; None when it is thought none.

    Raises:
        OSError: it cannot be read.
    """
    if path.name == "MLmodel":
        return _mlmodel(path)
    suffix = path.suffix.lower()
    if suffix in READERS:
        return READERS[suffix](path)
    return Signs(SUFFIXES[suffix], "possible") if suffix in SUFFIXES else None


def _pickle(path: Path) -> Signs | None:
    with path.open("rb") as file:
        names = list(_named(_decompressed(file.read(READ_AT_MOST))))
    if not names:
        return Signs("a pickle or joblib file that names no class", "possible")
    model = next((n for n in names if n.split(".")[0] in LIBRARIES), None)
    if model is None:
        # A pickled table or array is data; a class of somebody's own may well be a model.
        if names[0].split(".")[0] in ("pandas", "numpy", "polars", "pyarrow", "builtins", "collections", "datetime"):
            return None
        return Signs(f"a pickle or joblib file of {names[0]}", "possible")
    return Signs(f"a pickle or joblib file of {model}", task=_task(model))


def _decompressed(content: bytes) -> bytes:
    """The beginning of what joblib or pickle wrote, whatever it was compressed with."""
    openers: dict[bytes, Callable[[], Any]] = {
        b"\x1f\x8b": lambda: zlib.decompressobj(31),
        b"x": zlib.decompressobj,
        b"BZ": bz2.BZ2Decompressor,
        b"\xfd7zXZ": lzma.LZMADecompressor,
        b"]\x00": lzma.LZMADecompressor,
    }
    for magic, opener in openers.items():
        if content.startswith(magic):
            try:
                return opener().decompress(content, READ_AT_MOST)
            except (zlib.error, OSError, lzma.LZMAError, EOFError):
                return content
    return content


def _named(content: bytes) -> Iterator[str]:
    """Classes and functions that a pickle names, in order; stops at what is no opcode (joblib puts arrays between)."""
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
            if opcode.name == "GLOBAL" and isinstance(argument, str):
                yield argument.replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
                yield f"{texts[-2]}.{texts[-1]}"
            elif isinstance(argument, str):
                texts.append(argument)
    except Exception:
        # pickletools raises whatever the bytes lead it to; what was named until then is what there is to know.
        return


def _skops(path: Path) -> Signs | None:
    try:
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError):
        return Signs("named like a skops file, which it is not, or it is damaged", "possible")
    name = f"{schema.get('__module__', '')}.{schema.get('__class__', '')}".strip(".")
    return Signs(f"a skops file of {name or 'an object without a name'}", task=_task(name))


def _onnx(path: Path) -> Signs | None:
    with path.open("rb") as file:
        # Field 1 of the message, a varint: the version of the format.
        begins = file.read(1) == b"\x08"
    return Signs("an ONNX graph") if begins else Signs("named like an ONNX graph", "possible")


def _mlmodel(path: Path) -> Signs | None:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return Signs("an MLflow model whose MLmodel file is damaged", "possible")
    if not isinstance(content, dict) or not isinstance(content.get("flavors"), dict):
        return Signs("named like an MLflow model, without flavors", "possible")
    flavors = [name for name in content["flavors"] if name != "python_function"] or list(content["flavors"])
    return Signs(f"an MLflow model ({', '.join(flavors)})", inputs=_inputs(content.get("signature")))


def _inputs(signature: Any) -> tuple[tuple[str, str], ...]:
    """Columns of an MLflow signature, with the role that their type suggests."""
    try:
        columns = json.loads(signature["inputs"])
    except (TypeError, KeyError, ValueError):
        return ()
    roles = {"string": "categorical", "boolean": "boolean", "datetime": "date"}
    return tuple(
        (str(c["name"]), roles.get(str(c.get("type")), "numeric"))
        for c in columns
        if isinstance(c, dict) and c.get("name")
    )


def _task(name: str) -> str:
    """A regressor is named so; the number of classes of a classifier is not known from its bytes."""
    return "regression" if "Regressor" in name or name.endswith(("LinearRegression", "Ridge", "Lasso")) else ""


READERS: dict[str, Callable[[Path], Signs | None]] = {
    ".pkl": _pickle,
    ".pickle": _pickle,
    ".joblib": _pickle,
    ".skops": _skops,
    ".onnx": _onnx,
}
