"""Models in any MLflow registry: a database is opened read-only, a server is only queried.

The project's own registry is in `stores/registry.py`; this is for those that others keep.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
SERVERS = ("http://", "https://")


class RegistryUnreadable(MlopsAssetsError, ValueError):
    """What was named is no MLflow registry, or cannot be reached."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Registered:
    """One registered model.

    Attributes:
        name: as registered.
        versions: how many.
        modified: when it or a version was last changed, None where that is not recorded.
        aliases: set on its versions.
    """

    name: str
    versions: int
    modified: datetime | None
    aliases: tuple[str, ...] = ()


def is_registry(source: str) -> bool:
    """Whether the text names a registry, rather than a folder."""
    return source.startswith((*DATABASES, *SERVERS))


def registered_models(source: str) -> list[Registered]:
    """Every model that is registered there, by name.

    Args:
        source: the address of a database, such as `sqlite:///mlflow.db`, or of an MLflow server.

    Raises:
        RegistryUnreadable: there is none, with the reason.
    """
    return _from_database(source) if source.startswith(DATABASES) else _from_server(source)


def _from_database(address: str) -> list[Registered]:
    # Read as plain tables: MLflow would create a database that is not there, and refuses one of another release.
    import sqlalchemy as sql
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = sql.make_url(address)
        if url.get_backend_name() == "sqlite":
            file = Path(url.database or "")
            if not file.is_file():
                raise RegistryUnreadable(f"{address}: file not found")
            url = sql.make_url(f"sqlite:///file:{file.resolve()}?mode=ro&uri=true")
        engine = sql.create_engine(url)
        with engine.connect() as connection:
            models = connection.execute(sql.text("SELECT name, last_updated_time FROM registered_models"))
            found: dict[str, list[Any]] = {row.name: [0, row.last_updated_time or 0, []] for row in models}
            versions = sql.text(
                "SELECT name, COUNT(*) AS n, MAX(last_updated_time) AS at FROM model_versions GROUP BY name"
            )
            for row in connection.execute(versions):
                known = found.setdefault(row.name, [0, 0, []])
                known[0], known[1] = row.n, max(known[1], row.at or 0)
            if sql.inspect(connection).has_table("registered_model_aliases"):
                for row in connection.execute(sql.text("SELECT name, alias FROM registered_model_aliases")):
                    found.setdefault(row.name, [0, 0, []])[2].append(row.alias)
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise RegistryUnreadable(f"{_shown(address)}: is no MLflow registry that can be read: {reason}") from error
    return [Registered(n, count, _time(at), tuple(sorted(a))) for n, (count, at, a) in sorted(found.items())]


def _from_server(address: str) -> list[Registered]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=address, registry_uri=address)
    found: list[Registered] = []
    token = None
    try:
        while True:
            page = client.search_registered_models(max_results=500, page_token=token)
            for model in page:
                count = len(client.search_model_versions(f"name = '{model.name}'"))
                found.append(
                    Registered(
                        model.name, count, _time(model.last_updated_timestamp), tuple(sorted(model.aliases or {}))
                    )
                )
            token = page.token
            if not token:
                return sorted(found, key=lambda m: m.name)
    except MlflowException as error:
        reason = str(error).splitlines()[0][:200]
        raise RegistryUnreadable(f"{_shown(address)}: the MLflow server did not answer: {reason}") from error


def _shown(address: str) -> str:
    """The address without its password."""
    if address.startswith(SERVERS):
        from urllib.parse import urlsplit

        parts = urlsplit(address)
        return address.replace(f":{parts.password}@", ":***@") if parts.password else address
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        return address.split(":", 1)[0]


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
