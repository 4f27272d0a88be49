"""False alarms on streams whose rows are not independent: with the order of the rows known, and without.

    python benchmarks/restless_streams.py [--streams 25] [--seed 7]

Nothing ever changes in these streams; they only differ from time to time, as real ones do. The reference is their past, two
windows come later. Inputs: eight columns, judged one by one and together, as a window is. Outcomes: twelve months of 800
calibrated scores, and one more.

PSI is that of ten quantile bins, any column above 0.1.
"""

import argparse
from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.signal import lfilter

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.severity import at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

COLUMNS, MONTHS, MONTH = 8, 12, 800
SIZES = ((20_000, 1000), (20_000, 5000), (5000, 500))
Stream = Callable[[int, np.random.Generator], np.ndarray]


def autoregressive(memory: float) -> Stream:
    """Each row remembers so much of the row before."""

    def rows(number: int, generator: np.random.Generator) -> np.ndarray:
        drawn = generator.normal(size=(number + 2000, COLUMNS)) * np.sqrt(1 - memory**2)
        return lfilter([1], [1, -memory], drawn, axis=0)[2000:]  # type: ignore[index]

    return rows


def seasonal(number: int, generator: np.random.Generator) -> np.ndarray:
    """A slow wave of 1,445 rows, of another phase in each column."""
    wave = np.sin(2 * np.pi * np.arange(number)[:, None] / 1445 + np.arange(COLUMNS))
    return generator.normal(size=(number, COLUMNS)) + 0.7 * wave


def levels(number: int, generator: np.random.Generator) -> np.ndarray:
    """Batches of 500 rows, each with a level of its own."""
    each = generator.normal(size=(number // 500 + 1, COLUMNS)) * 0.3
    return generator.normal(size=(number, COLUMNS)) + np.repeat(each, 500, axis=0)[:number]


STREAMS: dict[str, Stream] = {
    "independent rows": autoregressive(0.0),
    "memory .9": autoregressive(0.9),
    "memory .99": autoregressive(0.99),
    "a slow season": seasonal,
    "batches of 500 with a level": levels,
}
RESTLESS_OUTCOMES = {
    "independent rows": (0.0, 0.0),
    "months with a base rate of their own": (0.2, 0.0),
    "months with a relation of their own": (0.0, 0.2),
    "both": (0.3, 0.3),
}


def psi_alarm(reference: np.ndarray, window: np.ndarray) -> bool:
    """Whether any column's PSI over ten quantile bins of the reference is above 0.1."""
    for before, now in zip(reference.T, window.T, strict=True):
        edges = np.quantile(before, np.linspace(0, 1, 11)[1:-1])
        p, q = (np.bincount(np.searchsorted(edges, side), minlength=10) / len(side) + 1e-6 for side in (before, now))
        if float(((q - p) * np.log(q / p)).sum()) > 0.1:
            return True
    return False


def inputs(stream: Stream, sizes: tuple[int, int], streams: int, generator: np.random.Generator) -> np.ndarray:
    """Windows with an alarm: order known, order unknown, PSI; and how many there were."""
    reference_rows, rows = sizes
    alarms = np.zeros(4, dtype=int)
    for _ in range(streams):
        values = stream(reference_rows + 4 * rows, generator)
        frame = pl.DataFrame(values, schema=[f"x{i}" for i in range(COLUMNS)])
        known = frame[:reference_rows]
        roles = dict.fromkeys(frame.columns, "numeric")
        profiles = [build_profile(known, roles, times=t) for t in (pl.Series(np.arange(reference_rows)), None)]
        for start in (reference_rows, reference_rows + 3 * rows):
            window = frame[start : start + rows]
            for i, profile in enumerate(profiles):
                found = compare(
                    profile,
                    count_window(window, profile),
                    MonitoringThresholds(),
                    sample=window,
                    reference_sample=known[:: max(1, reference_rows // 5000)],
                )
                alarms[i] += at_least(found.severity, "watch")
            alarms[2] += psi_alarm(values[:reference_rows], values[start : start + rows])
            alarms[3] += 1
    return alarms


def outcomes(level: float, slope: float, streams: int, generator: np.random.Generator) -> np.ndarray:
    """Windows with an alarm: order known, order unknown; and how many there were."""
    alarms = np.zeros(3, dtype=int)
    times = np.repeat(np.arange(MONTHS + 1), MONTH)
    for _ in range(streams):
        z = generator.normal(size=len(times))
        odds = -1.5 + generator.normal(0, level, MONTHS + 1)[times]
        odds += (1 + generator.normal(0, slope, MONTHS + 1)[times]) * z
        y = (generator.random(len(times)) < 1 / (1 + np.exp(-odds))).astype(int)
        score, past = 1 / (1 + np.exp(1.5 - z)), times < MONTHS
        for i, order in enumerate((pl.Series(times[past]), None)):
            reference_performance = build_reference(y[past], score[past], "binary", threshold=0.3, times=order)
            alarms[i] += at_least(measure(reference_performance, y[~past], score[~past]).severity, "watch")
        alarms[2] += 1
    return alarms


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=25)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    print(
        f"{'inputs':<28} {'reference':>9} {'window':>7} {'windows':>8} {'in order':>9} {'unknown':>8} {'PSI > 0.1':>9}"
    )
    for name, stream in STREAMS.items():
        for sizes in SIZES:
            known, unknown, psi, windows = inputs(stream, sizes, options.streams, generator)
            print(f"{name:<28} {sizes[0]:>9} {sizes[1]:>7} {windows:>8} {known:>9} {unknown:>8} {psi:>9}", flush=True)
    print(f"\n{'outcomes':<38} {'windows':>8} {'in order':>9} {'unknown':>8}")
    for name, (level, slope) in RESTLESS_OUTCOMES.items():
        known, unknown, windows = outcomes(level, slope, 2 * options.streams, generator)
        print(f"{name:<38} {windows:>8} {known:>9} {unknown:>8}", flush=True)


if __name__ == "__main__":
    main()
