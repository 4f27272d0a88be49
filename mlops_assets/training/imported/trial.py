"""A first reading of a model file in a process of its own.

LightGBM, XGBoost and ONNX Runtime read files with native code that trusts its input: a damaged file can end the process that reads it.
It is therefore read elsewhere first. This is no sandbox: a file that was made to attack the library is not held by it.
"""

import subprocess
import sys

import numpy as np

from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.training.imported.formats import FORMATS
from mlops_assets.training.imported.opened import Asked, ImportedModelError

SECONDS = 120
"""Time that a file has to be opened and to score two rows."""


def require_harmless(format: ModelFormat, content: bytes) -> None:
    """Check that reading a file, and scoring with it, ends no process. What else is wrong with it is found where it is read.

    Raises:
        ImportedModelError: the process ended, or did not come to an end.
    """
    command = [sys.executable, "-m", __name__, format.value]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ImportedModelError(
            f"its library did not open it within {SECONDS} seconds; the file is damaged"
        ) from error
    if done.returncode < 0:
        raise ImportedModelError(
            f"its library crashes when it reads the file (signal {-done.returncode}), so it is damaged; ask its maker for it again"
        )


def main(format: str, content: bytes) -> None:
    """Open the file and score two rows, one of zeros and one of gaps."""
    import pandas as pd

    reader = FORMATS[ModelFormat(format)]
    held = reader.read(content, frozenset())
    for regression in (False, True):
        try:
            opened = reader.open(held, Asked(regression, "1"))
        except ImportedModelError:
            continue
        names = opened.names or [str(place) for place in range(opened.width or 0)]
        opened.scores(pd.DataFrame({name: np.array([0.0, np.nan]) for name in names}))
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer.read())
