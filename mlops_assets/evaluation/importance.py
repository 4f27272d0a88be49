"""How much the model relies on each feature: permutation importance.

Belongs here: the global question. Does not belong here: why one decision fell as it did (`explanations.py`).
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.features.transformer import output_columns
from mlops_assets.training.metrics import GREATER_IS_BETTER, default_metric, metrics_of, model_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


SCORED_ROWS = 500_000


@dataclass(frozen=True)
class FeatureImportance:
    """What shuffling one feature costs.

    Attributes:
        feature: the column.
        importance: mean loss in the metric, in its units; about 0 or below for a feature the model does not use.
        std: standard deviation over the repeats.
        share: part of the summed positive importances, 0 to 1.
    """

    feature: str
    importance: float
    std: float
    share: float


@dataclass(frozen=True)
class Importance:
    """Permutation importance of every feature, most important first.

    Attributes:
        metric: the metric whose loss is measured.
        baseline: its value on the unshuffled rows.
        rows: rows it was measured on.
        repeats: shuffles of each feature.
        features: one entry a feature.
    """

    metric: str
    baseline: float
    rows: int
    repeats: int
    features: tuple[FeatureImportance, ...]

    def shares(self) -> dict[str, float]:
        """Feature -> share: the weights of a drift verdict."""
        return {entry.feature: entry.share for entry in self.features}

    def to_dict(self) -> dict[str, Any]:
        """For an evidence file."""
        return asdict(self)


def permutation_importance(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration, *, most_rows: int = 4000, repeats: int = 3
) -> Importance:
    """Loss in the task's metric when one declared feature is shuffled over the rows (Breiman 2001; Fisher et al. 2019).

    Measured on a sample drawn by a seeded hash of the id, so that it is the same each time. All columns that a feature
    becomes in the model's matrix are shuffled together, which is the same as shuffling the feature. Correlated features
    share their importance: each alone can be missed while the other replaces it.

    Args:
        pipeline: fitted, steps `features` and `model`.
        frame: held-out rows with targets.
        declaration: the model.
        most_rows: largest size of the sample; wide tables (above about 40 features) get a smaller one.
        repeats: shuffles of each feature.

    Raises:
        ValueError: when the metric cannot be measured on the rows (none, or one class only).
    """
    # Each feature costs a pass over the sample: a wide table is measured on fewer rows, never on fewer than 500.
    most_rows = min(most_rows, max(500, SCORED_ROWS // (repeats * len(declaration.features))))
    sample = frame
    if frame.height > most_rows:
        order = np.argsort(seeded_hash(frame[declaration.id], declaration.training.seed + 2), kind="stable")
        sample = frame[np.sort(order[:most_rows])]
    if sample.height == 0:
        raise ValueError("importance: found no rows to measure on")
    model, transformer = pipeline.named_steps["model"], pipeline.named_steps["features"]
    matrix = np.asarray(transformer.transform(to_model_frame(sample, declaration)))
    target = target_vector(sample, declaration)
    metric = default_metric(declaration.task)
    sign = 1.0 if GREATER_IS_BETTER[metric] else -1.0

    def measure(values: np.ndarray) -> float:
        scores = model_scores(model, values, declaration)
        value = metrics_of(target, scores, pipeline, declaration)[metric]
        if value is None:
            raise ValueError(f"importance: {metric} cannot be measured on {sample.height} rows of one class")
        return value

    baseline = measure(matrix)
    generator = np.random.default_rng(declaration.training.seed)
    shuffles = [generator.permutation(sample.height) for _ in range(repeats)]
    found: list[tuple[str, float, float]] = []
    for feature, columns in output_columns(transformer).items():
        losses = []
        for shuffle in shuffles:
            shuffled = matrix.copy()
            shuffled[:, columns] = matrix[shuffle][:, columns]
            losses.append(sign * (baseline - measure(shuffled)))
        found.append((feature, float(np.mean(losses)), float(np.std(losses))))
    total = sum(max(mean, 0.0) for _, mean, _ in found)
    features = [
        FeatureImportance(name, mean, std, max(mean, 0.0) / total if total > 0 else 0.0) for name, mean, std in found
    ]
    return Importance(
        metric=metric,
        baseline=baseline,
        rows=sample.height,
        repeats=repeats,
        features=tuple(sorted(features, key=lambda entry: (-entry.importance, entry.feature))),
    )
