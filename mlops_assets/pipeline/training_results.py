"""What the stages of a training hand to each other and to monitoring, one class each.

Belongs here: names, fields and JSON of the evidence that a version's MLflow run carries. Not here: where it is stored
(`stores/results.py`), or how it is measured.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mlops_assets.monitoring.inputs.attribution import Importances
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.results import Kind


@dataclass(frozen=True)
class Candidates:
    """A finished training.

    Attributes:
        training_key: what makes two trainings the same.
        chosen: label of the candidate that was chosen.
        highest: label of the one with the highest score.
        reason: why it was chosen.
        table: candidates with their scores, as shown to a reviewer.
        candidates: everything measured of each.
        failed: algorithm, label and reason of candidates that could not be built, fitted, measured or stored.
        environment: in which it was trained.
        code_version: by which it was trained.
        data_digest: of the snapshot.
        probe: digests of features and scores of the same rows, taken from the object that training held before it was stored.
        seed: of the training.
        model_uri: of the stored model; what is registered must be what was trained here, not what a tag of the run says.
        artifact_digest: of the stored model.
    """

    training_key: str
    chosen: str
    highest: str
    reason: str
    table: list[dict[str, Any]]
    candidates: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    environment: Mapping[str, Any]
    code_version: str
    data_digest: str
    probe: Mapping[str, Any]
    seed: int
    model_uri: str
    artifact_digest: str


@dataclass(frozen=True)
class Evaluation:
    """A version on rows it was not fitted on; each field is the JSON of one measurement.

    Attributes:
        performance: metrics with intervals.
        comparison: against the champion on the same rows; empty where there is none.
        slices: declared and found.
        calibration: by grade.
        robustness: under changed inputs.
        stability: of repeated trainings.
        cost: of running it.
    """

    performance: Mapping[str, Any]
    comparison: Mapping[str, Any]
    slices: Mapping[str, Any]
    calibration: Mapping[str, Any]
    robustness: Mapping[str, Any]
    stability: Mapping[str, Any]
    cost: Mapping[str, Any]


@dataclass(frozen=True)
class Explanations:
    """What drives the scores of a version.

    Attributes:
        importance: of the features, largest first.
        reason_codes: of adverse decisions, and how faithful they are.
    """

    importance: Mapping[str, Any]
    reason_codes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Share of all importance by feature."""
        return {one["feature"]: one["share"] for one in self.importance["features"]}


def _as_it_is(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    return stored


CANDIDATES = Kind("candidates", asdict, lambda stored: Candidates(**stored))
EVALUATION = Kind("evaluation", asdict, lambda stored: Evaluation(**stored))
FAIRNESS: Kind[Mapping[str, Any]] = Kind("fairness", _as_it_is, _as_it_is)
"""Decisions over the groups of protected attributes, as the fairness gate and the card read them."""
COST: Kind[Mapping[str, Any]] = Kind("cost", _as_it_is, _as_it_is)
EXPLANATIONS = Kind("explanations", asdict, lambda stored: Explanations(**stored))
REFERENCE_PROFILE = Kind("reference_profile", Profile.to_dict, Profile.from_dict)
REFERENCE_PERFORMANCE = Kind("reference_performance", ReferencePerformance.to_dict, ReferencePerformance.from_dict)
REFERENCE_ATTRIBUTION = Kind("reference_attribution", Importances.to_dict, Importances.from_dict)
