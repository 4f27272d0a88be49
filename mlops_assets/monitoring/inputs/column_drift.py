"""What is found out about one column of a window. How it is found is in `drift.py`."""

from dataclasses import dataclass

from mlops_assets.monitoring.severity import Severity


@dataclass(frozen=True)
class ColumnDrift:
    """One column's verdict.

    Attributes:
        name: of the column.
        kind: numeric or categorical.
        statistic: what `value` is: `psi`.
        value: PSI.
        effect: PSI less what noise alone would give; what the thresholds are held against.
        variation: PSI that periods of the reference have among themselves, which is part of that noise.
        p_value: that the distribution is the same, adjusted over the columns (Benjamini-Hochberg).
        raw_p_value: before that.
        severity: of this column.
        reason: in words.
        fault: the sign of a broken feed, or empty.
        ks, jensen_shannon, wasserstein: further distances (numeric: KS and Wasserstein), for the reader.
        null_share, reference_null_share: shares of missing values.
        new_share: share of rows with values never seen.
        importance: share of all importance, None where it is not known.
        partner: the other column of a swap.
        fault_strength: how far a fault is likelier than an honest change, 0 to 1; 0 without a fault.
        group: the category that has become at least one and a half times as frequent, or empty.
        group_factor: how many times as frequent it is.
        implied_base_rate, reference_base_rate: of a probability score: the mean outcome its window would mean if only
            the base rate had changed, and the reference's.
    """

    name: str
    kind: str
    statistic: str
    value: float | None
    effect: float | None
    p_value: float | None
    raw_p_value: float | None
    severity: Severity
    reason: str
    fault: str = ""
    variation: float = 0.0
    ks: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None
    null_share: float = 0.0
    reference_null_share: float = 0.0
    new_share: float = 0.0
    importance: float | None = None
    partner: str = ""
    fault_strength: float = 0.0
    group: str = ""
    group_factor: float = 0.0
    implied_base_rate: float | None = None
    reference_base_rate: float | None = None
