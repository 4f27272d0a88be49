"""What a registered source is: it reads rows, and says by a digest whether they are other rows than before.

Not here: the sources of this package (`sources.py`, `queries.py`), and what is done with the rows (`sources.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from pydantic import BaseModel

from mlops_assets.datasets.parts import Part
from mlops_assets.registration import Extension, Known


@dataclass(frozen=True)
class Opened:
    """A source that was opened.

    Attributes:
        parts: rows, each part of one schema.
        notes: how it was read, a line each.
        problems: files that cannot be read; their rows are missing.
    """

    parts: list[Part]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source(Extension):
    """One kind of place that rows come from. A declaration names it as `source: {reader: <name>, settings: {...}}`.

    Attributes:
        name: under which it is registered.
        settings: model of the declaration's `settings`, a subclass of `Settings` with documented fields.
        read: the rows, lazily where they are many, given the settings and the project's folder; raises where they cannot be
            had. A column of text is read as the declaration says.
        digest: text that differs when the rows do, given the same; cheaper than reading them. Default: a digest of the rows.
    """

    KIND: ClassVar[str] = "sources"

    name: str
    settings: type[BaseModel] | None
    read: Callable[[Any, Path], "pl.LazyFrame | pl.DataFrame | Opened"]
    digest: Callable[[Any, Path], str] | None = None


SOURCES: Known[Source] = Known(Source)
