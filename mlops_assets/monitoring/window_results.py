"""What the stages of a window hand to each other: `outcomes`, `drift` and `performance`, one class each.

Belongs here: the fields of each result and their JSON. Not here: how a result is measured, or where it is stored
(`stores/results.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mlops_assets.evaluation.performance import plain
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.reliability import Checked, Reliability
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.stores.results import Kind

DRAWING = ("evidently", ".html")
"""Name and suffix of Evidently's page among the results of a window; there is one where somebody asked for it."""


@dataclass(frozen=True)
class OutcomesResult:
    """The outcomes that were recorded for a window.

    Attributes:
        content: digest of the outcomes as the source has them; by it a verdict is known to be out of date.
        delta_version: of the table that holds them; None where the source has no outcomes yet.
        digest: of the rows of that table; None where there are none.
        root: of the tree over them.
        reports: of a source of outcomes of its own, how many of its reports are in which place, and why some are in quarantine.
    """

    content: str
    delta_version: int | None = None
    digest: str | None = None
    root: str | None = None
    reports: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftResult:
    """Inputs and scores of a window against the reference.

    Attributes:
        verdict: on columns and window.
        version: whose reference was compared with.
        attribution: what drives the scores, against the reference: `features`, `reason`, and `changed` and `moved` where it
            was compared.
    """

    verdict: DriftVerdict
    version: int
    attribution: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The verdict's fields with version and attribution beside them."""
        return plain({**self.verdict.to_dict(), "version": self.version, "attribution": dict(self.attribution)})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "DriftResult":
        """Read back what `to_dict` wrote."""
        return cls(DriftVerdict.from_dict(stored), int(stored["version"]), stored["attribution"])


@dataclass(frozen=True)
class PerformanceResult:
    """A window on its matured outcomes.

    Attributes:
        performance: measured on the rows that `version` decided.
        version: whose reference was compared with.
        segment: where a changed relation is confined to; None where it is not.
        estimate: made without outcomes, where too few had matured; its JSON.
        checks: the estimate against what was measured.
        estimate_record: what the model's estimates for earlier windows turned out to be worth; its JSON.
        outcomes: counts of predictions and outcomes joined.
        canary: the rows that a canary decided, measured against the canary's own reference; None where none did.
    """

    performance: WindowPerformance
    version: int
    segment: Segment | None
    estimate: Mapping[str, Any] | None
    checks: tuple[Checked, ...]
    estimate_record: Mapping[str, Any]
    outcomes: Mapping[str, Any]
    canary: WindowPerformance | None = None
    canary_version: int | None = None

    @classmethod
    def of(
        cls,
        performance: WindowPerformance,
        version: int,
        estimate: PerformanceEstimate,
        record: Reliability,
        outcomes: Mapping[str, Any],
        **others: Any,
    ) -> "PerformanceResult":
        """The result with the parts that are kept as JSON; the estimate is kept where nothing was measured."""
        kept = None if performance.measurable else estimate.to_dict()
        return cls(performance, version, estimate=kept, estimate_record=record.to_dict(), outcomes=outcomes, **others)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return plain(
            {
                "performance": self.performance.to_dict(),
                "segment": asdict(self.segment) if self.segment else None,
                "estimate": self.estimate,
                "estimate_check": [asdict(one) for one in self.checks],
                "estimate_record": self.estimate_record,
                "outcomes": self.outcomes,
                "version": self.version,
                "canary": self.canary.to_dict() if self.canary else None,
                "canary_version": self.canary_version,
            }
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "PerformanceResult":
        """Read back what `to_dict` wrote."""
        return cls(
            performance=WindowPerformance.from_dict(stored["performance"]),
            version=int(stored["version"]),
            segment=Segment(**stored["segment"]) if stored["segment"] else None,
            estimate=stored["estimate"],
            checks=tuple(Checked(**one) for one in stored["estimate_check"]),
            estimate_record=stored["estimate_record"],
            outcomes=stored["outcomes"],
            canary=WindowPerformance.from_dict(stored["canary"]) if stored["canary"] else None,
            canary_version=stored["canary_version"],
        )


OUTCOMES = Kind("outcomes", asdict, lambda stored: OutcomesResult(**stored))
DRIFT = Kind("drift", DriftResult.to_dict, DriftResult.from_dict)
PERFORMANCE = Kind("performance", PerformanceResult.to_dict, PerformanceResult.from_dict)
