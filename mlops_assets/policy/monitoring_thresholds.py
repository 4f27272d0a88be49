"""The thresholds of monitoring: from which size, and at which level of evidence, a change in a window counts.

Belongs here: the one model of these thresholds. A policy holds it as `monitoring`; monitoring takes it as an argument;
tables without a policy (`mlops drift`) use its defaults. Not here: what is measured (`mlops_assets/monitoring/`).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlops_assets.statistics.statistic import RegisteredStatisticRules, StatisticRules
from mlops_assets.strictness import HigherFloat, HigherInt, LowerFloat, LowerInt, Part, Stricter


class MonitoringThresholds(Part):
    """Thresholds of one risk tier, or the defaults for tables without a policy.

    Shares and differences are absolute unless stated otherwise. `<name>_watch` is the size from which a change is worth
    watching, `<name>_act` the size from which it is worth acting on; each test also needs its p-value below a level.
    """

    psi_watch: LowerFloat = Field(default=0.1, gt=0)
    """Population stability index from which on a change is worth watching."""
    psi_act: LowerFloat = Field(default=0.25, gt=0)
    """Population stability index from which on a change is worth acting on."""
    alpha: HigherFloat = Field(default=0.01, gt=0, lt=1)
    """False-alarm level, controlled over all features of a window; a higher one alarms on weaker evidence."""
    persistence_k: LowerInt = Field(default=2, ge=1)
    """Windows, of the last `persistence_n`, that must show a change before it escalates; data-quality faults need none."""
    persistence_n: HigherInt = Field(default=3, ge=1)
    """Windows over which persistence is counted."""
    minimum_rows: Annotated[int, Stricter("fixed")] = Field(default=200, ge=1)
    """Windows with fewer rows are not measurable."""
    performance_drop_watch: LowerFloat = Field(default=0.03, ge=0)
    """Loss of performance (AUC or skill) against the reference that is worth watching."""
    performance_drop_act: LowerFloat = Field(default=0.06, ge=0)
    """Loss of performance (AUC or skill) against the reference that is worth acting on."""
    minimum_outcomes: Annotated[int, Stricter("fixed")] = Field(default=10, ge=1)
    """Windows with fewer outcomes of either kind have no ranking to judge (binary)."""
    calibration_watch: LowerFloat = Field(default=0.25, gt=0)
    """Change of mean outcome against mean score, as a share of the rarer outcome's rate, that is worth watching."""
    calibration_act: LowerFloat = Field(default=0.5, gt=0)
    """Change of mean outcome against mean score, as a share of the rarer outcome's rate, that is worth acting on."""
    bias_watch: LowerFloat = Field(default=0.1, gt=0)
    """Change of the mean error in standard deviations of the target that is worth watching (regression)."""
    bias_act: LowerFloat = Field(default=0.25, gt=0)
    """Change of the mean error in standard deviations of the target that is worth acting on (regression)."""
    jeffreys_alpha: HigherFloat = Field(default=0.01, gt=0, lt=1)
    """Level of Jeffreys' test by grade, over all grades, from which a grade is named; a higher one names more."""
    relation_watch: LowerFloat = Field(default=0.03, gt=0)
    """Change of outcomes at the same score, in standard deviations of the outcome, that is worth watching."""
    relation_act: LowerFloat = Field(default=0.06, gt=0)
    """Change of outcomes at the same score, in standard deviations of the outcome, that is worth acting on."""
    fairness_watch: LowerFloat = Field(default=0.05, gt=0)
    """Rise of a group's distance from the others, in its rate (or standard deviations), that is worth watching."""
    fairness_act: LowerFloat = Field(default=0.1, gt=0)
    """Rise of a group's distance from the others, in its rate (or standard deviations), that is worth acting on."""
    estimate_score_shift: LowerFloat = Field(default=0.25, gt=0)
    """Population stability index of the scores beyond which performance is not estimated without outcomes."""
    max_null_increase: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Rise of a column's share of missing values that counts as a data-quality fault."""
    max_new_category_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Share of rows with categories never seen in training that counts as a data-quality fault."""

    statistics: RegisteredStatisticRules = Field(default_factory=lambda: StatisticRules.read({}))
    """From which value of a registered statistic (`mlops extensions --kind statistics`) on a change counts."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("psi", "performance_drop", "calibration", "bias", "relation", "fairness"):
            watch, act = getattr(self, f"{name}_watch"), getattr(self, f"{name}_act")
            if watch > act:
                raise ValueError(f"{name}_watch {watch} is above {name}_act {act}, expected at most that")
        if self.persistence_k > self.persistence_n:
            raise ValueError(
                f"persistence_k {self.persistence_k} is above persistence_n {self.persistence_n}, expected at most that"
            )
        return self
