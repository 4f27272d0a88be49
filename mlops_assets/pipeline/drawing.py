"""Evidently's page of one scored window, drawn when somebody asks for it: a page takes a second, and some five megabytes.

Belongs here: which rows are drawn, and where the page is put. Not here: the drawing (`monitoring/inputs/evidently_page.py`),
and no verdict: no number is read back from the page.
"""

from pathlib import Path

import numpy as np

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, kept_with_version
from mlops_assets.monitoring.window_results import DRAWING
from mlops_assets.pipeline.context import StageError
from mlops_assets.pipeline.stages.scored_window import scored_window
from mlops_assets.platform import Platform

PAGE_ROWS = 1000
"""Rows drawn of the reference and of the window."""


def draw_window(platform: Platform, model: str, window: str) -> Path:
    """Draw the columns of a window beside the reference of the version that scored it; returns the page's path.

    Args:
        platform: the project.
        model: name of a declared model.
        window: start of a scored window, `YYYY-MM-DD`.

    Raises:
        ProjectError: the model is not declared.
        ValueError: `window` is no start of a window.
        StageError: the window was not scored, or holds no row.
    """
    from mlops_assets.monitoring.inputs.evidently_page import draw

    declaration = platform.project.declaration(model)
    if not declaration.has_time:
        raise StageError(f"{model} has no windows: its declaration names no event time")
    scored = scored_window(platform.ledger, declaration, window_of_key(window, declaration.monitoring.cadence))
    rows, made = scored.rows(platform.lake), scored.declaration
    if rows.height == 0:
        raise StageError(f"{model}: the window {window} holds no row, so there is nothing to draw")
    seed = made.training.seed % 2**32
    drawn = np.random.default_rng(seed).choice(rows.height, min(PAGE_ROWS, rows.height), replace=False)
    known = kept_with_version(platform, scored.model, REFERENCE_SAMPLE, scored.version)
    reference = known.select(list(made.features)).sample(min(PAGE_ROWS, known.height), seed=seed)
    roles = {name: feature.role.value for name, feature in made.features.items()}
    return draw(reference, rows[np.sort(drawn)], roles, platform.window_results(model, window).path(*DRAWING))
