"""A model that others trained: what the stages do where a model that is trained here would be fitted.

Belongs here: reading its file, and whether it scores the reference rows. Which gates it leaves out is in
`gates/applicability.py`.
"""

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.features.frame import to_model_frame
from mlops_assets.platform import Platform
from mlops_assets.stores.model_files import read_declared
from mlops_assets.training.candidates import Candidates, only_candidate
from mlops_assets.training.imported.opened import ImportedModelError
from mlops_assets.training.importing import imported_pipeline
from mlops_assets.training.metrics import scores_of

ALGORITHM = "imported_{format}"
"""Label of the algorithm of such a version."""


def imported_candidate(platform: Platform, declaration: Declaration, rows: pl.DataFrame) -> Candidates:
    """The model as the only candidate: nothing is fitted, and nothing else was tried here.

    Args:
        platform: of the project.
        declaration: with origin imported.
        rows: reference rows that it must be able to score.

    Raises:
        ModelFileError: the file cannot be read, or is not the declared one.
        ImportedModelError: it is refused, or does not score the reference rows.
    """
    imported = declaration.imported
    assert imported is not None
    file = read_declared(imported, platform.project.root, platform.home)
    pipeline = imported_pipeline(declaration, file)
    scores = scores_of(pipeline, to_model_frame(rows, declaration), declaration)
    require_scores(scores, declaration, file.where)
    about = pipeline.named_steps["model"].opened().about
    label = ALGORITHM.format(format=file.format.value)
    facts = {"supplier": imported.supplier, "version": imported.version, "artifact": imported.artifact}
    return only_candidate(declaration, label, pipeline, {**facts, "sha256": file.sha256, **about})


def require_scores(scores: np.ndarray, declaration: Declaration, where: str) -> None:
    """Check that the model answers the reference rows with what its task says.

    Args:
        scores: of the reference rows, shape (n,).
        declaration: the model.
        where: its file is, for the message.

    Raises:
        ImportedModelError: a score is no probability where the task is binary.
    """
    if declaration.task is Task.BINARY and len(scores) and (scores.min() < 0 or scores.max() > 1):
        raise ImportedModelError(
            f"{where}: scores of the reference rows reach from {scores.min():.4g} to {scores.max():.4g}, expected probabilities "
            "(0 to 1); have its maker write a model whose output is the probability"
        )
