"""What small damage to the inputs does to the predictions: noise, missing values, boundary values, unseen categories.

Belongs here: damage that production may really bring and the contract lets through. A feature that may not be missing,
or whose values are listed, is not given what would be quarantined anyway. A model that raises, or that answers with
NaN, has failed the probe, whatever its performance.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.columns import Feature
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task
from mlops_assets.evaluation.estimators import NotMeasurable, estimate, prepare
from mlops_assets.evaluation.metrics import ORDER_METRIC
from mlops_assets.evaluation.performance import plain
from mlops_assets.statistics.delong import concordance

Predict = Callable[[pl.DataFrame], np.ndarray]
"""From a frame with the features' columns to scores: probability of the positive (n,), class probabilities (n,
classes), or prediction (n,)."""

UNSEEN = "never seen before"


@dataclass(frozen=True)
class ProbeSettings:
    """How the inputs are damaged.

    Attributes:
        rows: at most so many are used.
        share: of the values that are damaged, feature by feature and independently (not for noise, which meets all).
        noise: standard deviation of the noise, in standard deviations of the feature.
        seed: of the sample and the damage.
    """

    rows: int = 5000
    share: float = 0.05
    noise: float = 0.1
    seed: int = 20261121


@dataclass(frozen=True)
class Probe:
    """One kind of damage and what it did."""

    probe: str
    columns: tuple[str, ...]
    rows: int
    """Rows in which something was changed."""
    mean_change: float | None
    """Mean absolute change of the score over all rows (regression: in standard deviations of the undamaged score)."""
    largest_change: float | None
    drop: float | None
    """Loss of the metric against the undamaged rows; negative is a gain; None without outcomes of both kinds."""
    flips: float | None
    """Share of decisions (binary at the threshold) or classes (multiclass) that changed; None for regression."""
    error: str
    """What the model raised or answered wrongly; empty when it answered."""


@dataclass(frozen=True)
class Robustness:
    """All probes of one model."""

    metric: str
    n: int
    undamaged: float | None
    probes: tuple[Probe, ...]
    seed: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def probe(
    predict: Predict,
    frame: pl.DataFrame,
    declaration: Declaration,
    y_true: np.ndarray | None = None,
    *,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    settings: ProbeSettings = ProbeSettings(),
) -> Robustness:
    """Damage a seeded sample of the rows in every way that applies, and score it again.

    Args:
        predict: the model.
        frame: at least the features' columns.
        declaration: says which features there are and what they may hold.
        y_true: outcomes of the same rows (as in `performance.evaluate`); without them only changes are measured.
        threshold: of the decisions; default the declaration's.
        classes: multiclass: labels in the order of the score's columns.
        settings: size of the sample and of the damage.

    Raises:
        ValueError: a feature is not in the frame, or the model fails on undamaged rows.
    """
    absent = [name for name in declaration.features if name not in frame.columns]
    if absent:
        raise ValueError(f"found no columns {', '.join(absent)}, expected every declared feature")
    generator = np.random.default_rng(settings.seed)
    chosen = np.arange(frame.height)
    if frame.height > settings.rows:
        chosen = np.sort(generator.choice(frame.height, settings.rows, replace=False))
    sample = frame[chosen]
    y = None if y_true is None else np.asarray(y_true)[chosen]
    cut = threshold if threshold is not None else declaration.decision_threshold
    before = np.asarray(predict(sample), dtype=float)
    if not np.isfinite(before).all():
        raise ValueError("the model answers undamaged rows with NaN or infinity: nothing can be compared with that")
    undamaged = _quality(declaration.task, y, before, classes)
    model = _Undamaged(predict, declaration.task, y, before, undamaged, cut, classes)
    probes = []
    for name, damage in _damages(declaration, settings.share, settings.noise).items():
        damaged, columns, touched = damage(sample, generator)
        if columns:
            probes.append(model.probe(name, damaged, columns, touched))
    metric, reason = ORDER_METRIC[declaration.task], _sentence(probes, undamaged)
    return Robustness(metric, sample.height, undamaged, tuple(probes), settings.seed, reason)


Damaged = tuple[pl.DataFrame, tuple[str, ...], int]
Damage = Callable[[pl.DataFrame, np.random.Generator], Damaged]


def _damages(declaration: Declaration, share: float, noise: float) -> dict[str, Damage]:
    features = declaration.features
    numeric = {n: f for n, f in features.items() if f.role in (Role.NUMERIC, Role.ORDINAL) and f.allowed is None}
    nullable = {n: f for n, f in features.items() if f.nullable}
    open_categories = {n: f for n, f in features.items() if f.role is Role.CATEGORICAL and f.allowed is None}
    return {
        f"noise of {noise:g} standard deviations in every number": lambda frame, rng: _add_noise(
            frame, {n: f for n, f in numeric.items() if f.role is Role.NUMERIC}, noise, rng
        ),
        f"{share:.0%} of values missing": lambda frame, rng: _replace(frame, nullable, share, rng, lambda s, f: None),
        f"{share:.0%} of numbers at their smallest value": lambda frame, rng: _replace(
            frame, numeric, share, rng, lambda s, f: f.minimum if f.minimum is not None else s.min()
        ),
        f"{share:.0%} of numbers at their largest value": lambda frame, rng: _replace(
            frame, numeric, share, rng, lambda s, f: f.maximum if f.maximum is not None else s.max()
        ),
        f"{share:.0%} of categories never seen": lambda frame, rng: _replace(
            frame, open_categories, share, rng, lambda s, f: _unseen(s)
        ),
    }


def _add_noise(frame: pl.DataFrame, features: dict[str, Feature], size: float, rng: np.random.Generator) -> Damaged:
    changed = []
    for name, feature in features.items():
        column = frame[name]
        spread = column.cast(pl.Float64, strict=False).fill_nan(None).std()
        if not isinstance(spread, float) or not np.isfinite(spread) or spread == 0:
            continue
        values = column.cast(pl.Float64) + pl.Series(rng.normal(0, size * spread, frame.height))
        values = values.clip(feature.minimum, feature.maximum)
        # Whole numbers stay whole: a half of a person is no noise that production brings.
        values = values.round(0) if column.dtype.is_integer() else values
        changed.append(values.cast(column.dtype, strict=False).alias(name))
    return frame.with_columns(changed), tuple(s.name for s in changed), frame.height if changed else 0


def _replace(
    frame: pl.DataFrame,
    features: dict[str, Feature],
    share: float,
    rng: np.random.Generator,
    value_of: Callable[[pl.Series, Feature], Any],
) -> Damaged:
    changed, touched = [], np.zeros(frame.height, dtype=bool)
    for name, feature in features.items():
        column = frame[name]
        hit = rng.random(frame.height) < share
        value = value_of(column, feature)
        if isinstance(value, str) and not isinstance(column.dtype, pl.String):
            column = column.cast(pl.String)  # an enumeration cannot hold what it has not seen
        filler = pl.lit(value, dtype=column.dtype if value is None else None)
        column_after = pl.select(pl.when(pl.Series(hit)).then(filler).otherwise(column)).to_series()
        changed.append((column_after if isinstance(value, str) else column_after.cast(column.dtype)).alias(name))
        touched |= hit
    return frame.with_columns(changed), tuple(s.name for s in changed), int(touched.sum())


def _unseen(column: pl.Series) -> Any:
    """A value of the column's type that does not occur in it."""
    if column.dtype.is_integer():
        largest = column.max()
        return (largest if isinstance(largest, int) else 0) + 1
    if column.dtype.is_float():
        largest = column.fill_nan(None).max()
        return (largest if isinstance(largest, float) else 0.0) + 1
    return UNSEEN


@dataclass(frozen=True)
class _Undamaged:
    """The model and what it answers to the undamaged rows."""

    predict: Predict
    task: Task
    y: np.ndarray | None
    scores: np.ndarray
    quality: float | None
    threshold: float | None
    classes: Sequence[str] | None

    def probe(self, name: str, damaged: pl.DataFrame, columns: tuple[str, ...], touched: int) -> Probe:
        """Score damaged rows, and compare with the undamaged ones."""

        def failed(error: str) -> Probe:
            return Probe(name, columns, touched, None, None, None, None, error)

        before = self.scores
        try:
            after = np.asarray(self.predict(damaged), dtype=float)
        except Exception as error:  # any way in which a model breaks is what the probe is there to find
            return failed(f"{type(error).__name__}: {error}"[:300])
        if after.shape != before.shape:
            return failed(f"scores of shape {after.shape}, expected {before.shape}")
        bad = int((~np.isfinite(after)).reshape(len(after), -1).any(1).sum())
        if bad:
            return failed(f"NaN or infinite scores in {bad} rows")
        unit = (float(before.std()) or 1.0) if self.task is Task.REGRESSION else 1.0
        change = np.abs(after - before) / unit
        quality = _quality(self.task, self.y, after, self.classes)
        drop = self.quality - quality if self.quality is not None and quality is not None else None
        largest = float(change.max())
        return Probe(name, columns, touched, float(change.mean()), largest, drop, self._flips(after), "")

    def _flips(self, after: np.ndarray) -> float | None:
        """Share of decisions, or of predicted classes, that changed."""
        if self.task is Task.MULTICLASS:
            return float((after.argmax(1) != self.scores.argmax(1)).mean())
        if self.task is Task.BINARY and self.threshold is not None:
            return float(((after >= self.threshold) != (self.scores >= self.threshold)).mean())
        return None


def _quality(task: Task, y: np.ndarray | None, score: np.ndarray, classes: Sequence[str] | None) -> float | None:
    if y is None:
        return None
    if task is Task.REGRESSION:
        return concordance(y, score)
    rows = prepare(y, score, task, classes=list(classes) if classes is not None else None)
    try:
        return estimate(ORDER_METRIC[task], rows).value
    except NotMeasurable:
        return None


def _sentence(probes: list[Probe], undamaged: float | None) -> str:
    broken = [p.probe for p in probes if p.error]
    if broken:
        return f"the model does not answer under {len(broken)} of {len(probes)} probes: {'; '.join(broken)}"
    known = [p for p in probes if p.drop is not None]
    if not known or undamaged is None:
        return f"{len(probes)} probes answered; performance under them was not measured"
    worst = max(known, key=lambda p: p.drop or 0.0)
    return f"the strongest of {len(probes)} probes is {worst.probe}: {-(worst.drop or 0.0):+.4f} from {undamaged:.4f}"
