"""What a training depended on, so that it can be done again: environment, code, and the key that names it all.

Belongs here: facts about the running interpreter and the source files. Does not belong here: the data's digest
(`datasets/snapshot.py`) and the ledger record that keeps these facts.
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.registration import source_file, target_of

# Packages whose version can change what a training gives.
PACKAGES = (
    "joblib",
    "numpy",
    "pandas",
    "pandera",
    "polars",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
)
SCORING = ("lightgbm", "onnxruntime", "xgboost", "xgboost-cpu")
"""Those that score files of models that others trained."""


def environment(declaration: Declaration | None = None) -> dict[str, Any]:
    """What the numbers depend on besides data and code: Python, system, processor family, versions of `PACKAGES`; of a model that
    others trained, those of the libraries that score model files as well."""
    imported = declaration is not None and declaration.imported is not None
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "packages": {name: _version(name) for name in (*PACKAGES, *(SCORING if imported else ()))},
    }


def environment_digest(described: dict[str, Any] | None = None) -> str:
    """SHA-256 of the environment as canonical JSON."""
    return _json_digest(described if described is not None else environment())


def pinned_requirements() -> list[str]:
    """The packages a stored model needs, pinned; handed to MLflow, which takes many seconds to infer them itself."""
    return [f"{name}=={version}" for name in PACKAGES if (version := _version(name)) != "absent"]


def code_version(declaration: Declaration | None = None) -> str:
    """Version of the code that trains: `<package version>+<digest>`.

    The digest is over the source files of this package that decide what a training gives (declaration, datasets,
    features, training), and of the modules of the declaration's own algorithms: an edit changes it without a new version.

    Raises:
        ExtensionError: when the module of an own algorithm cannot be found.
    """
    return code_version_with(own_modules(declaration) if declaration is not None else ())


def own_modules(declaration: Declaration) -> tuple[str, ...]:
    """The modules of the algorithms that do not belong to this package, each once."""
    targets = (target_of("candidates", c.algorithm) or c.algorithm for c in declaration.candidates)
    modules = {target.partition(":")[0] for target in targets}
    return tuple(sorted(module for module in modules if not module.startswith("mlops_assets.")))


def code_version_with(modules: Sequence[str]) -> str:
    """The version of the code that trains with algorithms of these modules."""
    package = Path(__file__).resolve().parents[1]
    files = [
        path for part in ("declaration", "datasets", "features", "training") for path in (package / part).rglob("*.py")
    ]
    named = [(str(path.relative_to(package)), path) for path in files]
    named += [(module, source_file(module)) for module in modules]
    digest = hashlib.sha256()
    for name, path in sorted(named):
        digest.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"{_version('mlops_assets')}+{digest.hexdigest()[:16]}"


def training_key(
    declaration_digest: str, data_digest: str, code_version: str, environment_digest: str, seed: int
) -> str:
    """SHA-256 that names a training: the same key means the same model, so it need not be trained again."""
    return _json_digest(
        {
            "declaration": declaration_digest,
            "data": data_digest,
            "code": code_version,
            "environment": environment_digest,
            "seed": seed,
        }
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _json_digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class RepositoryState:
    """The bank's repository when a version was trained.

    Attributes:
        commit: SHA of the commit that is checked out.
        clean: whether nothing tracked was changed and no file was left out of the commit.
    """

    commit: str
    clean: bool


def repository_state(folder: Path) -> RepositoryState | None:
    """The state of the git repository around a folder; None where there is none, or git is not installed."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return None
    return RepositoryState(commit.strip(), not changes.strip())


MOST_AUTHORS = 200


def code_authors(folder: Path) -> tuple[str, ...]:
    """Who wrote what is in a folder, from its repository's history: the names and mail names of its commits' authors.

    Names are as `.mailmap` unifies them. Empty where there is no repository, or git is not installed. Git takes an
    author's name from whoever commits, so this can add authors and never shows that somebody is none.
    """
    try:
        found = _git(folder, "log", "--format=%aN%x00%aE", "--", ".").splitlines()
    except (OSError, subprocess.SubprocessError):
        return ()
    names: dict[str, None] = {}
    for line in found:
        name, _, mail = line.partition("\0")
        names |= dict.fromkeys(part for part in (name.strip(), mail.partition("@")[0].strip()) if part)
    return tuple(names)[:MOST_AUTHORS]


def _git(folder: Path, *words: str) -> str:
    # Without the prompts and hooks of a person's configuration: a training must not wait for anybody.
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=30, env=environment
    )
    return done.stdout
