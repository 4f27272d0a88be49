"""One thing that is true of a window, and quality that was lost by it; found and ranked in `triage.py`."""

from dataclasses import dataclass

from mlops_assets.monitoring.severity import Kind, Severity


@dataclass(frozen=True)
class Cause:
    """One thing that is true of the window.

    Attributes:
        kind: of the change.
        severity: before persistence.
        evidence: in words, with numbers.
        columns: concerned, the most important first.
        weight: what the ranking goes by among causes of one severity: the importance of the columns concerned, or the
            size of the change in units of the threshold for acting.
        estimated: rests on an estimate, not on outcomes.
        certain: a broken feed that no honest change looks like; it ranks before everything that may follow from it.
    """

    kind: Kind
    severity: Severity
    evidence: str
    columns: tuple[str, ...] = ()
    weight: float = 0.0
    estimated: bool = False
    certain: bool = False


@dataclass(frozen=True)
class Loss:
    """Quality below the reference's, by more than chance.

    Attributes:
        severity: of its size.
        text: in words, with numbers.
        weight: its size in units of the threshold for acting.
    """

    severity: Severity
    text: str
    weight: float
