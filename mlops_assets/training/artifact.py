"""The stored model: skops without pickle, an allow-list of types, and a canonical digest.

Belongs here: writing, checking and reading the files of one model. Not here: the signature over them
(`artifact_signature.py`), the registry that keeps them (`stores/`) and who may sign (`governance/`).

MLflow keeps `model.skops` and no pickle (`stores/registry.py`). Whoever loads the model by plain `mlflow.pyfunc` trusts
the allow-list and the code in the model's own folder, which whoever replaces the model can edit too; therefore models are
read by `load` below, from the downloaded folder, against the list in this file. A download also holds
`registered_model_meta`, which MLflow writes anew whenever the version is registered or fetched: it is not part of
what is signed, and nothing reads it.
"""

import hashlib
import importlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.stores.model_files import PICKLE_STARTS, PICKLE_SUFFIXES
from mlops_assets.stores.registry import MODEL_FILE
from mlops_assets.training.imported.estimator import ImportedModel
from mlops_assets.training.imported.opened import ImportedModelError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Beyond what skops itself trusts, and harmless to load: the score that others gave, the model that others trained (what its
# file holds is in the same skops file, and held to the same list), node tables of trees, names of number types, and the folds
# and scorer that a search over parameters keeps.
ALLOWED_TYPES = (
    "mlops_assets.features.passed_through.PassedThrough",
    "mlops_assets.training.given_scores.GivenScores",
    "mlops_assets.training.imported.estimator.ImportedModel",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
)
REMEMBERED = 4
"""Models of which a process remembers what it has read: champion and challenger, and those of the model before."""


class ArtifactError(MlopsAssetsError, ValueError):
    """A stored model is not what it should be and was not loaded."""


@dataclass(frozen=True)
class ArtifactReport:
    """What was found in a model's folder, without loading any of it.

    Attributes:
        digest: canonical content digest; empty when the model file cannot be read.
        size_bytes: size of all files.
        foreign_types: types in the model that are not on the allow-list.
        own_types: types in the model that only the declaration trusts.
        pickles: files that are pickles by name or content.
        problems: every reason why the folder may not be loaded; empty when it may.
    """

    digest: str
    size_bytes: int
    foreign_types: tuple[str, ...]
    own_types: tuple[str, ...]
    pickles: tuple[str, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report for an evidence file; `bytes` is the size."""
        return {
            "digest": self.digest,
            "bytes": self.size_bytes,
            "foreign_types": list(self.foreign_types),
            "own_types": list(self.own_types),
            "pickles": list(self.pickles),
            "problems": list(self.problems),
        }


def trusted_types(declaration: Declaration) -> tuple[str, ...]:
    """The allow-list: the project's own, and what the declaration trusts for the user's own algorithms or an imported model."""
    own = {name for candidate in declaration.candidates for name in candidate.trusted_types}
    own |= set(declaration.imported.trusted_types if declaration.imported else ())
    return tuple(sorted({*ALLOWED_TYPES, *own}))


def foreign_types(pipeline: "Pipeline", declaration: Declaration) -> tuple[str, ...]:
    """Types in a fitted pipeline that are not on the allow-list, and would keep it from being stored."""
    import skops.io

    return refused_types(skops.io.dumps(pipeline), declaration)


def refused_types(buffer: bytes, declaration: Declaration) -> tuple[str, ...]:
    """Types in a skops file that are not on the allow-list, or that the declaration trusts and are no classes."""
    return tuple(sorted({*_foreign_types(buffer, declaration), *_no_classes(_own_types(buffer, declaration))}))


def _no_classes(names: Iterable[str]) -> list[str]:
    """Those of `names` that are no class, or a class of another package under a name of this one."""
    return [name for name in names if not _is_class(name)]


@lru_cache(maxsize=256)
def _is_class(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception:
        return False
    # `from os import system` or `from subprocess import Popen` makes a foreign object a name of the bank's own module.
    return isinstance(found, type) and found.__module__.split(".")[0] == module.split(".")[0]


def save(pipeline: "Pipeline", folder: Path, declaration: Declaration) -> Path:
    """Write `pipeline` as `model.skops` into `folder` and check that it can be loaded.

    Raises:
        ArtifactError: when it holds a type that is not on the allow-list.
    """
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MODEL_FILE
    buffer = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED)
    foreign = foreign_types(pipeline, declaration)
    if foreign:
        raise ArtifactError(foreign_message("the model", foreign))
    path.write_bytes(buffer)
    return path


def load(folder: Path, declaration: Declaration, expected_digest: str | None = None) -> "Pipeline":
    """Read the model in `folder`, after everything about it has been checked.

    Args:
        folder: holds exactly one `.skops` file, anywhere below it, and no pickle.
        declaration: the model; its trusted types are added to the allow-list.
        expected_digest: the canonical digest on record; a model with another one is not loaded.

    Raises:
        ArtifactError: naming the file and every reason.
    """
    report = inspect(folder, declaration)
    problems = list(report.problems)
    if refused := _no_classes(report.own_types):
        problems.append(foreign_message(MODEL_FILE, tuple(refused)))
    if expected_digest is not None and report.digest != expected_digest:
        problems.append(f"content digest is {report.digest[:12] or 'unknown'}, on record is {expected_digest[:12]}")
    if problems:
        raise ArtifactError(f"{folder}: not loaded: {'; '.join(problems)}. Restore the registered artifact.")
    pipeline = _loaded(_model_file(folder).read_bytes(), tuple(trusted_types(declaration)))
    if declaration.imported is not None:
        _require_file(pipeline, declaration.imported.sha256, folder)
    return pipeline


def _require_file(pipeline: "Pipeline", sha256: str, folder: Path) -> None:
    """Check that a model that others trained is that of the declared file."""
    model = getattr(pipeline, "named_steps", {}).get("model")
    if not isinstance(model, ImportedModel):
        raise ArtifactError(f"{folder}: not loaded: it holds a {type(model).__name__}, expected an imported model")
    try:
        model.require_file(sha256)
    except ImportedModelError as error:
        raise ArtifactError(f"{folder}: not loaded: {error}") from error


def inspect(folder: Path, declaration: Declaration) -> ArtifactReport:
    """Look through a model's folder without loading anything from it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    pickles = tuple(str(path.relative_to(folder)) for path in files if _is_pickle(path))
    problems = [f"{name} is a pickle, which runs code when it is read" for name in pickles]
    digest, foreign, own = "", (), ()
    try:
        buffer = _model_file(folder).read_bytes()
        digest = canonical_digest(folder)
        foreign, own = _foreign_types(buffer, declaration), _own_types(buffer, declaration)
        if foreign:
            problems.append(foreign_message(MODEL_FILE, foreign))
    except ArtifactError as error:
        problems.append(str(error))
    except Exception as error:
        problems.append(f"the model file is damaged ({type(error).__name__}: {str(error)[:120]})")
    return ArtifactReport(
        digest=digest,
        size_bytes=sum(path.stat().st_size for path in files),
        foreign_types=foreign,
        own_types=own,
        pickles=pickles,
        problems=tuple(problems),
    )


def canonical_digest(folder: Path) -> str:
    """SHA-256 over what the model is, equal for every save of the same model.

    A skops file is a zip with time stamps, and names objects by their address in memory. Hashed instead is the tree of
    objects: each node by its class and its parts, each array by type, shape and values (field by field, since
    the gaps between fields hold whatever was in memory), a repeated object by what it is.

    Raises:
        ArtifactError: when there is not exactly one readable `.skops` file.
    """
    path = _model_file(folder)
    try:
        return _content_digest(path.read_bytes())
    except ArtifactError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"{path.name} is damaged or no skops file ({type(error).__name__}: {str(error)[:120]})"
        ) from error


# A window's stages each verify and load the version anew. What follows from the bytes alone is remembered for the same
# bytes; signature, pickles and digest on record are checked every time.
@lru_cache(maxsize=REMEMBERED)
def _content_digest(buffer: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
        schema = json.loads(archive.read("schema.json"))
        schema.pop("_skops_version", None)
        return _node_digest(schema, archive, {})


@lru_cache(maxsize=REMEMBERED)
def _untrusted_types(buffer: bytes) -> frozenset[str]:
    import skops.io

    return frozenset(skops.io.get_untrusted_types(data=buffer))


@lru_cache(maxsize=REMEMBERED)
def _loaded(buffer: bytes, trusted: tuple[str, ...]) -> "Pipeline":
    import skops.io

    return skops.io.loads(buffer, trusted=list(trusted))


def _model_file(folder: Path) -> Path:
    found = sorted(folder.rglob("*.skops")) if folder.is_dir() else []
    if len(found) != 1:
        raise ArtifactError(f"found {len(found)} .skops files in {folder}, expected exactly one")
    return found[0]


def _is_pickle(path: Path) -> bool:
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return True
    with path.open("rb") as stream:
        return stream.read(2) in PICKLE_STARTS


def _foreign_types(buffer: bytes, declaration: Declaration) -> tuple[str, ...]:
    return tuple(sorted(_untrusted_types(buffer) - set(trusted_types(declaration))))


def _own_types(buffer: bytes, declaration: Declaration) -> tuple[str, ...]:
    return tuple(sorted(_untrusted_types(buffer) & set(trusted_types(declaration)) - set(ALLOWED_TYPES)))


def foreign_message(name: str, foreign: tuple[str, ...]) -> str:
    """What to do about types that are not on the allow-list."""
    return (
        f"{name} holds types that are not on the allow-list: {', '.join(foreign)}. If they are classes of an estimator "
        "library or of your own algorithm's package and harmless to load, list them under its `trusted_types`; functions "
        "and modules are refused even there"
    )


def _node_digest(node: Any, archive: zipfile.ZipFile, seen: dict[Any, str]) -> str:
    identity = node.get("__id__") if isinstance(node, dict) else None
    if identity is not None and identity in seen:
        return seen[identity]
    if identity is not None:
        # A part that refers back to what holds it is hashed as such; the real digest replaces this one below.
        seen[identity] = "above"
    digest = hashlib.sha256()
    for part in _parts(node, archive, seen):
        digest.update(part.encode())
        digest.update(b"\x00")
    text = digest.hexdigest()
    if identity is not None:
        seen[identity] = text
    return text


def _parts(node: Any, archive: zipfile.ZipFile, seen: dict[Any, str]) -> Iterator[str]:
    if isinstance(node, dict):
        yield "object"
        for name in sorted(node):
            if name == "__id__":
                continue
            yield name
            if name == "file" and isinstance(node[name], str):
                yield _file_digest(archive.read(node[name]))
            else:
                yield _node_digest(node[name], archive, seen)
    elif isinstance(node, list):
        yield "list"
        for item in node:
            yield _node_digest(item, archive, seen)
    else:
        yield json.dumps(node)


def _file_digest(content: bytes) -> str:
    import numpy as np

    if not content.startswith(b"\x93NUMPY"):
        return hashlib.sha256(content).hexdigest()
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    digest = hashlib.sha256(f"{array.shape}".encode())
    for field in array.dtype.names or (None,):
        column = array if field is None else array[field]
        digest.update(f"{field}:{column.dtype.str}\n".encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
