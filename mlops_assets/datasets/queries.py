"""Rows of a SQL query, read in a way that cannot change the database.

Belongs here: the connection of a query, what makes it read-only, and the refusal of the project's own databases. Not here:
which statements and variables a declaration may name (`declaration/source.py`).

Three things keep a query from writing: the declaration takes one SELECT and nothing else; the database is told to refuse
writes (`READ_ONLY`); and the transaction is rolled back. For a database without a read-only mode the second is missing:
give the account that reads the right to read only. A function with effects outside the transaction, such as one that
ends another session, is limited by the account's rights alone.
"""

import os
import re

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url

from mlops_assets.datasets.files import SourceError, first_line
from mlops_assets.declaration.source import Source

READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}
"""By SQLAlchemy dialect: the statement after which the database itself refuses writes."""

OWN_TABLES = {
    "the ledger": ("ledger_records", "ledger_heads"),
    "MLflow's registry": ("registered_models", "model_versions"),
    "Dagster's storage": ("event_logs", "asset_keys"),
}
"""By store: tables that only its database has."""


def read_query(source: Source) -> pl.LazyFrame:
    """The rows of the declared query.

    Raises:
        SourceError: the variable is not set or holds no usable URL, the database is one of the project's own stores, or
            the query fails. The URL may hold a password: no message repeats it.
    """
    variable = str(source.connection)
    text = os.environ.get(variable)
    if not text:
        raise SourceError(
            f"source.connection: the environment variable {variable} is not set; "
            "it must hold the database's SQLAlchemy URL."
        )
    try:
        url = make_url(text)
        engine = sa.create_engine(_opened_for_reading(url), poolclass=sa.NullPool)
    except Exception as error:
        raise SourceError(f"{variable}: not a usable SQLAlchemy URL ({type(error).__name__}).") from error
    try:
        with engine.connect() as connection:
            if statement := READ_ONLY.get(engine.dialect.name):
                connection.execute(sa.text(statement))
            _refuse_own_stores(connection, variable)
            return pl.read_database(_literal(str(source.sql)), connection, infer_schema_length=None).lazy()
    except SourceError:
        raise
    except Exception as error:
        reason = first_line(error)
        if url.password:
            reason = reason.replace(str(url.password), "***")
        raise SourceError(
            f"query on {variable} failed ({type(error).__name__}: {reason}). Query: {source.sql}"
        ) from error
    finally:
        engine.dispose()


def _literal(sql: str) -> sa.TextClause:
    # SQLAlchemy reads `:name` as a parameter; a query of a declaration has none, but may hold a time or a cast.
    return sa.text(re.sub(r"(?<!:):(?=[\w$])", r"\\:", sql))


def _opened_for_reading(url: URL) -> URL:
    if url.drivername == "postgresql":
        # SQLAlchemy 2.1's default is psycopg 3; the driver that comes with dagster-postgres is psycopg2.
        return url.set(drivername="postgresql+psycopg2")
    plain_file = url.get_backend_name() == "sqlite" and url.database and not url.database.startswith(("file:", ":"))
    if not plain_file:
        return url
    return url.set(database=f"file:{url.database}", query={**url.query, "mode": "ro", "uri": "true"})


def _refuse_own_stores(connection: Connection, variable: str) -> None:
    found = sa.inspect(connection)
    for store, tables in OWN_TABLES.items():
        if all(found.has_table(table) for table in tables):
            raise SourceError(
                f"{variable}: the database holds {store}, expected one with the bank's data. "
                "Name a variable with another database."
            )
