"""What is recorded about monitoring windows: the last verdict and the last scoring of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from mlops_assets.ledger.events.windows import Severity, WindowEvidence


@dataclass(frozen=True)
class WindowVerdict:
    """A verdict on a window, without the details that only its record holds.

    Attributes:
        window: its start.
        window_end: first day after it.
        severity, kind: of the verdict.
        reasons: why, in sentences.
        causes: kind of each cause, the gravest first.
        columns: concerned.
        action: what the policy attaches to it.
        raw: severity by kind before persistence.
        alarm_rules: rules that raised it.
        version: that decided.
        policy_digest: of the policy.
        outcomes: digest of the outcomes it rests on, or None.
        p_value: of the window among the fleet's, or None.
        evidence: JSON text of what the window adds to the evidence over its version's windows, or None; read `accumulates`.
        arrived: number of the first verdict of this version on the window that rests on outcomes, or None.
        happened_at, recorded_at, seq: of the record.
    """

    window: str
    window_end: date
    severity: str
    kind: str
    reasons: tuple[str, ...]
    causes: tuple[str, ...]
    columns: tuple[str, ...]
    action: tuple[str, ...]
    raw: Mapping[str, Severity]
    alarm_rules: tuple[str, ...]
    version: str
    policy_digest: str
    outcomes: str | None
    p_value: float | None
    happened_at: datetime
    recorded_at: datetime
    seq: int
    evidence: str | None = None
    arrived: int | None = None

    @cached_property
    def accumulates(self) -> WindowEvidence | None:
        """What the window adds to the evidence over its version's windows, or None.

        It has a number or two for each column, which the next verdict on the model needs and a look at the fleet does not:
        kept as text, it is read, and checked, only by whoever asks.
        """
        return WindowEvidence.model_validate_json(self.evidence) if self.evidence is not None else None


@dataclass(frozen=True)
class Scored:
    """The last scoring of a window.

    Attributes:
        window: its start.
        version: that decided.
        challenger: beside it, or None.
        canary_share: share that the challenger decided.
        rows, quarantined: numbers of rows.
        seq: of the record.
        recorded_at: when.
        ids: fingerprint of the identifiers that the source had in the window; "" where none was recorded.
        problems: files of the source that could not be read.
    """

    window: str
    version: int
    challenger: int | None
    canary_share: float
    rows: int
    quarantined: int
    seq: int
    recorded_at: datetime
    ids: str = ""
    problems: tuple[str, ...] = ()
