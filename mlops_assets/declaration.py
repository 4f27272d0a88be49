"""What a bank writes about a model, field by field.

A declaration is the `attributes:` of one `defs.yaml`. It is plain data: nothing here knows Dagster, opens a file or
imports anything heavy, so that a declaration can be read, checked and hashed anywhere.
"""

import hashlib
import json
import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
DEVELOPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+:-]{0,62}")
PERIOD_PATTERN = re.compile(r"^(\d+)\s*(day|week|month|quarter|year)s?$")

BUILT_IN_CANDIDATES = ("linear", "hist_gradient_boosting", "random_forest")


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Role(StrEnum):
    """How a feature's values are to be read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    ORDINAL = "ordinal"
    DATE = "date"


class Tier(StrEnum):
    """Risk tier: the policy of that name decides what is asked of the model."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Cadence(StrEnum):
    """Length of a monitoring window."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Part(BaseModel):
    """Base of every part of a declaration: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Period(Part):
    """A length of calendar time such as `36 months`."""

    count: int = Field(gt=0)
    unit: Cadence

    @classmethod
    def parse(cls, text: object) -> object:
        """Read `"36 months"`, `"1 year"`, `"90 days"`; anything else is left for the validator to refuse."""
        if not isinstance(text, str):
            return text
        match = PERIOD_PATTERN.match(text.strip())
        if match is None:
            raise ValueError(f"found {text!r}, expected a count and a unit, such as '36 months', '1 year' or '90 days'")
        return cls(count=int(match[1]), unit=Cadence(match[2]))

    def __str__(self) -> str:
        return f"{self.count} {self.unit.value}{'s' if self.count != 1 else ''}"


# The short spellings are part of the schema too: `dg check yaml` and editors read it.
PeriodText = Annotated[Period, BeforeValidator(Period.parse, json_schema_input_type=str | Period)]


def _expand_column(value: object) -> object:
    """`sex` is short for `{column: sex}`."""
    return {"column": value} if isinstance(value, str) else value


def _expand_algorithm(value: object) -> object:
    """`linear` is short for `{algorithm: linear}`."""
    return {"algorithm": value} if isinstance(value, str) else value


class Feature(Part):
    """One input of the model."""

    role: Role = Field(examples=["numeric"])
    """How the values are to be read."""
    description: str = Field(default="", examples=["Employees at the time of the application."])
    """What the column means, in the words of the business; shown in the card."""
    minimum: float | None = Field(default=None, examples=[0])
    """Smallest credible value (numeric, ordinal); rows below it are quarantined."""
    maximum: float | None = Field(default=None, examples=[1_000_000])
    """Largest credible value (numeric, ordinal); rows above it are quarantined."""
    allowed: tuple[str | int | float | bool, ...] | None = Field(default=None, examples=[["Y", "N"]])
    """The only values that may occur (categorical, ordinal: in rising order); rows with others are quarantined."""
    nullable: bool = Field(default=True)
    """Whether a missing value is credible."""
    adverse_phrase: str = Field(default="", examples=["Too few employees"])
    """What a customer is told when this feature counted against them; the description is used where it is empty."""

    @model_validator(mode="after")
    def _bounds_fit_role(self) -> Self:
        numeric = self.role in (Role.NUMERIC, Role.ORDINAL)
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError(
                f"minimum and maximum are for numeric and ordinal features, found role {self.role.value!r}"
            )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.role in (Role.NUMERIC, Role.DATE, Role.BOOLEAN) and self.allowed is not None:
            raise ValueError(f"allowed is for categorical and ordinal features, found role {self.role.value!r}")
        return self


def _expand_role(value: object) -> object:
    """`employees: numeric` is short for `employees: {role: numeric}`."""
    return {"role": value} if isinstance(value, str) else value


FeatureText = Annotated[Feature, BeforeValidator(_expand_role, json_schema_input_type=Role | Feature)]


class Source(Part):
    """Where the rows come from: exactly one of `path`, `sql` with `connection`, or `asset`."""

    path: str | None = Field(default=None, examples=["data/sba_loans.parquet"])
    """A Parquet file, CSV file or Delta table, a glob over files, or an fsspec URL; relative paths start at the
    project's root."""
    sql: str | None = Field(default=None, examples=["select * from loans"])
    """A query, run through SQLAlchemy on `connection`."""
    connection: str | None = Field(default=None, examples=["LOANS_DATABASE_URL"])
    """Name of the environment variable that holds the database's SQLAlchemy URL: no secret is written in a declaration."""
    asset: str | None = Field(default=None, examples=["warehouse/loans"])
    """Key of another Dagster asset, parts separated by `/`; `path` then says where that asset leaves its rows."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.sql is not None:
            if self.path is not None or self.connection is None:
                raise ValueError("sql needs `connection` (the name of an environment variable) and no `path`")
        elif self.path is None:
            raise ValueError("found neither `path` nor `sql`: say where the rows are")
        elif self.connection is not None:
            raise ValueError("connection goes with `sql`, found `path`")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """Asset key of the source in the lineage: models that read the same table share it."""
        if self.asset is not None:
            return tuple(self.asset.split("/"))
        if self.sql is not None:
            digest = hashlib.sha256(f"{self.connection}\n{self.sql}".encode()).hexdigest()[:8]
            return ("source", f"query_{digest}")
        stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(str(self.path).rstrip("/")).name.split(".")[0]).strip("_")
        return ("source", stem or "table")


class EventTime(Part):
    """When a row happened; decides its window."""

    column: str = Field(examples=["approval_date"])
    format: Literal["timestamp", "year"] = Field(default="timestamp", examples=["year"])
    """`timestamp` for dates, times or ISO text; `year` for a whole number such as 1994 (read as 1 January)."""


EventTimeText = Annotated[EventTime, BeforeValidator(_expand_column, json_schema_input_type=str | EventTime)]


class Target(Part):
    """What is predicted."""

    column: str = Field(examples=["default"])
    positive: str | int | float | bool = Field(default=1, examples=[1])
    """Binary only: the value that counts as the event."""
    favourable: Literal["positive", "negative"] = Field(default="negative", examples=["negative"])
    """Binary only: which prediction is good for the person; default on a loan is `negative`, a benefit is `positive`."""
    matures_after: PeriodText | None = Field(default=None, examples=["1 year"])
    """How long after the event the outcome is known; nothing: as soon as the window ends."""


TargetText = Annotated[Target, BeforeValidator(_expand_column, json_schema_input_type=str | Target)]


class Protected(Part):
    """A protected attribute: fairness is measured over its groups."""

    column: str = Field(examples=["sex"])
    labels: dict[str, str] = Field(default_factory=dict, examples=[{"1": "men", "2": "women"}])
    """Readable names of the values."""
    bins: tuple[float, ...] | None = Field(default=None, examples=[[30, 45, 60]])
    """Inner edges that make groups of a numeric attribute: `[30, 45]` gives under 30, 30 to 45 (excluded), 45 and over."""
    basis: str = Field(default="", examples=["ECOA 12 CFR 1002.2(z)"])
    """The rule that protects it; shown in the card."""


ProtectedText = Annotated[Protected, BeforeValidator(_expand_column, json_schema_input_type=str | Protected)]


class Slice(Part):
    """A segment that must not be served worse: the values of one column, or quantile bins of a numeric one."""

    column: str = Field(examples=["naics_sector"])
    bins: int | None = Field(default=None, ge=2, le=20, examples=[4])
    """Number of quantile bins of a numeric column."""


SliceText = Annotated[Slice, BeforeValidator(_expand_column, json_schema_input_type=str | Slice)]


class Candidate(Part):
    """An algorithm to try."""

    algorithm: str = Field(examples=["hist_gradient_boosting"])
    """One of linear, hist_gradient_boosting, random_forest, or `module:function` returning an unfitted estimator."""
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{"max_depth": 4}])
    """Handed to the estimator as they are."""
    trusted_types: tuple[str, ...] = Field(default=(), examples=[["my_bank.models.Scorecard"]])
    """Types beyond the project's allow-list that the artifact of a user's own algorithm may hold."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.algorithm not in BUILT_IN_CANDIDATES and not re.fullmatch(r"[\w.]+:\w+", self.algorithm):
            raise ValueError(
                f"found algorithm {self.algorithm!r}, expected one of {', '.join(BUILT_IN_CANDIDATES)}, "
                "or `module:function` of your own"
            )
        return self

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


class Monitoring(Part):
    """How production is watched."""

    cadence: Cadence = Field(default=Cadence.MONTH, examples=["quarter"])
    """Length of a window."""
    start: date | None = Field(default=None, examples=["2003-10-01"])
    """Start of the first window; default: where the first training ends."""
    end: date | None = Field(default=None, examples=["2010-10-01"])
    """End of the last window for a closed history; nothing for a live model."""


class Risk(Part):
    """Something that can go wrong, and what is done about it."""

    risk: str = Field(min_length=3, examples=["The base rate changes faster than outcomes mature."])
    """What can go wrong, and for whom."""
    mitigation: str = Field(min_length=3, examples=["Quarterly monitoring of scores; officers review every refusal."])
    """What is done about it."""


class CardText(Part):
    """What only people know about the model."""

    assumptions: tuple[str, ...] = ()
    """What is taken for granted when the model is used."""
    limitations: tuple[str, ...] = ()
    """Where the model is known to be weak."""
    simplifications: tuple[str, ...] = ()
    """Where the data forces something that would not be done in production."""
    out_of_scope: tuple[str, ...] = ()
    """Uses it was not made for."""
    ethical_considerations: tuple[str, ...] = ()
    """Whom it may harm, and what was weighed."""
    risks: tuple[Risk, ...] = ()
    """The risk register."""
    human_oversight: str = ""
    """Who looks at what the model says, and what they can overrule."""
    references: tuple[str, ...] = ()
    """Papers, reports and sources it rests on."""
    licence: str = ""
    """Of the data."""


class Declaration(Part):
    """One governed model, complete.

    Example:
        ```yaml
        type: mlops_assets.GovernedModel
        attributes:
          purpose: Probability that a guaranteed small-business loan is charged off.
          owner: team:credit-risk
          developers: [developer]
          tier: high
          task: binary
          source: {path: data/sba_loans.parquet}
          id: loan_id
          event_time: approval_date
          target: default
          features:
            employees: numeric
            state: categorical
          training: {until: 2003-10-01, window: 36 months}
          monitoring: {cadence: quarter}
        ```
    """

    name: str = Field(default="", pattern=f"(^$)|({NAME_PATTERN})", examples=["sba_loan_default"])
    """Name of the model; default: the folder of the declaration."""
    purpose: str = Field(min_length=10, examples=["Probability that a loan is charged off."])
    """What the model is for."""
    intended_use: str = Field(default="", examples=["Ranking of applications for manual review."])
    """The decisions it may be used in, and by whom."""
    owner: str = Field(min_length=1, examples=["team:credit-risk"])
    """Accountable owner: an e-mail address or `team:name`."""
    developers: tuple[str, ...] = Field(min_length=1, examples=[["developer"]])
    """Who built it: enrolled names; none of them may approve it."""
    tier: Tier = Field(examples=["high"])
    """Risk tier: high, medium or low."""
    task: Task = Field(examples=["binary"])
    """binary, multiclass or regression."""
    source: Source
    """Where the rows are."""
    id: str = Field(examples=["loan_id"])
    """Column that identifies a row; unique."""
    event_time: EventTimeText | None = Field(default=None, examples=["approval_date"])
    """When a row happened; nothing for one snapshot, which then has no windows and no monitoring."""
    target: TargetText = Field(examples=["default"])
    """What is predicted."""
    features: dict[str, FeatureText] = Field(min_length=1, examples=[{"employees": "numeric"}])
    """The model's inputs by column name, in whatever order; `employees: numeric` is short for `employees: {role: numeric}`."""
    protected: tuple[ProtectedText, ...] = Field(default=(), examples=[["sex"]])
    """Protected attributes; they are inputs only where they are also listed under features."""
    slices: tuple[SliceText, ...] = Field(default=(), examples=[["naics_sector"]])
    """Segments that are looked at one by one."""
    candidates: tuple[CandidateText, ...] = Field(
        default=tuple(Candidate(algorithm=name) for name in BUILT_IN_CANDIDATES), min_length=1
    )
    """Algorithms to try."""
    decision_threshold: float | None = Field(default=None, gt=0, lt=1, examples=[0.2])
    """Binary only: predicted positive from this score on; default: the share of positives in training."""
    training: Training = Field(default_factory=Training)
    """Which rows train the model and how candidates are compared."""
    monitoring: Monitoring = Field(default_factory=Monitoring)
    """How production is watched."""
    policy: dict[str, Any] = Field(default_factory=dict, examples=[{"gates": {"performance": {"min_auc": 0.7}}}])
    """Where this model is stricter than its tier's policy; laxer values are refused."""
    card: CardText = Field(default_factory=CardText)
    """What only people know about the model."""

    @field_validator("developers")
    @classmethod
    def _enrolled_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            # A name that looks like an enrolled one and is another would let its owner approve their own work.
            if not DEVELOPER.fullmatch(name.strip()):
                raise ValueError(
                    f"found {name!a}, expected names as people are enrolled: letters of ASCII, digits and _ . @ + : -"
                )
        return names

    @field_validator("features")
    @classmethod
    def _in_order(cls, features: dict[str, Feature]) -> dict[str, Feature]:
        # By name, so that what was declared, and not how it was arranged, decides the columns of the model: a record
        # of the declaration, whose keys are sorted, then trains the same model to the last bit.
        return dict(sorted(features.items()))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        reserved = {self.id: "id", self.target.column: "target"}
        if self.event_time is not None:
            reserved.setdefault(self.event_time.column, "event_time")
        for name in self.features:
            if name in reserved:
                raise ValueError(f"features: {name!r} is already the {reserved[name]} column and cannot be an input")
        if len(reserved) < 2 + (self.event_time is not None):
            raise ValueError(f"id, target and event_time must be three different columns, found {list(reserved)}")
        for kind, columns in (
            ("protected", [p.column for p in self.protected]),
            ("slices", [s.column for s in self.slices]),
        ):
            doubled = sorted({c for c in columns if columns.count(c) > 1})
            if doubled:
                raise ValueError(f"{kind}: {', '.join(doubled)} listed twice")
        if self.task is not Task.BINARY and self.decision_threshold is not None:
            raise ValueError(f"decision_threshold is for binary tasks, found task {self.task.value!r}")
        if self.event_time is None:
            for field in ("start", "end"):
                if getattr(self.monitoring, field) is not None:
                    raise ValueError(f"monitoring.{field} needs event_time: a snapshot without time has no windows")
            if self.training.until is not None or self.training.window is not None:
                raise ValueError("training.until and training.window need event_time")
        elif self.training.until is None:
            raise ValueError("training.until is missing: with event_time, say where the first training ends")
        return self

    @property
    def has_time(self) -> bool:
        """Whether rows have a time, and so the model has windows."""
        return self.event_time is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the declaration reads, in a fixed order, each once."""
        names = [self.id, *([self.event_time.column] if self.event_time else []), self.target.column]
        names += [*self.features, *(p.column for p in self.protected), *(s.column for s in self.slices)]
        return tuple(dict.fromkeys(names))

    def features_of(self, *roles: Role) -> tuple[str, ...]:
        """Names of the features that have one of `roles`, in declared order."""
        return tuple(name for name, feature in self.features.items() if feature.role in roles)

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the declaration: changes exactly when what was declared changes."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        """JSON with sorted keys and no white space; two declarations that say the same give the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
