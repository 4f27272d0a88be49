"""Whether a changed frequency of the outcome is a base rate of its own, or what other inputs make of it."""

import math

from mlops_assets.monitoring.outcomes.performance import WindowPerformance

SHIFTED_ALIKE = 0.5
"""Part of the base rate's change in log-odds that the same score must show for it to be more than other inputs."""


def label_shift_size(performance: WindowPerformance) -> float:
    """Change of the base rate, relative to the rarer outcome's, where inputs do not explain it; 0 otherwise.

    Inputs that tell of the outcome move with a base rate, and the scores then foresee a part of it: what they did not
    foresee understates it. Under a shift of the base rate alone the log-odds of every score move as those of the base rate
    do (Saerens, Latinne & Decaestecker 2002); where other inputs are all there is, those of a score stay as they are.
    """
    base, relation = performance.base_rate, performance.relation
    if base is None or relation is None or relation.common_shift is None or performance.task != "binary":
        return 0.0
    before, now = base.reference or 0.0, base.window or 0.0
    if not (0 < before < 1 and 0 < now < 1):
        return 0.0
    moved = math.log(now / (1 - now)) - math.log(before / (1 - before))
    alike = moved != 0 and relation.common_shift / moved >= SHIFTED_ALIKE
    return abs(now - before) / min(before, 1 - before) if alike else 0.0
