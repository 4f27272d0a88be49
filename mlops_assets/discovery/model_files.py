"""Whether a file is a model, and of what kind, from its bytes alone.

Nothing is ever unpickled, imported or run: a pickle is read opcode by opcode, which executes none of them. Where models
are looked for is in `search.py`.
"""

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.discovery import other_files
from mlops_assets.discovery.other_files import beginning, decompressed
from mlops_assets.discovery.signs import LIBRARIES, Signs, task_of

DESCRIPTION_AT_MOST = 1 << 20
"""Bytes of an `MLmodel` file or of the schema in a skops file that are read."""
SUFFIXES = {
    ".astore": "SAS analytic store",
    ".cbm": "CatBoost model",
    ".gguf": "weights of a language model in GGUF",
    ".h5": "HDF5 file, as Keras writes models",
    ".keras": "Keras model",
    ".mojo": "H2O model",
    ".pt": "PyTorch file",
    ".pth": "PyTorch file",
    ".safetensors": "weights in safetensors",
    ".sas7bitm": "SAS item store, as procedures store models",
}
"""Formats that are known by their name only."""


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
    names = list(_named(decompressed(beginning(path))))
    if not names:
        return Signs("a pickle or joblib file that names no class", "possible")
    model = next((n for n in names if n.split(".")[0] in LIBRARIES), None)
    if model is None:
        # A pickled table or array is data; a class of somebody's own may well be a model.
        if names[0].split(".")[0] in ("pandas", "numpy", "polars", "pyarrow", "builtins", "collections", "datetime"):
            return None
        return Signs(f"a pickle or joblib file of {names[0]}", "possible")
    return Signs(f"a pickle or joblib file of {model}", task=task_of(model))


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
            with archive.open("schema.json") as file:
                # A few bytes of a zip may stand for gigabytes.
                text = file.read(DESCRIPTION_AT_MOST)
            schema = _opening(text)
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError, EOFError):
        return Signs("named like a skops file, which it is not, or it is damaged", "possible")
    name = f"{schema.get('__module__', '')}.{schema.get('__class__', '')}".strip(".")
    return Signs(f"a skops file of {name or 'an object without a name'}", task=task_of(name))


def _opening(text: bytes) -> dict[str, Any]:
    """Class and module of a skops schema, which may be too long to be read whole."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        found = re.search(rb'"__class__": *"([^"]{1,200})", *"__module__": *"([^"]{1,200})"', text)
        if found is None:
            raise ValueError("no class") from None
        return {"__class__": found.group(1).decode(), "__module__": found.group(2).decode()}
    if not isinstance(content, dict):
        raise ValueError("no schema")
    return content


def _onnx(path: Path) -> Signs | None:
    with path.open("rb") as file:
        # Field 1 of the message, a varint: the version of the format.
        begins = file.read(1) == b"\x08"
    return Signs("an ONNX graph") if begins else Signs("named like an ONNX graph", "possible")


def _mlmodel(path: Path) -> Signs | None:
    try:
        with path.open("rb") as file:
            content = described(file.read(DESCRIPTION_AT_MOST))
    except ValueError:
        return Signs("an MLflow model whose MLmodel file is damaged", "possible")
    flavors = flavors_of(content)
    if not flavors:
        return Signs("named like an MLflow model, without flavors", "possible")
    return Signs(f"an MLflow model ({', '.join(flavors)})", inputs=inputs_of(content.get("signature")))


def described(text: bytes) -> dict[str, Any]:
    """The content of an `MLmodel` file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        content = yaml.safe_load(text.decode("utf-8"))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("not YAML") from error
    return content if isinstance(content, dict) else {}


def flavors_of(content: dict[str, Any]) -> list[str]:
    """Flavors in an `MLmodel` file, without the general one where there is another."""
    flavors = content.get("flavors")
    if not isinstance(flavors, dict):
        return []
    return [str(name) for name in flavors if name != "python_function"] or [str(name) for name in flavors]


def inputs_of(signature: Any) -> tuple[tuple[str, str], ...]:
    """Columns of an MLflow signature, with the role that their type suggests."""
    roles = {"string": "categorical", "boolean": "boolean", "datetime": "date"}
    try:
        columns = json.loads(signature["inputs"])
        return tuple(
            (str(c["name"]), roles.get(str(c.get("type")), "numeric"))
            for c in columns
            if isinstance(c, dict) and c.get("name")
        )
    except (TypeError, KeyError, ValueError, RecursionError):
        return ()


READERS: dict[str, Callable[[Path], Signs | None]] = {
    ".pkl": _pickle,
    ".pickle": _pickle,
    ".joblib": _pickle,
    ".skops": _skops,
    ".onnx": _onnx,
    ".pmml": other_files.pmml,
    ".lgb": other_files.trees_or(Signs("named like a LightGBM model", "possible")),
    ".lgbm": other_files.trees_or(Signs("named like a LightGBM model", "possible")),
    ".ubj": other_files.trees_or(Signs("named like an XGBoost model", "possible")),
    ".xgb": other_files.trees_or(Signs("named like an XGBoost model", "possible")),
    ".bst": other_files.trees_or(Signs("named like an XGBoost model", "possible")),
    ".model": other_files.trees_or(Signs("named like a model", "possible")),
    ".txt": other_files.trees,
    ".json": other_files.trees,
    ".rds": other_files.r_object,
    ".rda": other_files.r_object,
    ".rdata": other_files.r_object,
}
