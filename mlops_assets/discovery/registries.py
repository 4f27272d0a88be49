"""Models in any MLflow registry: a database is opened read-only, a server is only queried.

The project's own registry is in `stores/registry.py`; this is for those that others keep.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mlops_assets.discovery.model_files import DESCRIPTION_AT_MOST, described, flavors_of, inputs_of
from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
SERVERS = ("http://", "https://")
OWNER_TAGS = ("owner", "team", "model_owner", "contact", "responsible", "maintainer")
"""Tags that name the owner of a model, in any spelling of their letters."""
MOST_VERSIONS = 10_000
"""Versions of one model that are looked at."""
PAGE = 200
PROMPT = "mlflow.prompt.is_prompt"
SERVED = "mlflow-artifacts:/"
"""Beginning of the address of an artifact that the server hands out itself."""
ANSWERS_WITHIN = 15.0
"""Seconds within which a server must take a connection."""


class RegistryUnreadable(MlopsAssetsError, ValueError):
    """What was named is no MLflow registry, or cannot be reached."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Version:
    """What a server shows of one version of a model.

    Attributes:
        number: of the version.
        flavors: of the artifact; empty where its description cannot be read.
        inputs: names and roles of the inputs in its signature.
        metrics: of its run.
        params: of its run.
        tags: of the version.
        source: where its artifact is.
        unread: why a part of it is not known; empty where all is.
    """

    number: str
    flavors: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    unread: str = ""


@dataclass(frozen=True)
class Registered:
    """One registered model.

    Attributes:
        name: as registered.
        versions: numbers of its versions, the newest last.
        modified: when it or a version was last changed, None where that is not recorded.
        aliases: alias to the number of the version that it is set on.
        description: of the model.
        tags: of the model.
        contents: source and run of each version, so that another artifact under the same number is seen.
    """

    name: str
    versions: tuple[str, ...]
    modified: datetime | None
    aliases: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The owner that a tag names; empty where none does."""
        known = {name.casefold(): value for name, value in self.tags.items()}
        return next((known[name] for name in OWNER_TAGS if known.get(name)), "")

    def deciding(self, alias: str = "") -> str:
        """Number of the version that counts: that of the alias, or the newest; empty where there is none."""
        if alias:
            return self.aliases.get(alias, "")
        return self.versions[-1] if self.versions else ""


def is_registry(source: str) -> bool:
    """Whether the text names a registry, rather than a folder."""
    return source.startswith((*DATABASES, *SERVERS))


def is_server(source: str) -> bool:
    """Whether the text is the address of a server."""
    return source.startswith(SERVERS)


def registered_models(source: str) -> list[Registered]:
    """Every model that is registered there, by name.

    Args:
        source: the address of a database, such as `sqlite:///mlflow.db`, or of an MLflow server.

    Raises:
        RegistryUnreadable: there is none, with the reason.
    """
    return _from_database(source) if source.startswith(DATABASES) else _from_server(source)


def shown_address(address: str) -> str:
    """The address as it is stored and printed: without name and password, and without a slash at its end."""
    if address.startswith(SERVERS):
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except ArgumentError:
        return address.split(":", 1)[0]
    if url.get_backend_name() == "sqlite" and url.database:
        return f"sqlite:///{Path(url.database).resolve()}"
    return url.set(username=None, password=None).render_as_string()


def version_of(source: str, name: str, number: str) -> Version:
    """What a server shows of a version: flavors and inputs of its artifact, and metrics and parameters of its run.

    Only questions are asked. What cannot be read is left out, and `unread` says why.

    Args:
        source: address of the server.
        name: of the model, as registered.
        number: of the version.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from mlops_assets.stores.model_files import asking

    with asking(source):
        client = MlflowClient(tracking_uri=source, registry_uri=source)
        try:
            known = client.get_model_version(name, number)
        except MlflowException as error:
            return Version(number, unread=_first_line(error))
        found = Version(number, tags=dict(known.tags or {}), source=known.source or "")
        if known.run_id:
            try:
                run = client.get_run(known.run_id)
                found = replace(found, metrics=dict(run.data.metrics), params=dict(run.data.params))
            except MlflowException as error:
                found = replace(found, unread=_first_line(error))
        try:
            place = client.get_model_version_download_uri(name, number)
        except MlflowException as error:
            return replace(found, unread=_first_line(error))
        return _with_description(found, place)


def _with_description(found: Version, place: str) -> Version:
    """The version with flavors and inputs, from the file `MLmodel` of its artifact; no other file of it is read.

    Only what the server itself hands out is read: a store elsewhere is another party, which nobody has asked to look at.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    if not re.match(f"{SERVED}[^/]", place):
        where = place.partition("://")[0] if "://" in place else "a folder of its machine"
        return replace(found, unread=f"its artifact is in {where}, which the server does not hand out")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = download_artifacts(f"{place.rstrip('/')}/MLmodel", dst_path=scratch)
            with Path(path).open("rb") as file:
                content = described(file.read(DESCRIPTION_AT_MOST))
        except (MlflowException, OSError, ValueError) as error:
            return replace(found, unread=f"its artifact was not read: {_first_line(error)}")
    return replace(found, flavors=tuple(flavors_of(content)), inputs=inputs_of(content.get("signature")))


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
            found = _read_tables(connection)
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise RegistryUnreadable(
            f"{shown_address(address)}: is no MLflow registry that can be read: {reason}"
        ) from error
    return [found[name] for name in sorted(found)]


def _read_tables(connection: Any) -> dict[str, Registered]:
    import sqlalchemy as sql

    def rows(table: str) -> Iterator[Mapping[str, Any]]:
        # All columns: their number differs between MLflow's releases.
        yield from connection.execute(sql.text(f"SELECT * FROM {table}")).mappings()

    models = {
        row["name"]: Registered(
            row["name"], (), _time(row["last_updated_time"]), description=row.get("description") or ""
        )
        for row in rows("registered_models")
    }
    versions: dict[str, dict[str, Any]] = {}
    for row in rows("model_versions"):
        versions.setdefault(row["name"], {})[str(row["version"])] = row
    aliases: dict[str, dict[str, str]] = {}
    tags: dict[str, dict[str, str]] = {}
    if sql.inspect(connection).has_table("registered_model_aliases"):
        for row in rows("registered_model_aliases"):
            aliases.setdefault(row["name"], {})[row["alias"]] = str(row.get("version", ""))
    if sql.inspect(connection).has_table("registered_model_tags"):
        for row in rows("registered_model_tags"):
            tags.setdefault(row["name"], {})[row["key"]] = row["value"]
    found = {}
    for name in models.keys() | versions.keys():
        if tags.get(name, {}).get(PROMPT) == "true":
            # MLflow keeps prompts in the same tables; its own search leaves them out as well.
            continue
        model = models.get(name) or Registered(name, (), None)
        mine = versions.get(name, {})
        changed = [_time(row["last_updated_time"]) for row in mine.values()]
        times = [t for t in (model.modified, *changed) if t is not None]
        found[name] = replace(
            model,
            versions=_in_order(mine),
            modified=max(times, default=None),
            aliases=dict(sorted(aliases.get(name, {}).items())),
            tags=dict(sorted(tags.get(name, {}).items())),
            contents={n: f"{row.get('source') or ''} {row.get('run_id') or ''}" for n, row in mine.items()},
        )
    return found


def _from_server(address: str) -> list[Registered]:
    _require_answer(address)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from mlops_assets.stores.model_files import asking

    found: list[Registered] = []
    token = None
    try:
        with asking(address):
            client = MlflowClient(tracking_uri=address, registry_uri=address)
            while True:
                page = client.search_registered_models(max_results=PAGE, page_token=token)
                found += [_registered(client, model) for model in page]
                token = page.token
                if not token:
                    return sorted(found, key=lambda m: m.name)
    except MlflowException as error:
        reason = _first_line(error)
        raise RegistryUnreadable(f"{shown_address(address)}: the MLflow server did not answer: {reason}") from error


def _registered(client: Any, model: Any) -> Registered:
    contents: dict[str, str] = {}
    token = None
    name = model.name.replace("'", "\\'")
    quoted = f"'{name}'" if "'" not in model.name else f'"{model.name}"'
    while True:
        page = client.search_model_versions(f"name = {quoted}", max_results=PAGE, page_token=token)
        contents |= {str(v.version): f"{v.source or ''} {v.run_id or ''}" for v in page}
        token = page.token
        if not token or len(contents) >= MOST_VERSIONS:
            break
    return Registered(
        model.name,
        _in_order(contents),
        _time(model.last_updated_timestamp),
        {alias: str(number) for alias, number in sorted((model.aliases or {}).items())},
        model.description or "",
        dict(sorted((model.tags or {}).items())),
        contents,
    )


def _require_answer(address: str) -> None:
    """Ask for a connection before MLflow does, which tries again for a minute where nobody answers."""
    import socket

    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=ANSWERS_WITHIN).close()
    except (OSError, ValueError, UnicodeError) as error:
        raise RegistryUnreadable(f"{shown_address(address)}: nobody answers there: {_first_line(error)}") from error


def _in_order(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(numbers, key=lambda n: (int(n) if n.isdecimal() else 0, n)))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
