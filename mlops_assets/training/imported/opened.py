"""What every format of a model file offers once the file is open, and the error of a file that is not imported."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.datasets.values import text_of
from mlops_assets.errors import MlopsAssetsError

if TYPE_CHECKING:
    import pandas as pd


class ImportedModelError(MlopsAssetsError, ValueError):
    """A model that others trained is not read, or does not score; the text says why, and what to do."""


@dataclass(frozen=True)
class Asked:
    """What a model file is asked for.

    Attributes:
        regression: whether the task is regression; otherwise it is binary.
        positive: the declared positive value of a binary target, as text.
        texts: features that are text, by the names under which the model gets them, in its order; None: not known yet, because
            its names are not.
    """

    regression: bool
    positive: str
    texts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Opened:
    """A model that can be called.

    Attributes:
        names: of its inputs, in its order, as the file names them; None: the file does not name them.
        width: how many inputs it takes; None: the file does not say.
        scores: from a frame of the inputs, in its order, to one number a row: P(positive), or the predicted value.
        about: kind of model, and the library that scores it with its version.
        single: whether it computes in single precision, so that a row alone and in a batch agree in seven digits only.
    """

    names: tuple[str, ...] | None
    width: int | None
    scores: Callable[["pd.DataFrame"], np.ndarray]
    about: Mapping[str, str]
    single: bool = False


@dataclass(frozen=True)
class FileFormat:
    """How files of one format are read.

    Attributes:
        read: from the file's bytes, and the types that it may hold, to what is stored with the version.
        open: from what is stored to a model that can be called.
        native: whether a library's native code reads the file (`trial.py`).
    """

    read: Callable[[bytes, frozenset[str]], Any]
    open: Callable[[Any, Asked], Opened]
    native: bool = False


def library(name: str, extra: str = "") -> Any:
    """A library that scores files of a format, which is installed as an extra of that name unless another is given.

    Raises:
        ImportedModelError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportedModelError(
            f"{name} scores files of this format and is not installed; install the extra: pip install 'mlops_assets[{extra or name}]'"
        ) from error


def positive_class(classes: Sequence[Any], positive: str, kind: str) -> int:
    """Which of a model's two classes is the positive outcome.

    Args:
        classes: labels in the order of the probabilities.
        positive: the declared positive value, as text.
        kind: of the model, for the message.

    Raises:
        ImportedModelError: neither is the declared one, and they are no 0 and 1.
    """
    texts = [text_of(label.item() if isinstance(label, np.generic) else label) for label in classes]
    if positive in texts and len(texts) == 2:
        return texts.index(positive)
    for coded in (["0", "1"], ["false", "true"]):
        if sorted(texts) == coded:
            return texts.index(coded[1])
    raise ImportedModelError(
        f"the {kind} in the file predicts the classes {', '.join(map(repr, texts))}; expected the declared positive value "
        f"{positive!r} and one other, or 0 and 1"
    )


def require_objective(found: str, asked: Asked, binary: Sequence[str], no_values: Sequence[str]) -> None:
    """Check that a booster was trained for the task.

    Args:
        found: its objective, in the words of its library.
        asked: the task.
        binary: objectives whose prediction is a probability.
        no_values: beginnings of those whose prediction is no value of a regression.

    Raises:
        ImportedModelError: it was trained for another one, or the file does not say for which.
    """
    if not found:
        raise ImportedModelError(
            "the file does not name the objective of its training, so what it predicts is not known"
        )
    if asked.regression and found.startswith(tuple(no_values)):
        raise ImportedModelError(f"task is regression, and the model was trained with the objective {found!r}")
    if not asked.regression and found.startswith("multi"):
        raise ImportedModelError(
            f"the model tells several classes apart (objective {found!r}), and only binary and regression models are imported; have "
            "its maker hand over a model of the one outcome that is decided on"
        )
    if not asked.regression and found not in binary:
        raise ImportedModelError(
            f"task is binary, and the model was trained with the objective {found!r}; expected one that gives a probability: "
            f"{' or '.join(binary)}"
        )


def first_line(error: Exception) -> str:
    """The first line of a library's error, for a message of one line."""
    return (str(error).strip().splitlines() or [""])[0][:300].rstrip(".")
