"""Lives of 60 windows, 2,000 of each kind: how often the evidence over windows reports a change, and after how many.

Run by `make soak`, for the rates in `docs/benchmarks.md`. A life is drawn from the errors of a window's numbers alone. The
first lines of each block are lives without a change beyond the tolerance; there no more than 5 % may show one. Ends with 1
where more do. `mlops_assets_tests/monitoring/verdict/test_accumulated.py` holds the same on 200 lives.
"""

import sys

import numpy as np

from mlops_assets.monitoring.thresholds.life_delays import Errors, drawn_lives, first_evidence
from mlops_assets.monitoring.verdict.accumulated import LEVEL
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets_tests.monitoring.lives import distance_lives, restless_lives

LIVES = 2000
LOSS = {
    "2,000 rows, 10,000 held out": Errors(0.0135, 0.006),
    "2,000 rows, 50,000 held out": Errors(0.0135, 0.0027),
    "500 rows, 5,000 held out": Errors(0.027, 0.0085),
}
MISCALIBRATION = {
    "2,000 rows, 10,000 held out": Errors(0.040, 0.018),
    "2,000 rows, 50,000 held out": Errors(0.040, 0.008),
}


def main() -> int:
    """Print the shares; 1 where lives without a change show one in more than the stated share."""
    rules, worst = MonitoringThresholds(), 0.0
    rng = np.random.default_rng(20261128)
    for what, limits, errors, sizes, onsets in (
        ("loss of AUC", "performance_drop", LOSS, (0, 0.006, 0.01, 0.02, 0.03, 0.04, 0.05), (0, 20)),
        ("miscalibration", "calibration", MISCALIBRATION, (0, 0.05, 0.1, 0.15, 0.2), (0, 20)),
    ):
        watch, act = getattr(rules, f"{limits}_watch"), getattr(rules, f"{limits}_act")
        for where, error in errors.items():
            for size in sizes:
                for onset in onsets if size > 0.2 * watch else (0,):
                    shown = drawn_lives(rng, error, size, LIVES, onset=onset)
                    first = first_evidence(shown, error, watch, act, limits == "calibration") - onset
                    worst = max(
                        worst, _line(f"{what} {size:g} from window {onset + 1}, {where}", first, size <= 0.2 * watch)
                    )
    for memory in (0.0, 0.9, 0.99):
        error = Errors(float(np.hypot(0.0135, 0.02)), 0.006, 0.02)
        shown = restless_lives(rng, 0.0135, 0.006, 0.02, memory, LIVES)
        first = first_evidence(shown, error, rules.performance_drop_watch, rules.performance_drop_act, False)
        worst = max(worst, _line(f"periods that differ by 0.02, memory {memory:g}", first, True))
    for distance in (0.0, 0.05, 0.08, 0.12):
        first = distance_lives(rng, distance, LIVES // 20)
        worst = max(worst, _line(f"squared distance {distance:g} of an input, 500 rows", first, distance <= 0.05))
    print(f"most lives without a change that show one: {worst:.2%} (stated {LEVEL:.0%})")
    return int(worst > LEVEL)


def _line(what: str, first: np.ndarray, unchanged: bool) -> float:
    share = float(np.isfinite(first).mean())
    median = float(np.median(first))
    print(f"{what:62} found in {share:7.2%}, median delay {median if np.isfinite(median) else '-'}", flush=True)
    return share if unchanged else 0.0


if __name__ == "__main__":
    sys.exit(main())
