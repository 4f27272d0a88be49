"""How candidates are trained: which algorithms, on which rows, with which seed."""

import re
import sys
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from mlops_assets.declaration.period import PeriodText
from mlops_assets.declaration.terms import Part
from mlops_assets.registration import checked_settings, names_of, target_of

ESTIMATOR_LIBRARIES = (
    "catboost", "category_encoders", "fairlearn", "imblearn", "interpret", "lightgbm", "numpy", "optbinning", "scipy",
    "sklearn", "skops", "statsmodels", "xgboost",
)  # fmt: skip
"""Packages whose classes a model may hold when its declaration lists them."""
BUILT_IN_CANDIDATES = ("linear", "hist_gradient_boosting", "random_forest")


def _expand_algorithm(value: object) -> object:
    """`linear` is short for `{algorithm: linear}`."""
    return {"algorithm": value} if isinstance(value, str) else value


class Candidate(Part):
    """An algorithm to try."""

    algorithm: str = Field(examples=["hist_gradient_boosting"])
    """One of linear, hist_gradient_boosting, random_forest, the name of a registered candidate of the bank's own
    (`mlops extensions --kind candidates`), or `module:function` returning an unfitted estimator."""
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{"max_depth": 4}])
    """Handed to the estimator as they are."""
    trusted_types: tuple[str, ...] = Field(default=(), examples=[["my_bank.models.Scorecard"]])
    """Classes beyond the project's allow-list that the artifact of a user's own algorithm may hold: of an estimator
    library, or of the package that the algorithm is in. Functions, modules and the standard library are refused."""

    @model_validator(mode="after")
    def _classes_of_known_packages(self) -> Self:
        target = target_of("candidates", self.algorithm) or self.algorithm
        own = target.split(":")[0].split(".")[0] if ":" in target and not target.startswith("mlops_assets.") else ""
        allowed = (*ESTIMATOR_LIBRARIES, *((own,) if own else ()))
        for name in self.trusted_types:
            package = name.split(".")[0]
            if not re.fullmatch(r"\w+(\.\w+)+", name) or package in sys.stdlib_module_names or package not in allowed:
                raise ValueError(
                    f"found trusted type {name!r}, expected module and class of an estimator library "
                    f"({', '.join(ESTIMATOR_LIBRARIES)}) or of the algorithm's own package"
                    + (f" ({own})" if own else "")
                    + "; anything else could run code when the model is read"
                )
        return self

    @field_validator("algorithm")
    @classmethod
    def _known(cls, algorithm: str) -> str:
        if algorithm not in names_of("candidates") and not re.fullmatch(r"[\w.]+:\w+", algorithm):
            raise ValueError(
                f"found algorithm {algorithm!r}, expected one of {', '.join(names_of('candidates'))}, "
                "or `module:function` of your own"
            )
        return algorithm

    @field_validator("parameters")
    @classmethod
    def _as_the_candidate_takes_them(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        algorithm = info.data.get("algorithm")
        if parameters and algorithm in names_of("candidates"):
            checked_settings("candidates", str(algorithm), parameters)
        return parameters

    @property
    def label(self) -> str:
        """Short name, used in run names and tables."""
        return self.algorithm.rsplit(":", 1)[-1]


CandidateText = Annotated[Candidate, BeforeValidator(_expand_algorithm, json_schema_input_type=str | Candidate)]


class Training(Part):
    """Which rows train the model and how candidates are compared."""

    window: PeriodText | None = Field(default=None, examples=["36 months"])
    """How far back training reaches; nothing: all rows before `until`."""
    until: date | None = Field(default=None, examples=["2003-10-01"])
    """First training ends before this day; later trainings end where their retraining request says."""
    holdout: float = Field(default=0.25, gt=0.05, lt=0.6, examples=[0.25])
    """Share of the training rows kept from fitting, for evaluation and reference: the latest where there is time."""
    folds: int = Field(default=3, ge=2, le=10, examples=[3])
    """Folds of the cross-validation that compares candidates."""
    metric: str | None = Field(default=None, examples=["roc_auc"])
    """Metric that ranks candidates; default roc_auc, log_loss (multiclass) or rmse (regression)."""
    seed: int = Field(default=20261121, examples=[7])
    """Seed of everything random in the training."""
    max_rows: int | None = Field(default=None, gt=0, examples=[200_000])
    """Fit on a seeded sample of at most this many rows."""
