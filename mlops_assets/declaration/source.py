"""Where the rows come from: files, a query, or another asset."""

import hashlib
import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from mlops_assets.declaration.part import Part


class Source(Part):
    """Where the rows come from: exactly one of `path`, `sql` with `connection`, or `asset`."""

    path: str | None = Field(default=None, examples=["data/sba_loans.parquet"])
    """A Parquet file, CSV file or Delta table, a glob over files, or an fsspec URL; relative paths start at the
    project's root."""
    sql: str | None = Field(default=None, examples=["select * from loans"])
    """A query, run through SQLAlchemy on `connection`."""
    connection: str | None = Field(default=None, examples=["LOANS_DATABASE_URL"])
    """Name of the environment variable that holds the database's SQLAlchemy URL: no secret is written in a declaration."""
    asset: str | None = Field(default=None, examples=["warehouse/loans"])
    """Key of another Dagster asset, parts separated by `/`; `path` then says where that asset leaves its rows."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.sql is not None:
            if self.path is not None or self.connection is None:
                raise ValueError("sql needs `connection` (the name of an environment variable) and no `path`")
        elif self.path is None:
            raise ValueError("found neither `path` nor `sql`: say where the rows are")
        elif self.connection is not None:
            raise ValueError("connection goes with `sql`, found `path`")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """Asset key of the source in the lineage: models that read the same table share it."""
        if self.asset is not None:
            return tuple(self.asset.split("/"))
        if self.sql is not None:
            digest = hashlib.sha256(f"{self.connection}\n{self.sql}".encode()).hexdigest()[:8]
            return ("source", f"query_{digest}")
        stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(str(self.path).rstrip("/")).name.split(".")[0]).strip("_")
        return ("source", stem or "table")
