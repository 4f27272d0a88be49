import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.outcomes.between_period_variation import BetweenPeriodVariation
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.monitoring.severity import at_least
from mlops_assets.statistics.between_periods import extra_deviation
from mlops_assets_tests.effort import share

MONTHS, ROWS = 12, 800
ROUNDS = share(16, 160)


def month(generator: np.random.Generator, level: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and calibrated score of a month whose log-odds stand higher, or rise more steeply, than the score says."""
    z = generator.normal(size=ROWS)
    odds = -1.5 + generator.normal(0, level) + (1 + generator.normal(0, slope)) * z
    return (generator.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(int), 1 / (1 + np.exp(1.5 - z))


def reference_performance(
    generator: np.random.Generator, level: float, slope: float, *, ordered: bool = True
) -> ReferencePerformance:
    months = [month(generator, level, slope) for _ in range(MONTHS)]
    y, score = (np.concatenate(part) for part in zip(*months, strict=True))
    times = pl.Series(np.repeat(np.arange(MONTHS), ROWS)) if ordered else None
    return build_reference(y, score, "binary", threshold=0.3, times=times)


def windows(level: float, slope: float, *, ordered: bool, rounds: int = ROUNDS) -> Iterator[WindowPerformance]:
    """Each from the same stream as its reference: nothing has changed."""
    generator = np.random.default_rng(11)
    for _ in range(rounds):
        reference = reference_performance(generator, level, slope, ordered=ordered)
        yield measure(reference, *month(generator, level, slope))


@pytest.mark.parametrize(
    ("level", "slope", "why"),
    [(0.3, 0.0, "months with their own base rate"), (0.0, 0.3, "months with their own relation"), (0.3, 0.3, "both")],
)
def test_what_months_differ_by_is_no_alarm(level: float, slope: float, why: str) -> None:
    allowed = sum(at_least(w.severity, "watch") for w in windows(level, slope, ordered=True))
    independent = sum(at_least(w.severity, "watch") for w in windows(level, slope, ordered=False))
    assert allowed <= 2 * ROUNDS / 16, why
    assert independent >= allowed + ROUNDS / 16, why


def test_a_flip_is_found_in_a_restless_stream() -> None:
    generator = np.random.default_rng(12)
    found = []
    for _ in range(15):
        reference = reference_performance(generator, 0.2, 0.0)
        y, score = month(generator, 0.2, 0.0)
        flipped = generator.random(ROWS) < 0.2
        found.append(measure(reference, np.where(flipped, 1 - y, y), score).severity)
    assert found.count("act") >= 14


def test_a_calm_stream_is_judged_as_if_its_order_were_unknown() -> None:
    generator = np.random.default_rng(13)
    y, score = month(generator, 0.0, 0.0)
    ordered = reference_performance(np.random.default_rng(14), 0.0, 0.0)
    independent = reference_performance(np.random.default_rng(14), 0.0, 0.0, ordered=False)
    assert ordered.variation
    assert independent.variation == ()
    assert measure(ordered, y, score).p_adjusted == pytest.approx(measure(independent, y, score).p_adjusted)


def test_the_variation_of_each_test_is_told_apart() -> None:
    generator = np.random.default_rng(15)
    level = reference_performance(generator, 0.4, 0.0).variation_of(ROWS)
    slope = reference_performance(generator, 0.0, 0.6).variation_of(ROWS)
    assert level is not None
    assert slope is not None
    assert level.periods == slope.periods == MONTHS
    assert level.residual[0] == pytest.approx(0.06, abs=0.03), "d rate / d log-odds is about .15"
    assert level.quality == 0.0
    assert slope.relation > 0


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_classes_and_numbers_are_restless_too(task: str) -> None:
    generator = np.random.default_rng(16)
    severities: dict[bool, int] = {True: 0, False: 0}
    for _ in range(12):
        shift = generator.normal(0, 0.3, MONTHS + 1)
        z = generator.normal(size=(MONTHS + 1, ROWS))
        if task == "regression":
            y, score, classes = z + shift[:, None] + generator.normal(size=z.shape), z, None
        else:
            odds = np.stack([np.zeros_like(z), z, -z], axis=2)
            true = odds + np.stack([shift, -shift, 0 * shift], axis=1)[:, None, :]
            drawn = (true + generator.gumbel(size=true.shape)).argmax(2)
            classes = ["a", "b", "c"]
            y, score = np.array(classes)[drawn], np.exp(odds) / np.exp(odds).sum(2, keepdims=True)
        for ordered in severities:
            reference = build_reference(
                y[:-1].ravel(),
                score[:-1].reshape(MONTHS * ROWS, *score.shape[2:]),
                task,
                classes=classes,
                times=pl.Series(np.repeat(np.arange(MONTHS), ROWS)) if ordered else None,
            )
            severities[ordered] += at_least(measure(reference, y[-1], score[-1]).severity, "watch")
    assert severities[True] <= 1
    assert severities[False] >= 3


def test_it_is_kept_with_the_reference() -> None:
    reference = reference_performance(np.random.default_rng(17), 0.3, 0.3)
    stored = json.loads(json.dumps(reference.to_dict()))
    again = ReferencePerformance.from_dict(stored)
    assert again.variation == reference.variation
    assert all(isinstance(one, BetweenPeriodVariation) for one in again.variation)
    del stored["variation"]
    assert ReferencePerformance.from_dict(stored).variation == (), (
        "a reference_performance of an earlier release has none"
    )


def test_the_extra_deviation_is_the_one_that_was_put_in() -> None:
    generator = np.random.default_rng(18)
    errors = generator.uniform(0.5, 1.5, 2000)
    values = generator.normal(0, 2.0, 2000) + generator.normal(0, errors)
    deviation, p_value = extra_deviation(values, errors)
    assert deviation == pytest.approx(2.0, rel=0.05)
    assert p_value < 1e-9
    assert extra_deviation(generator.normal(0, errors), errors)[1] > 0.01
    assert extra_deviation(values[:7], errors[:7]) == (0.0, 1.0), "seven periods are too few"
