"""Power: every fire drill on windows of 5,000 invented rows with a calibrated score and its outcomes.

Run: `python benchmarks/drills.py [--windows 100] [--rows 5000] [--reference 20000]`. Caught: severity `watch` or more in
the first window. Named: the right kind first and the right columns in it. Windows without a fault come first: they must
be caught by nothing.
"""

import argparse
import sys

from mlops_assets.monitoring.drift import compare
from mlops_assets.monitoring.drills import run_drills
from mlops_assets.monitoring.performance import measure
from mlops_assets.monitoring.reference import build_reference
from mlops_assets.monitoring.triage import triage
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.monitoring.streams import ROLES, RULES, scored_customers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--reference", type=int, default=20_000)
    options = parser.parse_args()
    known = scored_customers(options.reference, 1)
    profile = build_profile(known, {**ROLES, "score": "score"})
    yardstick = build_reference(known["outcome"].to_numpy(), known["score"].to_numpy(), "binary", threshold=0.3)
    windows = [scored_customers(options.rows, 10_000 + 13 * i) for i in range(options.windows)]
    quiet = 0
    for window in windows:
        drift = compare(profile, count_window(window, profile), RULES, sample=window)
        found = measure(yardstick, window["outcome"].to_numpy(), window["score"].to_numpy())
        quiet += triage(drift, found, (), RULES, {}).kind == "none"
    print(f"no fault: no name in {quiet} of {len(windows)}")
    for title, outcomes in (("with outcomes", yardstick), ("without outcomes", None)):
        print(f"\n{title}\n{'drill':<22}{'size':<34}{'caught':>8}{'named':>8}{'windows to act':>16}")
        for r in run_drills(windows, profile, RULES, reference=outcomes):
            delay = "-" if r.delay is None else f"{r.delay:.2f}"
            shares = (f"{r.caught / r.windows:.0%}", f"{r.named / r.windows:.0%}") if r.windows else ("-", "-")
            print(f"{r.name:<22}{r.size:<34}{shares[0]:>8}{shares[1]:>8}{delay:>16}  {r.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
