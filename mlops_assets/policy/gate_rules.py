"""What a policy says about each gate: one frozen model a gate, every field described and marked with its stricter side.

Only data is here. How a gate uses a threshold is in `mlops_assets/gates/<gate>.py`. A limit written as `null` is not
applied.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.policy.strictness import (
    HigherFloat,
    HigherInt,
    HigherLimit,
    LowerFloat,
    LowerInt,
    LowerLimit,
    Stricter,
    TrueStricter,
)


class Part(BaseModel):
    """Base of every part of a policy: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class GateRule(Part):
    """What is common to all gates."""

    required: TrueStricter = True
    """Whether a version needs this gate to become champion; otherwise its decision is recorded and shown only."""
    not_measurable_blocks: TrueStricter = True
    """Whether a required gate that could not be measured (too few rows, not decidable) blocks."""
    absence_blocks: TrueStricter = False
    """Whether a required gate with nothing to measure (no protected attribute, no slice declared) blocks."""


class ContractRule(GateRule):
    """Rows against the declared contract."""

    max_quarantined_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Largest share of rows that may be quarantined."""


class VolumeRule(GateRule):
    """Enough rows, and enough of each outcome, to learn from."""

    min_rows: HigherInt = Field(default=500, ge=1)
    """Fewest training rows."""
    min_class_rows: HigherInt = Field(default=50, ge=1)
    """Fewest rows of the rarest class (classification)."""
    max_missing_target_share: LowerFloat = Field(default=0.05, ge=0, le=1)
    """Largest share of rows without a target."""


class LeakageRule(GateRule):
    """No single feature may predict too well, or be known only after the fact."""

    max_auc: LowerFloat = Field(default=0.9, gt=0.5, le=1)
    """Largest out-of-fold AUC of one feature alone (binary; macro one-against-rest for multiclass)."""
    max_r2: LowerFloat = Field(default=0.95, gt=0, le=1)
    """Largest out-of-fold share of variance explained by one feature alone (regression; raw values or ranks)."""
    max_share_after_event: LowerFloat = Field(default=0.0, ge=0, le=1)
    """Largest share of rows in which a date feature lies after the event time."""
    forbidden_columns: Annotated[tuple[str, ...], Stricter("more")] = ()
    """Columns, by name or pattern such as `recovered_*`, known only after the fact and never an input."""


class LabelBiasRule(GateRule):
    """Differences between protected groups in the labels themselves, before any model."""

    min_ratio: HigherFloat = Field(default=0.8, ge=0, le=1)
    """Smallest ratio of the lowest to the highest group's favourable-label rate (four-fifths convention)."""
    max_difference: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of favourable-label rates (for multiclass, of any class's share)."""
    max_standardised_difference: LowerFloat = Field(default=0.5, gt=0)
    """Largest difference of group means in standard deviations (regression)."""
    min_group_size: LowerInt = Field(default=100, ge=1)
    """Groups with fewer rows are not measured."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """A breach counts when its p-value is below this; a higher alpha refuses on weaker evidence."""


class ProxyRule(GateRule):
    """Features that stand in for a protected attribute."""

    max_auc: LowerFloat = Field(default=0.95, gt=0.5, le=1)
    """Largest AUC with which all features together predict a protected attribute."""
    max_single_auc: LowerFloat = Field(default=0.9, gt=0.5, le=1)
    """Largest AUC with which one feature alone predicts a protected attribute."""
    allow_protected_inputs: Annotated[bool, Stricter("false")] = False
    """Whether a protected attribute may itself be an input."""


class ParityRule(GateRule):
    """The same rows give the same features, and the same scores, in training and in scoring."""

    min_rows: HigherInt = Field(default=100, ge=1)
    """Fewest rows that must be compared, or all where there are fewer."""


class ArtifactRule(GateRule):
    """The stored model is what was signed, and safe to read."""

    max_megabytes: LowerFloat = Field(default=200.0, gt=0)
    """Largest artifact."""
    max_vulnerability: Annotated[
        Literal["critical", "high", "medium", "low", "none"],
        Stricter("ordered", ("critical", "high", "medium", "low", "none")),
    ] = "high"
    """Worst severity of a known vulnerability that is tolerated, where an advisory file is supplied; one that nobody
    has rated counts as the worst."""
    require_advisories: TrueStricter = False
    """Whether the packages must have been checked against an advisory file (`MLOPS_ADVISORIES`); without one the gate is
    then not measurable."""
    require_lock: TrueStricter = False
    """Whether every installed package that `requirements.lock` names must have the version named there; without that file
    the gate is then not measurable."""
    forbidden_licences: Annotated[tuple[str, ...], Stricter("more")] = ()
    """SPDX ids or patterns that no installed package may be bound to, such as `AGPL-*`; `unknown`: none is stated."""


class PerformanceRule(GateRule):
    """Performance against a floor, and against the champion on the same rows."""

    min_auc: HigherLimit = Field(default=0.6, ge=0, le=1)
    """Floor of the AUC (macro one-against-rest for multiclass); held against the lower confidence bound."""
    min_skill: HigherLimit = Field(default=0.02, le=1)
    """Floor of the skill against the trivial prediction (training mean or class shares): share of its squared error
    (regression) or log loss (multiclass) removed; held against the lower confidence bound."""
    champion_margin: LowerFloat = Field(default=0.01, ge=0)
    """Loss against the champion that still counts as no worse, in AUC (binary) or skill (others)."""
    against_champion: Annotated[
        Literal["ignore", "no_worse", "better"], Stricter("ordered", ("ignore", "no_worse", "better"))
    ] = "no_worse"
    """What a challenger must be, at the confidence of the paired interval."""


class SlicesRule(GateRule):
    """No segment may be served much worse than the whole."""

    max_gap: LowerFloat = Field(default=0.1, ge=0)
    """Largest loss of a slice against the whole (AUC or skill)."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """A breach counts when its p-value, adjusted for the number of slices, is below this."""
    min_rows: LowerInt = Field(default=200, ge=1)
    """Slices with fewer rows are not measured."""
    include_found: TrueStricter = False
    """Whether the worst slices that a search found count like declared ones."""


class CalibrationRule(GateRule):
    """Predicted probabilities (or values) are right on average and by grade."""

    max_ece: LowerFloat = Field(default=0.1, ge=0, le=1)
    """Largest expected calibration error (classification)."""
    max_bias: LowerFloat = Field(default=0.1, ge=0)
    """Largest absolute difference of mean prediction and mean outcome: in probability (classification) or in standard
    deviations of the target (regression)."""
    slope: Annotated[tuple[float, float] | None, Stricter("fixed")] = None
    """Interval within which the calibration slope must lie; nothing: reported only."""
    min_rows: HigherInt = Field(default=200, ge=1)
    """Fewer rows are not measured."""


class RobustnessRule(GateRule):
    """Small damage to the inputs does small damage to the predictions."""

    max_drop: LowerFloat = Field(default=0.05, ge=0)
    """Largest loss of AUC (macro one-against-rest for multiclass, concordance for regression) under any one probe."""
    max_flips: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest share of decisions that change under any one probe."""


class FairnessRule(GateRule):
    """Decisions over the groups of protected attributes."""

    min_ratio: HigherLimit = Field(default=0.8, ge=0, le=1)
    """Smallest ratio of favourable selection rates, lowest to highest group (four-fifths convention)."""
    max_difference: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of favourable selection rates (demographic parity difference)."""
    max_equalized_odds: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of true- or false-positive rates between groups, the larger of the two."""
    max_equal_opportunity: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest difference of true-positive rates between groups."""
    max_error_difference: LowerFloat = Field(default=0.5, ge=0)
    """Largest difference of group mean errors in standard deviations of the target (regression)."""
    max_accuracy_difference: LowerFloat = Field(default=0.2, ge=0, le=1)
    """Largest difference of group accuracies (multiclass)."""
    include_intersections: TrueStricter = False
    """Whether groups of two attributes together, such as sex and age, count like the attributes themselves."""
    min_group_size: LowerInt = Field(default=100, ge=1)
    """Groups with fewer rows are not measured."""
    min_group_positives: LowerInt = Field(default=10, ge=1)
    """Groups with fewer rows of an outcome are left out of the rates that are conditional on it."""
    alpha: HigherFloat = Field(default=0.05, gt=0, lt=1)
    """A breach counts when its p-value is below this; above it the group is too small to tell, and not measurable."""


class ReasonCodesRule(GateRule):
    """Each adverse decision comes with reasons that are true."""

    min_coverage: HigherFloat = Field(default=1.0, ge=0, le=1)
    """Share of adverse decisions with at least one reason."""
    max_codes: LowerInt = Field(default=4, ge=1)
    """Most reasons given for one decision."""
    min_faithful: HigherFloat = Field(default=0.95, ge=0, le=1)
    """Share of given reasons whose removal moves the score in the favourable direction."""


class CompletenessRule(GateRule):
    """The card answers what the requirement profiles ask."""

    min_share: HigherFloat = Field(default=1.0, ge=0, le=1)
    """Share of asked evidence that is present and not stale."""
    blocking_profiles: Annotated[tuple[str, ...], Stricter("more")] = ()
    """Profiles of which nothing may be missing, whatever the share over all."""


class StabilityRule(GateRule):
    """The training gives about the same model whatever the seed and the resample."""

    max_seed_spread: LowerFloat = Field(default=0.01, ge=0)
    """Largest standard deviation of performance (AUC or skill) over seeds, on the same rows."""
    max_resample_spread: LowerFloat = Field(default=0.05, ge=0)
    """Largest standard deviation of performance (AUC or skill) over bootstrap resamples of the rows."""
    max_churn: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest share of decisions that differ between two of the fits, over seeds and over resamples each."""
    min_repeats: HigherInt = Field(default=3, ge=2)
    """Fewest fits of each kind; fewer are not measured."""
    repeats: HigherInt = Field(default=4, ge=2)
    """Fits of each kind that are made."""
    rows: HigherInt = Field(default=2000, ge=100)
    """Most rows of each fit: fewer cost less and spread more."""


class CostRule(GateRule):
    """The model is affordable to run."""

    max_seconds_per_million: LowerLimit = Field(default=600.0, gt=0)
    """Longest scoring time for a million rows, in seconds."""
    max_memory_megabytes: LowerLimit = Field(default=None, gt=0)
    """Largest size of the model in memory."""
    max_disk_megabytes: LowerLimit = Field(default=None, gt=0)
    """Largest size of the model's files."""


class Gates(Part):
    """One rule a gate."""

    contract: ContractRule = Field(default_factory=ContractRule)
    volume: VolumeRule = Field(default_factory=VolumeRule)
    leakage: LeakageRule = Field(default_factory=LeakageRule)
    label_bias: LabelBiasRule = Field(default_factory=LabelBiasRule)
    proxy: ProxyRule = Field(default_factory=ProxyRule)
    parity: ParityRule = Field(default_factory=ParityRule)
    artifact: ArtifactRule = Field(default_factory=ArtifactRule)
    performance: PerformanceRule = Field(default_factory=PerformanceRule)
    slices: SlicesRule = Field(default_factory=SlicesRule)
    calibration: CalibrationRule = Field(default_factory=CalibrationRule)
    robustness: RobustnessRule = Field(default_factory=RobustnessRule)
    fairness: FairnessRule = Field(default_factory=FairnessRule)
    reason_codes: ReasonCodesRule = Field(default_factory=ReasonCodesRule)
    completeness: CompletenessRule = Field(default_factory=CompletenessRule)
    stability: StabilityRule = Field(default_factory=lambda: StabilityRule(required=False))
    cost: CostRule = Field(default_factory=lambda: CostRule(required=False))

    def rule(self, gate: str) -> GateRule:
        """Rule of the gate with this name.

        Raises:
            KeyError: no gate has this name; the message lists those that do.
        """
        if gate not in type(self).model_fields:
            raise KeyError(f"found gate {gate!r}, expected one of {', '.join(type(self).model_fields)}")
        return getattr(self, gate)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the required gates, in the order in which a version meets them."""
        return tuple(name for name in type(self).model_fields if self.rule(name).required)
