"""Where the rows come from: files, a query, or another asset, and how text files are written."""

# sqlparse has no types.
# pyright: standard

import hashlib
import json
import os
import re
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mlops_assets.declaration.terms import Part
from mlops_assets.registration import checked_settings, names_of

PLAIN_PARQUET = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\.parquet")
"""Paths whose parts are valid asset names as they are, once the suffix is gone."""
OF_THIS_PACKAGE = ("files", "query")
"""Registered sources that `path` and `sql` stand for."""
SOURCE_VARIABLE = re.compile(r"MLOPS_SOURCE_[A-Z0-9_]+")
"""Environment variables that `connection` may name."""


def other_than_a_select(sql: str) -> str:
    """What a text holds that is not one SELECT, in words; empty when it is one.

    The words are read without knowing the database's dialect. That finds mistakes and plain writes when the declaration
    is loaded; what a function inside the SELECT may do is for the database's read-only transaction to refuse.
    """
    import sqlparse
    from sqlparse import tokens

    statements = [
        [token for token in statement.flatten() if not token.is_whitespace and token.ttype not in tokens.Comment]
        for statement in sqlparse.parse(sql)
    ]
    statements = [words for words in statements if any(str(word) != ";" for word in words)]
    if len(statements) != 1:
        return f"{len(statements) or 'no'} statement{'s' if statements else ''}"
    words = statements[0]
    first = next(word for word in words if str(word) != "(")
    if first.normalized.upper() not in ("SELECT", "WITH"):
        return f"a statement that begins with {str(first)!r}"
    for word in words:
        changes = word.ttype in tokens.Keyword.DML or word.ttype in tokens.Keyword.DDL
        if (changes and word.normalized != "SELECT") or (word.ttype in tokens.Keyword and word.normalized == "INTO"):
            return f"the word {str(word).upper()}"
    return ""


class Source(Part):
    """Where the rows come from: exactly one of `path`, `sql` with `connection`, or `reader`; `asset` may go with `path`."""

    path: str | None = Field(default=None, examples=["data/sba_loans.parquet"])
    """A Parquet file, CSV file or Delta table, a glob over files, or an fsspec URL; relative paths start at the
    project's root."""
    sql: str | None = Field(default=None, examples=["select * from loans"])
    """One SELECT, run through SQLAlchemy on `connection` in a read-only transaction."""
    connection: str | None = Field(default=None, examples=["MLOPS_SOURCE_LOANS_URL"])
    """Name of the environment variable that holds the database's SQLAlchemy URL: no secret is written in a declaration.
    The name begins with `MLOPS_SOURCE_`, so that a declaration cannot reach any other address or secret."""
    reader: str | None = Field(default=None, examples=["core_banking"])
    """Name of a registered source of the bank's own (`mlops extensions --kind sources`)."""
    settings: dict[str, Any] = Field(default_factory=dict, examples=[{"table": "loans"}])
    """What the `reader` is to read: the fields that it documents."""
    upstream: tuple[str, ...] = Field(default=(), examples=[["core_banking/accounts"]])
    """What the table is made from, as asset keys, parts separated by `/`. It is shown in the lineage; a fault that shows in models
    of different tables with one upstream in the same window is one incident."""
    asset: str | None = Field(default=None, examples=["warehouse/loans"])
    """Key of another Dagster asset, parts separated by `/`; `path` then says where that asset leaves its rows."""
    separator: str | None = Field(default=None, min_length=1, max_length=1, examples=[";"])
    """Text files: the character between two fields; default: guessed from the first lines of each file."""
    decimal: Literal[".", ","] | None = Field(default=None, examples=[","])
    """Text files: the decimal mark of numbers; default: guessed from the first lines of each file."""
    encoding: str | None = Field(default=None, examples=["latin-1"])
    """Text files: the character encoding; default: UTF-8, or cp1252 where the bytes are not UTF-8."""
    null_values: tuple[str, ...] | None = Field(default=None, examples=[["NA", "?"]])
    """Text files: texts that mean "no value", in every column; default: the usual ones, in columns of numbers and
    times alone, since in other columns `NA` may be a code."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.reader is not None:
            of_files = ("path", "sql", "connection", "separator", "decimal", "encoding", "null_values")
            if others := [field for field in of_files if getattr(self, field) is not None]:
                raise ValueError(
                    f"`reader` says where the rows are, and {', '.join(others)} as well: expected one of them"
                )
            return self
        if self.settings:
            raise ValueError("settings go with `reader`, found none")
        if self.sql is not None:
            if self.path is not None or self.connection is None:
                raise ValueError("sql needs `connection` (the name of an environment variable) and no `path`")
            for field in ("separator", "decimal", "encoding", "null_values"):
                if getattr(self, field) is not None:
                    raise ValueError(f"{field} is for text files, found `sql`")
        elif self.path is None:
            raise ValueError("found neither `path` nor `sql` nor `reader`: say where the rows are")
        elif self.connection is not None:
            raise ValueError("connection goes with `sql`, found `path`")
        return self

    @field_validator("reader")
    @classmethod
    def _registered(cls, name: str | None) -> str | None:
        if name is not None and (name not in names_of("sources") or name in OF_THIS_PACKAGE):
            known = ", ".join(other for other in names_of("sources") if other not in OF_THIS_PACKAGE) or "none"
            raise ValueError(
                f"found {name!r}, expected the name of a registered source of your own; registered: {known}"
            )
        return name

    @field_validator("settings")
    @classmethod
    def _as_the_reader_takes_them(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if (reader := info.data.get("reader")) is not None:
            checked_settings("sources", reader, settings)
        return settings

    @field_validator("asset")
    @classmethod
    def _an_asset_key(cls, asset: str | None) -> str | None:
        return asset if asset is None else _asset_key("asset", asset)

    @field_validator("upstream")
    @classmethod
    def _asset_keys(cls, upstream: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_asset_key("upstream", name) for name in upstream)

    @field_validator("connection")
    @classmethod
    def _only_source_variables(cls, name: str | None) -> str | None:
        if name is not None and not SOURCE_VARIABLE.fullmatch(name):
            raise ValueError(
                f"found {name!r}, expected the name of an environment variable that begins with MLOPS_SOURCE_, "
                "such as MLOPS_SOURCE_LOANS_URL"
            )
        return name

    @field_validator("sql")
    @classmethod
    def _only_a_select(cls, sql: str | None) -> str | None:
        if sql is not None and (found := other_than_a_select(sql)):
            raise ValueError(f"found {found}, expected one SELECT: a source is read and never changed")
        return sql

    @model_validator(mode="after")
    def _known_encoding(self) -> Self:
        import codecs

        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise ValueError(
                    f"found encoding {self.encoding!r}, expected a name Python knows, such as utf-8, latin-1 or cp1252"
                ) from error
        if self.separator is not None and self.separator == self.decimal:
            raise ValueError(f"separator and decimal are both {self.separator!r}; they must differ")
        return self

    @property
    def read_by(self) -> str:
        """Name of the registered source that reads it."""
        return self.reader or ("query" if self.sql is not None else "files")

    @property
    def described(self) -> str:
        """In words, for a message or a card."""
        return self.path or (f"source {self.reader}" if self.reader else f"query on {self.connection}")

    @property
    def origins(self) -> dict[str, str]:
        """What a fault of the rows may come from: the table itself, and what it is made from; asset key to words."""
        return {"/".join(self.key): self.described, **{name: name for name in self.upstream}}

    @property
    def key(self) -> tuple[str, ...]:
        """Asset key of the source in the lineage: models that declare the same table share it, others never do.

        `data/retail/loans.parquet` is `source/data/retail/loans`. A path that has to be rewritten to be a valid key (a
        glob, a URL, another suffix) ends in a digest of the path, so that no two paths have one key.
        """
        if self.asset is not None:
            return tuple(self.asset.split("/"))
        if self.sql is not None:
            return ("source", "query_" + _short_digest(f"{self.connection}\n{self.sql}"))
        if self.reader is not None:
            settings = json.dumps(self.settings, sort_keys=True, default=str)
            return ("source", f"{self.reader}_" + _short_digest(settings))
        path = str(self.path) if "://" in str(self.path) else os.path.normpath(str(self.path))
        if PLAIN_PARQUET.fullmatch(path):
            return ("source", *PurePosixPath(path).with_suffix("").parts)
        parts = [
            part for part in (re.sub(r"\W+", "_", part, flags=re.ASCII).strip("_") for part in path.split("/")) if part
        ]
        return ("source", *parts[:-1], f"{parts[-1] if parts else 'table'}_{_short_digest(path)}")


def _asset_key(field: str, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*", text):
        raise ValueError(
            f"found {field} {text!r}, expected the key of a Dagster asset: parts of letters, digits and _, separated by /"
        )
    return text


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
