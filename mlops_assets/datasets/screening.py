"""What the training rows show before any model: features that know the answer, unequal labels, stand-ins for groups.

Belongs here: numbers, with their counts. Which of them is too much is a gate's business (`gates/leakage.py`,
`gates/label_bias.py`, `gates/proxy.py`). Everything is deterministic: folds come from the order of the rows.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.single_feature import codes_of, oof_auc, oof_r2
from mlops_assets.datasets.values import canonical_text, text_of
from mlops_assets.declaration.columns import Protected
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

MAX_PROXY_ROWS = 8_000
MAX_PROXY_GROUPS = 6
SEED = 20261121


@dataclass(frozen=True)
class FeatureScreen:
    """One feature alone.

    Attributes:
        feature: its name.
        rows: rows with a target.
        auc: out-of-fold AUC for the target (classification; macro one-against-rest for several classes).
        r2: out-of-fold share of the target's variance explained, raw or by ranks, the larger (regression).
        after_event: share of rows in which it lies after the event time (date features of a model with time).
    """

    feature: str
    rows: int
    auc: float | None = None
    r2: float | None = None
    after_event: float | None = None


@dataclass(frozen=True)
class LabelGroup:
    """The labels of one group.

    Attributes:
        attribute: protected attribute.
        group: readable name.
        rows: with a target.
        favourable: rows with the favourable label (binary); None otherwise.
        classes: rows by class (multiclass).
        mean: of the target (regression).
        variance: of the target (regression).
    """

    attribute: str
    group: str
    rows: int
    favourable: int | None = None
    classes: dict[str, int] | None = None
    mean: float | None = None
    variance: float | None = None


@dataclass(frozen=True)
class ProxyScreen:
    """How well the features tell the groups of one protected attribute apart.

    Attributes:
        attribute: protected attribute.
        groups: number of groups that were told apart.
        rows: rows used for `auc`.
        is_input: whether the attribute is itself a feature; it is left out of what follows.
        auc: cross-validated AUC of all features together (macro over groups); None: not measurable, see `note`.
        features: AUC of each feature alone, strongest first.
        note: why something is missing.
    """

    attribute: str
    groups: int
    rows: int
    is_input: bool
    auc: float | None
    features: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Screening:
    """All of it, for one set of rows."""

    task: str
    rows: int
    columns: tuple[str, ...]
    features: tuple[FeatureScreen, ...]
    labels: tuple[LabelGroup, ...]
    proxies: tuple[ProxyScreen, ...]
    protected: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form; features strongest first."""
        return asdict(self)


def screen(frame: pl.DataFrame, declaration: Declaration) -> Screening:
    """Screen training rows.

    Args:
        frame: accepted rows with the declared columns; rows without a target are left out where it matters.
        declaration: the model.
    """
    known = frame.filter(pl.col(declaration.target.column).is_not_null())
    return Screening(
        task=declaration.task.value,
        rows=frame.height,
        columns=tuple(declaration.features),
        features=_features(known, declaration),
        labels=tuple(g for p in declaration.protected for g in _labels(known, declaration, p)),
        proxies=tuple(_proxy(frame, declaration, p) for p in declaration.protected),
        protected=tuple(p.column for p in declaration.protected),
    )


def group_names(frame: pl.DataFrame, protected: Protected) -> pl.Series:
    """Readable group of every row: the bin of a numeric attribute, else its value's label; null where it is missing."""
    column = frame[protected.column]
    if protected.bins:
        edges = sorted(protected.bins)
        names = [f"under {edges[0]:g}"]
        names += [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
        names.append(f"{edges[-1]:g} and over")
        values = column.cast(pl.Float64, strict=False)
        positions = np.searchsorted(np.asarray(edges, dtype=float), values.fill_null(0.0).to_numpy(), side="right")
        missing = (values.is_null() | values.is_nan().fill_null(False)).to_list()
        return pl.Series([None if m else names[i] for i, m in zip(positions, missing, strict=True)], dtype=pl.String)
    texts = frame.select(canonical_text(column.dtype, pl.col(column.name))).to_series()
    return texts.replace(protected.labels) if protected.labels else texts


def target_of(frame: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """Target as 0/1 (binary), class codes (multiclass) or float (regression), shape (rows,)."""
    column = frame[declaration.target.column]
    if declaration.task is Task.REGRESSION:
        return column.cast(pl.Float64).to_numpy()
    codes = frame.select(canonical_text(column.dtype, pl.col(column.name))).to_series()
    if declaration.task is Task.BINARY:
        return (codes == text_of(declaration.target.positive)).to_numpy().astype(np.int64)
    return codes_of(codes, categorical=True)


def _features(known: pl.DataFrame, declaration: Declaration) -> tuple[FeatureScreen, ...]:
    target = target_of(known, declaration)
    screens = []
    for name, feature in declaration.features.items():
        codes = codes_of(known[name], categorical=feature.role is Role.CATEGORICAL)
        regression = declaration.task is Task.REGRESSION
        screens.append(
            FeatureScreen(
                feature=name,
                rows=known.height,
                auc=None if regression else oof_auc(codes, target),
                r2=oof_r2(codes, target) if regression else None,
                after_event=_share_after_event(known, declaration, name) if feature.role is Role.DATE else None,
            )
        )
    return tuple(sorted(screens, key=lambda s: (-(s.auc if s.auc is not None else s.r2 or 0.0), s.feature)))


def _share_after_event(known: pl.DataFrame, declaration: Declaration, feature: str) -> float | None:
    if declaration.event_time is None or not known.height:
        return None
    time = event_time_expr(declaration.event_time)
    if declaration.event_time.format == "year":
        # A year says only when it ended at the latest.
        time = time.dt.offset_by("1y")
    dates = pl.col(feature)
    dates = dates.str.to_datetime(strict=False) if known.schema[feature] == pl.String else dates
    share = known.select((dates.cast(pl.Datetime("us")) > time).mean()).item()
    return None if share is None else float(share)


def _labels(known: pl.DataFrame, declaration: Declaration, protected: Protected) -> list[LabelGroup]:
    groups = group_names(known, protected).to_numpy(allow_copy=True) if known.height else np.array([], dtype=object)
    target = target_of(known, declaration)
    names = sorted({g for g in groups if g is not None})
    classes = (
        known[declaration.target.column].cast(pl.String).to_numpy() if declaration.task is Task.MULTICLASS else None
    )
    found = []
    for name in names:
        mask = groups == name
        rows = int(mask.sum())
        if declaration.task is Task.BINARY:
            positives = int(target[mask].sum())
            favourable = positives if declaration.target.favourable == "positive" else rows - positives
            found.append(LabelGroup(protected.column, name, rows, favourable=favourable))
        elif classes is not None:
            labels, counts = np.unique(classes[mask].astype(str), return_counts=True)
            shares = {str(label): int(count) for label, count in zip(labels, counts, strict=True)}
            found.append(LabelGroup(protected.column, name, rows, classes=shares))
        else:
            values = target[mask]
            found.append(
                LabelGroup(protected.column, name, rows, mean=float(values.mean()), variance=float(values.var()))
            )
    return found


def _proxy(frame: pl.DataFrame, declaration: Declaration, protected: Protected) -> ProxyScreen:
    is_input = protected.column in declaration.features
    groups = group_names(frame, protected)
    usable = frame.filter(groups.is_not_null())
    groups = groups.filter(groups.is_not_null())
    codes = codes_of(groups, categorical=True)
    sizes = np.bincount(codes) if codes.size else np.array([], dtype=int)
    features = [name for name in declaration.features if name != protected.column]

    def answer(auc: float | None, rows: int, single: dict[str, float], note: str = "") -> ProxyScreen:
        ordered = dict(sorted(single.items(), key=lambda item: (-item[1], item[0])))
        return ProxyScreen(protected.column, int((sizes > 0).sum()), rows, is_input, auc, ordered, note)

    if (sizes > 0).sum() < 2:
        return answer(None, usable.height, {}, "fewer than two groups")
    if not features:
        return answer(None, usable.height, {}, "no feature besides the attribute itself")
    coded = {
        name: codes_of(usable[name], categorical=declaration.features[name].role is Role.CATEGORICAL)
        for name in features
    }
    single = {name: auc for name, c in coded.items() if (auc := oof_auc(c, codes)) is not None}
    auc, rows = _joint_auc(np.column_stack(list(coded.values())), codes)
    return answer(auc, rows, single, "" if auc is not None else "too few rows of two groups")


def _joint_auc(codes: np.ndarray, groups: np.ndarray) -> tuple[float | None, int]:
    """Cross-validated AUC with which boosted trees tell groups apart by their codes, macro over the largest groups."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    if len(groups) > MAX_PROXY_ROWS:
        kept = np.sort(np.random.default_rng(SEED).choice(len(groups), MAX_PROXY_ROWS, replace=False))
        codes, groups = codes[kept], groups[kept]
    half = np.arange(len(groups)) % 2
    sizes = np.bincount(groups)
    areas = []
    for group in np.argsort(-sizes, kind="stable")[: MAX_PROXY_GROUPS if len(sizes) > 2 else 1]:
        truth = groups == group
        parts = []
        for fold in (0, 1):
            fit, held = half != fold, half == fold
            if min(truth[fit].sum(), (~truth[fit]).sum(), truth[held].sum(), (~truth[held]).sum()) < 10:
                continue
            model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, random_state=SEED)
            # Fits this small gain nothing from threads, and lose much where other runs want the same processors.
            with threadpool_limits(limits=1):
                model.fit(codes[fit], truth[fit])
            parts.append(float(roc_auc_score(truth[held], model.predict_proba(codes[held])[:, 1])))
        if parts:
            areas.append(sum(parts) / len(parts))
    return (max(0.5, sum(areas) / len(areas)) if areas else None), len(groups)
