"""How far back a training should reach once the answer to the same inputs has changed.

Rows from before a change teach the old answer; rows since are few. Which of the two does less harm is measured, on rows
since the change. Not here: when the change began (`monitoring.verdict.persistence`), and the training itself (`candidates`).
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.declaration.training import Candidate
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.training.candidates import refit
from mlops_assets.training.fitting import CandidateError
from mlops_assets.training.folds import canonical_order
from mlops_assets.training.metrics import metrics_of, scores_of

FOLDS = 5
LEAST_ROWS = 500
LEAST_OF_A_CLASS = 50
MOST_ROWS = 20_000
PREFERRED = "hist_gradient_boosting"


@dataclass(frozen=True)
class HistoryChoice:
    """Where the training rows begin, and what that rests on.

    Attributes:
        changed_since: first day of the first window that showed the change.
        since: `changed_since` where rows from before it do harm; None where the declared window trains.
        recent_rows: rows since the change.
        candidate: algorithm the comparison was made with; empty where none was made.
        metric: that it was made by, a loss.
        whole, recent: the metric on each fold of the recent rows, fitted with and without the older rows.
        reason: one sentence.
    """

    changed_since: date
    since: date | None
    recent_rows: int
    candidate: str
    metric: str
    whole: tuple[float, ...]
    recent: tuple[float, ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        days = {
            "changed_since": self.changed_since.isoformat(),
            "since": self.since.isoformat() if self.since else None,
        }
        return {**asdict(self), **days}


def choose_history(rows: pl.DataFrame, declaration: Declaration, changed_since: date) -> HistoryChoice:
    """Cross-validate on the rows since the change, fitting with and without the older rows.

    The same folds serve both, so that differences are paired. The older rows are left out only where that is better by
    more than one standard error of the mean difference: more rows are the safer choice when it makes no difference.

    Args:
        rows: accepted rows of the declared training window.
        declaration: the model; it has an event time.
        changed_since: first day on which the change may have been there.
    """
    assert declaration.event_time is not None
    # A proper score, which sees the level as well as the order: a shifted base rate leaves an AUC as it was.
    metric = "rmse" if declaration.task is Task.REGRESSION else "log_loss"
    candidate = next((c for c in declaration.candidates if c.algorithm == PREFERRED), declaration.candidates[0])
    late = event_time_expr(declaration.event_time).dt.date() >= changed_since
    ordered = canonical_order(rows, declaration)
    recent, older = ordered.filter(late), ordered.filter(~late)

    def kept(reason: str) -> HistoryChoice:
        return HistoryChoice(changed_since, None, recent.height, "", metric, (), (), reason)

    if older.height == 0:
        return kept("the declared training window begins after the change")
    shortage = _too_few(recent, declaration)
    if shortage:
        return kept(f"the declared training window is kept: {shortage} since the change of {changed_since}")
    drawn, before = (_draw(part, declaration) for part in (recent, older))
    folds = seeded_hash(drawn[declaration.id], declaration.training.seed + 2) % FOLDS
    found: dict[str, list[float]] = {"whole": [], "recent": []}
    for fold in range(FOLDS):
        fit, test = drawn.filter(folds != fold), drawn.filter(folds == fold)
        try:
            pair = [_measure(declaration, candidate, part, test, metric) for part in (pl.concat([before, fit]), fit)]
        except CandidateError as error:
            # How far back to train is the lesser question: what cannot answer it must not keep the model from training.
            return kept(f"the declared training window is kept: {candidate.label} cannot be compared: {error}")
        if pair[0] is not None and pair[1] is not None:
            found["whole"].append(pair[0])
            found["recent"].append(pair[1])
    if len(found["whole"]) < 2:
        return kept(f"the declared training window is kept: {metric} cannot be measured since the change")
    gain = np.array(found["whole"]) - np.array(found["recent"])
    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    better = float(gain.mean()) > error
    means = {name: float(np.mean(values)) for name, values in found.items()}
    compared = f"{metric} on rows since {changed_since} is {means['recent']:.4f} without and {means['whole']:.4f} with the older rows"
    return HistoryChoice(
        changed_since=changed_since,
        since=changed_since if better else None,
        recent_rows=recent.height,
        candidate=candidate.label,
        metric=metric,
        whole=tuple(found["whole"]),
        recent=tuple(found["recent"]),
        reason=f"{compared}: {'training begins at the change' if better else 'the declared training window is kept'}",
    )


def _too_few(recent: pl.DataFrame, declaration: Declaration) -> str:
    if recent.height < LEAST_ROWS:
        return f"only {recent.height} rows, expected {LEAST_ROWS}"
    if declaration.task is Task.REGRESSION:
        return ""
    smallest = int(np.unique(target_vector(recent, declaration), return_counts=True)[1].min())
    different = recent[declaration.target.column].n_unique()
    if different < 2 or smallest < LEAST_OF_A_CLASS:
        return f"only {smallest if different > 1 else 0} rows of the rarest class, expected {LEAST_OF_A_CLASS}"
    return ""


def _draw(rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    if rows.height <= MOST_ROWS:
        return rows
    order = seeded_hash(rows[declaration.id], declaration.training.seed + 3)
    return rows[np.sort(np.argsort(order, kind="stable")[:MOST_ROWS])]


def _measure(
    declaration: Declaration, candidate: Candidate, fit: pl.DataFrame, test: pl.DataFrame, metric: str
) -> float | None:
    pipeline = refit(declaration, candidate, fit)
    scores = scores_of(pipeline, to_model_frame(test, declaration), declaration)
    return metrics_of(target_vector(test, declaration), scores, pipeline, declaration)[metric]
