"""A model that others run: what the stages do where a model that is trained here would be fitted, called or timed.

Belongs here: its stored form, the threshold that its decisions follow, what can be measured of its given scores, and the incident
of another version of the supplier. Which gates it leaves out is in `gates/applicability.py`.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.external import VERSION_CHANGE
from mlops_assets.declaration.terms import Task
from mlops_assets.gates.applicability import OF_EXTERNAL
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.training_results import Explanations
from mlops_assets.response.incidents import Incident, open_incident
from mlops_assets.training.candidates import Candidates, only_candidate
from mlops_assets.training.given_scores import ALGORITHM, given_pipeline

NO_VERSION = "(none given)"


def given_candidate(declaration: Declaration) -> Candidates:
    """The model as the only candidate: nothing is fitted, and nothing else was tried here."""
    external = declaration.external
    assert external is not None
    facts = {"supplier": external.supplier, "version": external.version}
    return only_candidate(declaration, ALGORITHM, given_pipeline(declaration), facts)


def given_threshold(declaration: Declaration, rows: pl.DataFrame) -> float | None:
    """Score from which on the supplier decides for the positive outcome, as its decisions show; None where it is not seen.

    Args:
        declaration: of a model that others run.
        rows: reference rows with its scores and decisions.
    """
    external = declaration.external
    assert external is not None
    if declaration.task is not Task.BINARY or external.decision is None or rows.is_empty():
        return None
    positive = (rows[external.decision] == text_of(external.decision_positive)).to_numpy()
    return separating(rows[external.score].to_numpy(), positive)


def separating(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """The lowest score from which on `scores >= it` disagrees with as few decisions as possible.

    Args:
        scores: shape (n,).
        positive: decisions, shape (n,), boolean.

    Returns:
        None where all decisions are alike.
    """
    if positive.all() or not positive.any():
        return None
    values, place = np.unique(scores, return_inverse=True)
    taken = np.bincount(place, weights=positive.astype(float))
    refused = np.bincount(place, weights=(~positive).astype(float))
    # Below the threshold each positive decision disagrees, from it on each negative one.
    wrong = np.concatenate([[0.0], np.cumsum(taken)[:-1]]) + np.cumsum(refused[::-1])[::-1]
    return float(values[int(np.argmin(wrong))])


def without_explanations(declaration: Declaration) -> Explanations:
    """What is known of the reasons of a model that cannot be called."""
    assert declaration.external is not None
    return Explanations({"features": [], "reason": OF_EXTERNAL["reason_codes"]}, {})


def given_versions(declaration: Declaration, rows: pl.DataFrame) -> Counter[str]:
    """Rows by the supplier's version that scored them; nothing where the rows do not say."""
    column = declaration.external.version_column if declaration.external else None
    if column is None or column not in rows.columns:
        return Counter()
    counted = rows[column].fill_null(NO_VERSION).value_counts()
    return Counter({str(version): int(count) for version, count in counted.iter_rows()})


def version_incidents(
    ledger: Ledger, declaration: Declaration, window: str, versions: Mapping[str, int]
) -> list[Incident]:
    """One incident for each version of the supplier's model that scored rows and is not the one that was approved."""
    external = declaration.external
    if external is None:
        return []
    total = sum(versions.values())
    return [
        open_incident(
            ledger,
            declaration.name,
            kind=VERSION_CHANGE,
            severity="act" if found != NO_VERSION else "watch",
            summary=(
                f"{external.supplier}: {count:,} of {total:,} rows of the window {window} were scored by its version {found!r}; "
                f"approved is {external.version!r}. Ask the supplier for the notice of change, declare the new version, and "
                "have it evaluated and approved."
            ),
            window=window,
            cause=f"{VERSION_CHANGE}:{found}",
            rule=VERSION_CHANGE,
        )
        for found, count in sorted(versions.items())
        if found != external.version
    ]
