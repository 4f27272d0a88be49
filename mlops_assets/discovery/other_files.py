"""Model files that are known by the beginning of their content: LightGBM, XGBoost, PMML, and objects that R has saved.

Nothing is loaded: some bytes are read and looked through. Pickles, skops, ONNX and MLflow models are in `model_files.py`.
"""

import bz2
import json
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_assets.discovery.signs import Signs, task_of

READ_AT_MOST = 2 << 20
"""Bytes that are looked at; objective and inputs are at the beginning of these formats."""
MOST_INPUTS = 2_000
R_CLASSES = (
    *("glm", "lm", "randomForest", "ranger", "xgb.Booster", "lgb.Booster", "gbm", "glmnet", "cv.glmnet", "rpart"),
    *("gam", "train", "workflow", "model_fit", "nnet", "svm", "coxph", "survreg", "Arima", "prophet", "merMod"),
    *("party", "cforest", "ksvm", "polr", "lme", "nls", "kmeans", "prcomp", "naiveBayes", "H2OModel", "mable"),
)
"""Classes of models in R."""
PMML_MODEL = re.compile(rb"<(?:\w+:)?(\w*Model|Scorecard|NeuralNetwork|TreeModel|GeneralRegressionModel)\b([^>]*)>")
PMML_ROLES = {"categorical": "categorical", "ordinal": "ordinal", "continuous": "numeric"}


def decompressed(content: bytes) -> bytes:
    """The beginning of what joblib, pickle or R wrote, whatever it was compressed with."""
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


def trees(path: Path) -> Signs | None:
    """A LightGBM or XGBoost model, in any of their formats, under whatever name; None for other content.

    Raises:
        OSError: it cannot be read.
    """
    # Most files with such names are something else: a look at their first bytes is enough.
    head = beginning(path, 256)
    if not head.startswith((b"tree\n", b"{", b"binf")):
        return None
    head = beginning(path)
    if head.startswith(b"tree\n") and b"\nversion=" in head[:200]:
        return _lightgbm(head.decode("utf-8", "replace"))
    # JSON, and UBJSON whose keys have a length before them.
    if head[:1] == b"{" and b"learner" in head[:64]:
        return _xgboost(head)
    if head.startswith(b"binf"):
        return Signs("an XGBoost model in its old binary format")
    return None


def _lightgbm(text: str) -> Signs:
    parted = (line.partition("=") for line in text.partition("\n\n")[0].splitlines())
    fields = {name: value for name, _, value in parted}
    objective = fields.get("objective", "").split(" ")[0]
    names = fields.get("feature_names", "").split()[:MOST_INPUTS]
    why = "a LightGBM model" + (f" with the objective {objective}" if objective else "")
    return Signs(why, task=task_of(objective), inputs=tuple((name, "numeric") for name in names))


def _xgboost(head: bytes) -> Signs:
    # Both formats write the text of the objective as it is.
    found = re.search(rb"((?:binary|multi|reg|count|survival|rank):[a-z0-9]+)", head)
    objective = found.group(1).decode() if found else ""
    names = re.search(rb'"feature_names"\s*:\s*(\[[^\]]{0,200000}\])', head)
    inputs: list[str] = []
    if names:
        try:
            inputs = [str(name) for name in json.loads(names.group(1))][:MOST_INPUTS]
        except ValueError:
            inputs = []
    why = "an XGBoost model" + (f" with the objective {objective}" if objective else "")
    task = "regression" if objective.startswith(("reg:s", "reg:a", "count:")) else task_of(objective)
    return Signs(why, task=task, inputs=tuple((name, "numeric") for name in inputs))


def trees_or(otherwise: Signs) -> Callable[[Path], Signs]:
    """A reader that knows trees by their content, and everything else by its name alone."""
    return lambda path: trees(path) or otherwise


def pmml(path: Path) -> Signs:
    """A PMML document; its text is searched, because an XML parser would follow whatever the document declares.

    Raises:
        OSError: it cannot be read.
    """
    head = beginning(path)
    model = PMML_MODEL.search(head)
    if b"<PMML" not in head or model is None:
        return Signs("named like a PMML document, without a model", "possible")
    kind, attributes = model.group(1).decode(), _attributes(model.group(2))
    used = {
        a.get("name", ""): a.get("usageType", "active")
        for a in map(_attributes, re.findall(rb"<(?:\w+:)?MiningField\b([^>]*)>", head))
    }
    fields = map(_attributes, re.findall(rb"<(?:\w+:)?DataField\b([^>]*)>", head))
    inputs = [
        (a["name"], PMML_ROLES.get(a.get("optype", ""), "numeric"))
        for a in fields
        if a.get("name") and used.get(a["name"], "active") == "active"
    ][:MOST_INPUTS]
    name = f" named {attributes['modelName']}" if attributes.get("modelName") else ""
    task = "regression" if attributes.get("functionName") == "regression" else ""
    return Signs(f"a PMML document with a {kind}{name}", task=task, inputs=tuple(inputs))


def r_object(path: Path) -> Signs | None:
    """An object that R has saved, where it has the class of a model.

    Raises:
        OSError: it cannot be read.
    """
    content = decompressed(beginning(path))
    # A text in R's format: nine bytes of header before it, the last four its length.
    classes = [name for name in R_CLASSES if (len(name).to_bytes(4, "big") + name.encode()) in content]
    if classes:
        return Signs(f"an R object of the class {classes[0]}")
    if len(content) >= READ_AT_MOST:
        return Signs("a large R object whose class was not reached", "possible")
    return None


def beginning(path: Path, most: int = READ_AT_MOST) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(most)


def _attributes(text: bytes) -> dict[str, str]:
    return {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in re.findall(rb"([\w:]+)\s*=\s*[\"']([^\"']*)[\"']", text)
    }
