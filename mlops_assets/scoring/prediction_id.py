"""The name of a prediction, from which its model, window and version are read without a search.

Belongs here: making and reading the name. Does not belong here: finding the prediction itself (`stores/`).
"""

import hashlib
import re
from dataclasses import dataclass

import polars as pl

SNAPSHOT = "snapshot"
PATTERN = re.compile(r"^([a-z][a-z0-9_]{0,62}):(\d{4}-\d{2}-\d{2}|snapshot):v([0-9A-Za-z._-]+):([0-9a-f]{32})$")


@dataclass(frozen=True)
class PredictionId:
    """The parts of a prediction's name.

    Attributes:
        model: name of the model.
        window: start of the window as `YYYY-MM-DD`, or `snapshot` for a model without time.
        version: version of the model that predicted.
        row: first 32 hex digits of the SHA-256 of the row's id.
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


def row_digest(row_id: object) -> str:
    """The part of a prediction id that stands for the row: the id itself, which may be personal, is not shown."""
    return hashlib.sha256(str(row_id).encode()).hexdigest()[:32]


def prediction_ids(ids: pl.Series, model: str, window: str | None, version: str | int) -> pl.Series:
    """One prediction id a row, as a text series named `prediction_id`."""
    prefix, sha256 = f"{model}:{window or SNAPSHOT}:v{version}:", hashlib.sha256
    # Polars has no SHA-256; everything around it is done on whole columns. An id that is missing reads as `row_digest`
    # reads it.
    texts = ids.cast(pl.String).fill_null(str(None)).to_list()
    digests = pl.Series("digest", [sha256(text.encode()).digest() for text in texts], dtype=pl.Binary)
    named = pl.lit(prefix) + pl.col("digest").bin.slice(0, 16).bin.encode("hex")
    return digests.to_frame().select(named.alias("prediction_id")).to_series()
