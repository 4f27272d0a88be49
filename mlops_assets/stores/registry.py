"""The model registry: MLflow behind the few calls that the project needs.

MLflow stores models, metrics and evidence. Who may become champion is not decided here: an alias is only the picture
of what the ledger says, and `release.reconciliation` puts it back when the two disagree.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZIP_DEFLATED

from mlops_assets import clock
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.stores.home import Home, be_quiet

TRAINING_KEY = "mlops.training_key"
MODEL_FILE = "model.skops"
EVIDENCE = "evidence"
CANDIDATES = "candidates"
"""The evidence that a training leaves when it is finished."""
DEV_SERVER = "http://127.0.0.1:5000"
PAGE = 1000
"""Results that MLflow is asked for at once; it allows no more models."""


class RegistryError(MlopsAssetsError):
    """A model, version or piece of evidence that was asked for is not in MLflow."""


class Book(Protocol):
    """Where the digests of stored evidence are remembered, out of reach of whoever can write to MLflow."""

    def keep(self, model: str, run_id: str, name: str, digest: str) -> None:
        """Remember what was stored."""
        ...

    def digest(self, run_id: str, name: str) -> str | None:
        """What was stored last; None where nothing is remembered."""
        ...


class Registry:
    """One MLflow tracking store and model registry.

    Args:
        home: where the tracking store is, and where the embedded one keeps its artifacts.
        book: where the digests of evidence are remembered; None: what is read back is believed.
    """

    def __init__(self, home: Home, book: Book | None = None) -> None:
        self.home = home
        self.book = book
        self._client: Any = None

    @property
    def client(self) -> Any:
        """MLflow's client, imported and connected at first use: its import takes seconds."""
        be_quiet()
        import mlflow

        if self._client is None:
            quiet_migrations()
            self._client = mlflow.MlflowClient(self.home.tracking_uri, self.home.tracking_uri)
        # Some of MLflow's functions know one address a process; another project's registry may have been asked since.
        if mlflow.get_tracking_uri() != self.home.tracking_uri:
            with own_address():
                mlflow.set_tracking_uri(self.home.tracking_uri)
                mlflow.set_registry_uri(self.home.tracking_uri)
        return self._client

    def experiment(self, model: str) -> str:
        """Id of the model's experiment, made at first use."""
        found = self.client.get_experiment_by_name(model)
        if found is not None:
            return found.experiment_id
        location = None
        if not self.home.tracking_uri.startswith("http"):
            # A database has no server that chooses; MLflow would write below whatever folder the process runs in.
            location = (self.home.mlflow / "artifacts" / model).as_uri()
        return self.client.create_experiment(model, artifact_location=location)

    # ---------------------------------------------------------------- versions and aliases (release.promotion's protocol)

    def versions(self, model: str) -> dict[int, dict[str, str]]:
        """Tags of every registered version that still exists, by version number."""
        found = self.client.search_model_versions(f"name = '{model}'")
        return {_number(v.version): dict(v.tags) for v in sorted(found, key=lambda v: _number(v.version))}

    def aliases(self, model: str) -> dict[str, int]:
        """Version by alias; empty for a model that has none."""
        from mlflow.exceptions import MlflowException

        try:
            registered = self.client.get_registered_model(model)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: _number(version) for alias, version in registered.aliases.items()}

    def everything(self) -> dict[str, tuple[dict[int, dict[str, str]], dict[str, int]]]:
        """`versions` and `aliases` of every registered model, by name: a few queries, however many models there are."""
        versions: dict[str, dict[int, dict[str, str]]] = defaultdict(dict)
        for found in _pages(self.client.search_model_versions):
            versions[found.name][_number(found.version)] = dict(found.tags)
        aliases = {
            model.name: {alias: _number(version) for alias, version in model.aliases.items()}
            for model in _pages(self.client.search_registered_models)
        }
        return {name: (dict(sorted(versions[name].items())), aliases.get(name, {})) for name in {*versions, *aliases}}

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point `alias` at `version`."""
        self.client.set_registered_model_alias(model, alias, str(version))

    def delete_alias(self, model: str, alias: str) -> None:
        """Remove `alias`; one that is not there is no error."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.client.delete_registered_model_alias(model, alias)

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Write one searchable tag of a version."""
        self.client.set_model_version_tag(model, str(version), key, value)

    def register(self, model: str, model_uri: str, run_id: str, tags: Mapping[str, str]) -> int:
        """Register a logged model; the training key in `tags` makes it one version however often it is called."""
        from mlflow.exceptions import MlflowException

        key = tags[TRAINING_KEY]
        for version, known in self.versions(model).items():
            if known.get(TRAINING_KEY) == key:
                return version
        with suppress(MlflowException):
            self.client.create_registered_model(model)
        created = self.client.create_model_version(model, model_uri, run_id=run_id, tags=dict(tags))
        return int(created.version)

    @contextmanager
    def folder(self, model: str, version: int) -> Iterator[Path]:
        """Local folder with the artifacts of a version, valid within the context.

        Raises:
            RegistryError: the version, or its artifacts, are gone.
        """
        with tempfile.TemporaryDirectory() as scratch:
            yield self._artifacts(f"models:/{model}/{version}", scratch, f"{model} version {version}: its artifacts")

    @contextmanager
    def stored(self, model_uri: str) -> Iterator[Path]:
        """Local folder of a logged model that need not be registered, valid within the context.

        Raises:
            RegistryError: it is gone.
        """
        with tempfile.TemporaryDirectory() as scratch:
            yield self._artifacts(model_uri, scratch, f"{model_uri}:")

    def _artifacts(self, uri: str, scratch: str, what: str) -> Path:
        """Where the artifacts of `uri` are: in the store itself if it is on this machine, otherwise in `scratch`."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        _ = self.client
        try:
            repository = get_artifact_repository(uri)
            local = isinstance(getattr(repository, "repo", None), LocalArtifactRepository)
            return Path(repository.download_artifacts("", None if local else scratch))
        except (MlflowException, OSError) as error:
            raise RegistryError(f"{what} cannot be read from MLflow: {error}") from error

    # ---------------------------------------------------------------- runs and evidence

    def run_with_key(self, model: str, training_key: str) -> str | None:
        """Id of the finished training with this key, if there is one; a run that only says so is none."""
        found = self.client.search_runs(
            [self.experiment(model)], f"tags.`{TRAINING_KEY}` = '{training_key}' and tags.`mlops.trained` = 'yes'"
        )
        ids = [run.info.run_id for run in found]
        return next((i for i in ids if self.book is None or self.book.digest(i, CANDIDATES)), None)

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def run_url(self, run_id: str) -> str:
        """Address of a run in MLflow's UI: the tracking server's own, or where `mlops dev` opens it."""
        run = self.client.get_run(run_id)
        uri = self.home.tracking_uri
        server = uri if uri.startswith(("http://", "https://")) else DEV_SERVER
        return f"{server.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run_id}"

    def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags of a run."""
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)

    def log_evidence(self, run_id: str, name: str, content: Mapping[str, Any]) -> str:
        """Store `content` as `evidence/<name>.json` of the run.

        Returns:
            SHA-256 of the bytes stored.
        """
        data = evidence_bytes(content)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.json"
            path.write_bytes(data)
            self.client.log_artifact(run_id, str(path), EVIDENCE)
        digest = hashlib.sha256(data).hexdigest()
        if self.book is not None:
            experiment = self.client.get_run(run_id).info.experiment_id
            self.book.keep(self.client.get_experiment(experiment).name, run_id, name, digest)
        return digest

    def evidence(self, run_id: str, name: str) -> dict[str, Any]:
        """Read back what `log_evidence` stored.

        Raises:
            RegistryError: there is no such evidence, or it is not what was stored.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        _ = self.client
        try:
            # Without a folder of ours MLflow makes one for each call and leaves it behind.
            with tempfile.TemporaryDirectory() as scratch:
                path = download_artifacts(run_id=run_id, artifact_path=f"{EVIDENCE}/{name}.json", dst_path=scratch)
                data = Path(path).read_bytes()
            recorded = self.book.digest(run_id, name) if self.book is not None else None
            if recorded is not None and (found := hashlib.sha256(data).hexdigest()) != recorded:
                raise RegistryError(
                    f"run {run_id}: evidence {name!r} in MLflow was changed: it has digest {found[:12]}, expected "
                    f"{recorded[:12]} as recorded; restore it from a back-up"
                )
            return json.loads(data)
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"run {run_id}: no evidence {name!r} in MLflow; materialize the asset that writes it first"
            ) from error

    def log_file(self, run_id: str, path: Path, folder: str) -> None:
        """Store a file with the run."""
        self.client.log_artifact(run_id, str(path), folder)

    def log_model(
        self, run_id: str, pipeline: Any, example: Any, trusted_types: Sequence[str], pins: Sequence[str]
    ) -> str:
        """Store a fitted pipeline with the run, as skops, with the signature of its inputs and outputs.

        Plain `mlflow.pyfunc` loads it too (`plain_model.py`): labels or values, and the probability of each class.

        Args:
            run_id: an active run.
            pipeline: fitted scikit-learn pipeline.
            example: a few input rows, as the pipeline takes them.
            trusted_types: types that the file may hold.
            pins: requirements; given, because inferring them takes MLflow many seconds.

        Returns:
            The model's URI.
        """
        _ = self.client
        import logging

        import mlflow
        import mlflow.pyfunc
        import skops.io

        from mlops_assets.stores import plain_model

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        if mlflow.active_run() is None:
            # MLflow refuses to go on with a run of another experiment than the one this process named last.
            mlflow.set_experiment(experiment_id=self.client.get_run(run_id).info.experiment_id)
        active = mlflow.start_run(run_id=run_id, nested=True) if mlflow.active_run() is None else nullcontext()
        with warnings.catch_warnings(), active, tempfile.TemporaryDirectory() as scratch:
            # It asks for an example to be stored, which would be rows of people.
            warnings.filterwarnings("ignore", message=".*input example was not provided")
            warnings.filterwarnings("ignore", message=".*Add type hints to the `predict` method")
            path = Path(scratch) / MODEL_FILE
            path.write_bytes(skops.io.dumps(pipeline, compression=ZIP_DEFLATED))
            stored = mlflow.pyfunc.log_model(  # pyright: ignore[reportPrivateImportUsage]
                name="model",
                python_model=str(plain_model.__file__),
                artifacts={plain_model.MODEL: str(path)},
                model_config={plain_model.TRUSTED: list(trusted_types)},
                pip_requirements=list(pins),
                signature=_signature(example, plain_model.answers(pipeline, example)),
            )
        return stored.model_uri

    @contextmanager
    def candidate_run(self, model: str, parent: str, name: str) -> Iterator[str]:
        """A run nested under `parent`; ends as failed when the body raises."""
        run = self.client.create_run(
            self.experiment(model), run_name=name, tags={"mlflow.parentRunId": parent, "mlops.model": model}
        )
        try:
            yield run.info.run_id
        except BaseException:
            self.client.set_terminated(run.info.run_id, "FAILED")
            raise
        self.client.set_terminated(run.info.run_id, "FINISHED")

    def log_candidate(
        self, run_id: str, parameters: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        """Write one candidate's parameters, metrics and tags in a single call."""
        from mlflow.entities import Metric, Param, RunTag

        # Beside times that MLflow writes itself.
        now = int(clock.machine_seconds() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(k, float(v), now, 0) for k, v in metrics.items()],
            params=[Param(k, str(v)[:500]) for k, v in parameters.items()],
            tags=[RunTag(k, str(v)) for k, v in tags.items()],
        )


def _signature(example: Any, answers: Any) -> Any:
    """Columns of the model. Numbers are of any kind: MLflow would refuse whole numbers where it expects others."""
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    kinds = {name: dtype.kind for name, dtype in example.dtypes.items()}
    inputs: list[Any] = [ColSpec("string" if kind == "O" else AnyType(), str(name)) for name, kind in kinds.items()]
    return ModelSignature(inputs=Schema(inputs), outputs=infer_signature(example, answers).outputs)


@contextmanager
def own_address() -> Iterator[None]:
    """Keep `MLFLOW_TRACKING_URI` as it was: MLflow writes it into the environment, where another project would read it."""
    name = "MLFLOW_TRACKING_URI"
    before = os.environ.get(name)
    yield
    if before is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = before


def _number(version: Any) -> int:
    """A version's number; 0, which no version has, where somebody wrote something else into MLflow's database."""
    text = str(version)
    return int(text) if text.isdecimal() else 0


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Everything that one of MLflow's searches finds, page by page."""
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def evidence_bytes(content: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a piece of evidence: sorted keys, no NaN; equal content gives equal bytes."""
    return json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def quiet_migrations() -> None:
    """Alembic announces every migration on the root logger."""
    import logging

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
