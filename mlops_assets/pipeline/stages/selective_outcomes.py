"""Whether outcomes are known of some decisions only, as when a refused applicant has no loan that could default.

What is measured then is about the rows that have outcomes, and not about all that were scored: the verdict says so. It is declared
(`outcomes.selective`), or seen in the share of each decision's rows that has an outcome.
"""

from math import sqrt

import polars as pl
from scipy.stats import norm

from mlops_assets.datasets.contract_rules import never_known
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.pipeline.stages.matured_outcomes import Matured
from mlops_assets.pipeline.stages.predictions import PREDICTIONS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets.stores.lake import Lake

FEWEST = 30
"""Rows of a decision from which on its share is looked at."""
MOST_ALIKE = 0.5
"""Outcomes are selective where the one share is less than this part of the other."""
ALPHA = 1e-6
MEASURED = (
    "What is measured is about the rows with outcomes alone, and not about all rows scored; where the reference has outcomes "
    "of other rows, the difference may come from that."
)


def selective_outcomes(lake: Lake, scored: ScoredWindow, known: Matured, declaration: Declaration) -> str:
    """What has to be said about which rows have outcomes; empty where nothing has.

    Args:
        lake: with the predictions.
        scored: the window.
        known: predictions of the window that have outcomes.
        declaration: the model.
    """
    if never_known(declaration):
        return as_declared(declaration, measured=bool(len(known.truth)))
    if not len(known.truth) or declaration.task is not Task.BINARY or known.summary.not_due:
        return ""
    rows = lake.read(f"{scored.model}/{PREDICTIONS}", window=scored.window.key, columns=["id", "prediction"])
    counted = rows.group_by("prediction").agg(
        pl.len().alias("rows"), pl.col("id").is_in(known.ids.implode()).sum().alias("known")
    )
    found = {int(decision): (int(n), int(k)) for decision, n, k in counted.iter_rows() if decision is not None}
    if set(found) != {0, 1}:
        return ""
    seen = unlike(*found[0], *found[1])
    if not seen:
        return ""
    return f"Outcomes are selective: {seen}. {MEASURED}"


def as_declared(declaration: Declaration, *, measured: bool) -> str:
    """What is said where it is declared which rows can never have an outcome.

    Args:
        declaration: with `outcomes.selective`.
        measured: whether outcomes of the window are known.
    """
    assert declaration.outcomes is not None
    said = f"Outcomes are selective, as declared: {declaration.outcomes.selective.strip().rstrip('.')}."
    return f"{said} {MEASURED}" if measured else said


def unlike(rows_0: int, known_0: int, rows_1: int, known_1: int) -> str:
    """How the shares of rows with outcomes differ between decision 0 and decision 1; empty where they may be alike.

    The test is that of two proportions with a pooled variance.
    """
    if min(rows_0, rows_1) < FEWEST:
        return ""
    share_0, share_1 = known_0 / rows_0, known_1 / rows_1
    pooled = (known_0 + known_1) / (rows_0 + rows_1)
    error = sqrt(pooled * (1 - pooled) * (1 / rows_0 + 1 / rows_1))
    if min(share_0, share_1) >= MOST_ALIKE * max(share_0, share_1) or not error:
        return ""
    if 2 * norm.sf(abs(share_0 - share_1) / error) >= ALPHA:
        return ""
    return f"they are known of {share_1:.0%} of the rows with decision 1 and of {share_0:.0%} of those with decision 0"
