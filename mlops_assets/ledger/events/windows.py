"""Events of a monitoring window: due, scored, judged; and how good an estimate of performance was. Written by stages.

The record's subject is the window's start, `YYYY-MM-DD`.
"""

from datetime import date
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, Event

Severity = Literal["none", "watch", "act", "critical", "not_measurable"]
ChangeKind = Literal["none", "data_quality", "covariate_shift", "label_shift", "concept_drift"]


class WindowDue(Event):
    """A window ended by the calendar, whether or not rows have arrived.

    Attributes:
        ended: first day after the window.
    """

    KIND: ClassVar[str] = "window_due"

    ended: date


class WindowScored(Event):
    """The rows of a window were scored.

    Attributes:
        version: that decides.
        challenger: version that scored beside it, or None.
        canary_share: share of rows that the challenger decided; 0 in shadow.
        challenger_rows: number of rows that the challenger decided; None in records from before it was counted.
        challenger_failed: number of rows that the challenger could not score.
        challenger_time: time that the challenger took for a row, as a multiple of the champion's for the same rows; None where
            it was not measured.
        rows: number of scored rows.
        quarantined: number of rows refused.
        copies: number of rows that repeat another one in every column, and were left out.
        ids: fingerprint of the identifiers that the source had in the window.
        problems: files of the source that could not be read.
        reading: how the source was read: guesses, and files that differ or were left out.
        outside_restrictions: rows refused because a validation restricts the use.
        flagged: rows scored and marked as outside the approved population.
        paused: by number of the record that paused a segment, rows about which nothing was decided.
        reasons: refused rows by reason.
        content_digest: of the inputs alone, to recognise a batch that was delivered twice.
        sent_twice: rows whose inputs occur more than once.
        predictions_digest: of the predictions, reasons included.
        predictions_root: of the tree over the predictions, or None in older records.
        predictions_version: Delta version of the predictions.
        rows_version: Delta version of the scored rows.
        rows_digest: of the scored rows.
        rows_root: of the tree over the scored rows, or None in older records.
        source_digest: of the source as it was.
        given_versions: of a model that others run, rows by the supplier's version.
        rescoring_of: number of the record of the window's first scoring, whose predictions stay on record; None for the first.
    """

    KIND: ClassVar[str] = "window_scored"

    version: int
    challenger: int | None = None
    canary_share: float | None = None
    challenger_rows: int | None = None
    challenger_failed: int = 0
    challenger_time: float | None = None
    rows: int
    quarantined: int = 0
    copies: int = 0
    ids: str = ""
    problems: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    outside_restrictions: int = 0
    flagged: int = 0
    paused: dict[str, int] = Field(default_factory=dict)
    reasons: dict[str, int] = Field(default_factory=dict)
    content_digest: Digest | None = None
    sent_twice: Any = None
    predictions_digest: Digest | None = None
    predictions_root: Digest | None = None
    predictions_version: int | None = None
    rows_version: int | None = None
    rows_digest: Digest | None = None
    rows_root: Digest | None = None
    source_digest: str | None = None
    given_versions: dict[str, int] = Field(default_factory=dict)
    rescoring_of: int | None = None


class CauseFound(BaseModel):
    """One cause that a verdict names.

    Attributes:
        kind: kind of change.
        severity: of this cause.
        evidence: what shows it, in a sentence.
        columns: concerned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    severity: str
    evidence: str
    columns: tuple[str, ...] = ()


class MeanChange(BaseModel):
    """A mean of one window against the reference, as evidence that adds up over windows.

    Attributes:
        change: in units of the policy's thresholds.
        variance: of it, the reference held fixed.
        shared: variance of what all windows of the version share: the reference's error, and one period's difference.
        between: the part of it that is a period's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: float
    variance: float
    shared: float
    between: float = 0.0


class Distance(BaseModel):
    """A distance of one window from the reference, as evidence that adds up over windows.

    Attributes:
        log_e: logarithm of the e-value that the distance is above the tolerated one.
        size: of the change, in units of the policy's thresholds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_e: float
    size: float


class WindowEvidence(BaseModel):
    """What a window adds to the evidence over all windows of a version; parts are None where they were not measured.

    Attributes:
        ranking: loss of quality.
        calibration: mean outcome against mean score; positive where outcomes are more than predicted.
        relation: of outcomes to scores, beyond a common shift.
        inputs: by column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranking: MeanChange | None = None
    calibration: MeanChange | None = None
    relation: Distance | None = None
    inputs: dict[str, Distance] = Field(default_factory=dict)

    @property
    def of_outcomes(self) -> bool:
        """Whether outcomes are part of it."""
        return not (self.ranking is None and self.calibration is None and self.relation is None)


class HealthVerdict(Event):
    """The verdict on a window.

    Attributes:
        window_end: first day after the window.
        severity: of the window.
        kind: of the first cause.
        reasons: why, in sentences.
        causes: every cause, the gravest first.
        columns: concerned.
        action: what the policy attaches to it.
        raw: severity by kind before persistence was applied.
        unknown: what could not be measured yet.
        alarm_rules: rules that raised it.
        drivers: features behind the changed scores.
        escalated: whether somebody must act.
        version: that decided.
        policy_digest: of the policy it was judged under.
        outcomes: digest of the outcomes it rests on.
        evidence: name to SHA-256 of the results it rests on.
        accumulates: what the window adds to the evidence over the windows of its version; None in older records.
        fleet: how the window's p-value stands among those of the fleet.
        supersedes: number of the verdict on the same window before this one, or None.
    """

    KIND: ClassVar[str] = "health_verdict"

    window_end: date
    severity: Severity
    kind: ChangeKind
    reasons: tuple[str, ...]
    causes: tuple[CauseFound, ...] = ()
    columns: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    raw: dict[str, Severity] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    alarm_rules: tuple[str, ...] = ()
    drivers: Any = None
    escalated: bool = False
    version: str
    policy_digest: Digest
    outcomes: str | None = None
    evidence: dict[str, Digest] = Field(default_factory=dict)
    accumulates: WindowEvidence | None = None
    fleet: dict[str, Any] | None = None
    supersedes: int | None = None


class LadderCheck(BaseModel):
    """One test of a challenger on the rows of a window.

    Attributes:
        name: such as `performance` or `agreement`; `ab` is the window's part of an A/B test.
        outcome: passed, failed or not_measurable.
        reason: in a sentence.
        value, low, high: what was measured, with its interval, or None.
        limit: what it is held to, or None.
        error: standard error of `value`, or None.
        rows: rows that it rests on, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    outcome: Literal["passed", "failed", "not_measurable"]
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    error: float | None = None
    rows: int | None = None


class LadderTested(Event):
    """A challenger was tested on the rows of a window that it scored beside the champion. The record's subject is its version.

    Attributes:
        window: start of the window.
        champion: version that it was compared with.
        canary_share: share of the rows that it decided; 0 in shadow.
        outcome: failed where one test failed; not_measurable where none could be made; else passed.
        tests: each test.
        policy_digest: of the policy that sets the limits.
    """

    KIND: ClassVar[str] = "ladder_tested"

    window: date
    champion: int
    canary_share: float
    outcome: Literal["passed", "failed", "not_measurable"]
    tests: tuple[LadderCheck, ...]
    policy_digest: Digest


class EstimateChecked(Event):
    """An estimate of performance was compared with what outcomes showed later.

    Attributes:
        version: that decided.
        abstained: whether no estimate had been made.
        reason: why not, or empty.
        matured_share: share of rows with a matured outcome.
        checked: each metric: estimate, interval, measurement.
    """

    KIND: ClassVar[str] = "estimate_checked"

    version: str
    abstained: bool
    reason: str
    matured_share: float | None
    checked: tuple[dict[str, Any], ...]
