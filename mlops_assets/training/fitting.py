"""Building the estimator of a declared candidate, and fitting it the same bit for bit every time.

Not here: the algorithms (`algorithms/`), and which candidate wins (`selection.py`).
"""

import importlib
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.training import Candidate
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.features.transformer import Form, build_transformer
from mlops_assets.registration import code_digest
from mlops_assets.training.algorithms.candidate import CANDIDATES, HARDEST, seed_of
from mlops_assets.training.artifact import foreign_message, foreign_types

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class CandidateError(MlopsAssetsError, ValueError):
    """A candidate cannot be built, fitted or stored; the message names the algorithm and what to do."""


def build_estimator(candidate: Candidate, declaration: Declaration, rows: int) -> tuple[Any, Form]:
    """The unfitted estimator of a candidate, seeded, and the form of features it reads.

    Raises:
        CandidateError: when the algorithm cannot be imported, called, or does not take the parameters.
    """
    try:
        if candidate.algorithm in CANDIDATES:
            known = CANDIDATES[candidate.algorithm]
            estimator, form = known.build(declaration, rows, **candidate.parameters), known.form
        else:
            estimator, form = _of_function(candidate), "linear"
        if not (hasattr(estimator, "fit") and hasattr(estimator, "predict") and hasattr(estimator, "get_params")):
            raise CandidateError(
                f"candidate {candidate.algorithm}: returned {type(estimator).__name__}, expected a scikit-learn estimator"
            )
        return _seeded(estimator, seed_of(declaration)), form
    except CandidateError:
        raise
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be built with {candidate.parameters} "
            f"({type(error).__name__}: {error}). Correct its parameters in the declaration."
        ) from error


def code_of(candidate: Candidate) -> str | None:
    """SHA-256 of the source of an algorithm that does not belong to this package; None for one that does."""
    if candidate.algorithm in CANDIDATES:
        return CANDIDATES.code(candidate.algorithm)
    return code_digest(candidate.algorithm.partition(":")[0])


def complexity_of(algorithm: str) -> int:
    """How hard a model is to explain, from 1; a function that a declaration names counts as hardest, since nothing is known of it."""
    return CANDIDATES[algorithm].complexity if algorithm in CANDIDATES else HARDEST


def _of_function(candidate: Candidate) -> Any:
    module_name, _, function_name = candidate.algorithm.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be imported ({error}). "
            "It must be an importable `module:function` that returns an unfitted estimator."
        ) from error
    return function(**candidate.parameters)


def _seeded(estimator: Any, seed: int) -> Any:
    """Set every random_state that was left open: an unseeded part would train differently each time."""
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] == "random_state" and value is None:
            estimator.set_params(**{name: seed})
    return estimator


SECRET = re.compile(
    r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|(_|^)KEY(_|$)|KEY_ID|_URL$|_URI$|_DSN$|^MLOPS_SIGNER$|^MLOPS_SOURCE_",
    re.I,
)
"""Names of environment variables that hold a key, a password or the address of a store."""


@contextmanager
def without_secrets() -> Iterator[None]:
    """The environment without whatever names a key, a password or the address of a store, for code that fits a model.

    Processes that this code starts inherit it. What the process itself holds in memory stays there: code that runs in it can
    read that, so that keys belong into another account's process (`mlops signer`).
    """
    taken = {name: os.environ.pop(name) for name in tuple(os.environ) if SECRET.search(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


def fit(candidate: Candidate, declaration: Declaration, features: Any, target: np.ndarray) -> "Pipeline":
    """The declared features' transformer and the candidate's estimator, fitted together.

    Raises:
        CandidateError: it cannot be built or fitted.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline

    with without_secrets():
        estimator, form = build_estimator(candidate, declaration, len(target))
    threads = CANDIDATES[candidate.algorithm].threads if candidate.algorithm in CANDIDATES else 1
    if threads > 1:
        # Fitting side by side changes nothing; predicting side by side would add trees up in the order in which threads finish.
        estimator.set_params(n_jobs=threads)
    pipeline = Pipeline([("features", build_transformer(declaration, form)), ("model", estimator)])
    try:
        with warnings.catch_warnings(), without_secrets():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(features, target)
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: fitting on {len(target)} rows failed ({type(error).__name__}: {error})"
        ) from error
    if threads > 1:
        estimator.set_params(n_jobs=1)
        for tree in getattr(estimator, "estimators_", ()):
            tree.random_state = int(tree.random_state)
    return pipeline


def require_storable(candidate: Candidate, pipeline: "Pipeline", declaration: Declaration) -> None:
    """A model that cannot be stored safely cannot be used: refused here, so that another candidate is chosen."""
    if code_of(candidate) is None:
        return
    try:
        foreign = foreign_types(pipeline, declaration)
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be stored without pickle ({type(error).__name__}: {error})"
        ) from error
    if foreign:
        raise CandidateError(f"candidate {candidate.algorithm}: {foreign_message('the model', foreign)}")


def parameters_of(pipeline: "Pipeline") -> dict[str, Any]:
    """Every parameter of the estimator as JSON takes it: NaN and infinities (`missing=nan`) as text."""
    return {name: _plain(value) for name, value in sorted(pipeline.named_steps["model"].get_params(deep=True).items())}


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
