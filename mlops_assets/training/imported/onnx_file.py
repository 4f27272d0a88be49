"""Models in the ONNX format: a graph of standard operators as numbers, scored by ONNX Runtime.

A graph takes one matrix of all inputs, or one column for each input. No operators beyond the standard ones are loaded, and
no weights from other files: the file's digest then says all that the model is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.training.imported.opened import (
    Asked,
    FileFormat,
    ImportedModelError,
    Opened,
    first_line,
    library,
    positive_class,
)

if TYPE_CHECKING:
    import pandas as pd

TEXT = "tensor(string)"
NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
SCORES = ("tensor(float)", "tensor(double)")
MAPS = "seq(map("
"""Beginning of the type of an output that names the classes in every row, as converters of scikit-learn models write it."""
ELSEWHERE = b"\x0a\x08location\x12"
"""Key and value of a place of weights that are in another file, as protocol buffers encode it."""
PROBABILITIES = ("probabilities", "probability", "output_probability")


def read(content: bytes, trusted: frozenset[str]) -> bytes:
    """The file's bytes, if all weights are in them.

    Raises:
        ImportedModelError: some are in another file.
    """
    if ELSEWHERE in content:
        raise ImportedModelError(
            "weights of the model are in another file, which its digest does not cover; have its maker save the model as one file"
        )
    return content


def open_model(content: bytes, asked: Asked) -> Opened:
    """The model as it can be called.

    Raises:
        ImportedModelError: ONNX Runtime is not installed or cannot read the file, or its inputs and outputs are not those of a
            model of rows.
    """
    runtime = library("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of error for each of its codes, and no common one
        raise ImportedModelError(f"ONNX Runtime does not read the file ({first_line(error)})") from error
    inputs = session.get_inputs()
    matrix = len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1
    _require_inputs(inputs, matrix, asked.texts)
    output = _output(session.get_outputs(), asked)

    def scores(frame: "pd.DataFrame") -> np.ndarray:
        given = _matrix(inputs[0], frame) if matrix else {one.name: _column(one, frame[one.name]) for one in inputs}
        return _values(session.run([output.name], given)[0], asked)

    meta = session.get_modelmeta()
    width = inputs[0].shape[1] if matrix else len(inputs)
    return Opened(
        names=None if matrix else tuple(one.name for one in inputs),
        width=width if isinstance(width, int) else None,
        scores=scores,
        about={
            "model": f"graph {meta.graph_name} of {meta.producer_name or 'an unnamed producer'}",
            "library": f"ONNX Runtime {runtime.__version__}",
        },
        single=True,
    )


def _require_inputs(inputs: Sequence[Any], matrix: bool, texts: Sequence[str] | None) -> None:
    """Check that every input is a matrix of numbers, or one column of numbers or texts."""
    for one in inputs:
        column = len(one.shape) == 1 or (len(one.shape) == 2 and one.shape[1] == 1)
        if not (matrix and one.type in SCORES) and not (not matrix and column and one.type in {*NUMBERS, TEXT}):
            raise ImportedModelError(
                f"its input {one.name} is {one.type} of the shape {one.shape}; expected one matrix (rows, inputs) of numbers, or "
                "one column (rows, 1) for each input"
            )
    found = [one.name for one in inputs if one.type == TEXT]
    if texts is not None and sorted(texts) != sorted(found):
        raise ImportedModelError(
            f"the model's text inputs are {found or 'none'}, and declared as categorical are {sorted(texts) or 'none'}"
        )


def _output(outputs: Sequence[Any], asked: Asked) -> Any:
    """The output that holds the score."""
    maps = [one for one in outputs if one.type.startswith(MAPS)]
    numbers = [one for one in outputs if one.type in SCORES]
    if asked.regression:
        found = (
            [] if maps else [one for one in numbers if len(one.shape) < 2 or one.shape[-1] in (1, None) or _open(one)]
        )
    else:
        found = maps or [one for one in numbers if one.name in PROBABILITIES] or numbers
    if len(found) != 1:
        task = "regression" if asked.regression else "binary"
        shown = ", ".join(f"{one.name} ({one.type}, shape {one.shape})" for one in outputs)
        raise ImportedModelError(f"task is {task}, and the model's outputs are {shown}; expected one output of scores")
    return found[0]


def _open(output: Any) -> bool:
    """Whether the file does not say how many values a row has."""
    return isinstance(output.shape[-1], str)


def _matrix(wanted: Any, frame: "pd.DataFrame") -> dict[str, np.ndarray]:
    return {wanted.name: frame.to_numpy(dtype=NUMBERS[wanted.type])}


def _column(wanted: Any, values: Any) -> np.ndarray:
    """The values of one input; a missing text is the empty one."""
    if wanted.type == TEXT:
        found = values.fillna("").to_numpy(dtype=object)
    else:
        found = values.to_numpy()
        kind = np.dtype(NUMBERS[wanted.type])
        if kind.kind in "iub" and np.isnan(found).any():
            raise ValueError(f"input {wanted.name} takes whole numbers, and values are missing")
        found = found.astype(kind)
    return found.reshape(-1, 1) if len(wanted.shape) == 2 else found


def _values(found: Any, asked: Asked) -> np.ndarray:
    """One score a row of what the graph gives."""
    if isinstance(found, list):
        if not found:
            return np.empty(0)
        classes = list(found[0])
        wanted = classes[positive_class(classes, asked.positive, "graph")]
        return np.array([row[wanted] for row in found], dtype=np.float64)
    values = np.asarray(found, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 2 and not asked.regression:
        return values[:, 1]
    return values.reshape(len(values), -1)[:, 0] if values.size == len(values) else values


FORMAT = FileFormat(read, open_model, native=True)
