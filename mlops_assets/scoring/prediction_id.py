"""The name of a prediction, from which its model, window and version are read without a search.

Belongs here: making and reading the name. Does not belong here: finding the prediction itself (`stores/`).
"""

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.datasets import blake2s

SNAPSHOT = "snapshot"
PATTERN = re.compile(
    r"^([a-z][a-z0-9_]{0,62}):([0-9]{4}-[0-9]{2}-[0-9]{2}|snapshot):v([0-9A-Za-z._-]+):([0-9a-f]{32})$"
)
HEX_DIGITS = np.array([list(f"{byte:02x}".encode()) for byte in range(256)], np.uint8).view(np.uint16).ravel()
"""The two letters of each byte, as one number."""


@dataclass(frozen=True)
class PredictionId:
    """The parts of a prediction's name.

    Attributes:
        model: name of the model.
        window: start of the window as `YYYY-MM-DD`, or `snapshot` for a model without time.
        version: version of the model that predicted.
        row: BLAKE2s of the row's id, 16 bytes as hex digits: the id itself, which may be personal, is not shown.
    """

    model: str
    window: str
    version: str
    row: str

    def __str__(self) -> str:
        return f"{self.model}:{self.window}:v{self.version}:{self.row}"


def parse(text: str) -> PredictionId:
    """Read a prediction id.

    Raises:
        ValueError: when the text is none; says what one looks like.
    """
    match = PATTERN.match(text.strip())
    if match is None:
        raise ValueError(
            f"found {text!r}, expected a prediction id such as "
            "'sba_loan_default:2005-07-01:v3:9f86d081884c7d659a2feaa0c55ad015'"
        )
    return PredictionId(*match.groups())


def prediction_ids(ids: pl.Series, model: str, window: str | None, version: str | int) -> pl.Series:
    """One prediction id a row, as a text series named `prediction_id`; rows without an id share that of the text `None`."""
    import pyarrow as pa

    prefix = f"{model}:{window or SNAPSHOT}:v{version}:".encode()
    digests = blake2s.digests(ids.cast(pl.String).fill_null(str(None)))
    letters = np.empty((len(ids), len(prefix) + 2 * blake2s.SIZE), np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    letters[:, len(prefix) :] = HEX_DIGITS[digests].view(np.uint8)
    places = np.arange(len(ids) + 1, dtype=np.int64) * letters.shape[1]
    named = pa.LargeStringArray.from_buffers(len(ids), pa.py_buffer(places), pa.py_buffer(letters))
    return pl.Series("prediction_id", named, dtype=pl.String)
