"""What every format of a model file offers once the file is open, and the error of a file that is not imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
        texts: features that are text, by the names under which the model gets them.
    """

    regression: bool
    positive: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A model that can be called.

    Attributes:
        names: of its inputs, in its order, as the file names them; None: the file does not name them.
        width: how many inputs it takes; None: the file does not say.
        scores: from a frame of the inputs, in its order, to one number a row: P(positive), or the predicted value.
        about: kind of model, and the library that scores it with its version.
    """

    names: tuple[str, ...] | None
    width: int | None
    scores: Callable[["pd.DataFrame"], np.ndarray]
    about: Mapping[str, str]


@dataclass(frozen=True)
class FileFormat:
    """How files of one format are read.

    Attributes:
        read: from the file's bytes, and the types that it may hold, to what is stored with the version.
        open: from what is stored to a model that can be called.
    """

    read: Callable[[bytes, frozenset[str]], Any]
    open: Callable[[Any, Asked], Opened]


def first_line(error: Exception) -> str:
    """The first line of a library's error, for a message of one line."""
    return (str(error).strip().splitlines() or [""])[0][:300].rstrip(".")
