"""The declaration of one model: the `attributes:` of a `defs.yaml`.

It is plain data: nothing in this package knows Dagster, opens a file or imports anything heavy, so that a declaration can
be read, checked and hashed anywhere.
"""

import hashlib
import json
import re
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from mlops_assets.declaration.columns import (
    EventTimeText,
    Feature,
    FeatureText,
    ProtectedText,
    SliceText,
    TargetText,
)
from mlops_assets.declaration.external import External
from mlops_assets.declaration.imported import Imported
from mlops_assets.declaration.monitoring import Monitoring
from mlops_assets.declaration.outcomes import Outcomes
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.supplied import Supplied
from mlops_assets.declaration.terms import RESERVED_PREFIX, Origin, Part, Role, Task, Tier
from mlops_assets.declaration.texts import CardText
from mlops_assets.declaration.training import BUILT_IN_CANDIDATES, Candidate, CandidateText, Training
from mlops_assets.plain_text import refuse_hidden

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
DEVELOPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+:-]{0,62}")


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
    runbook: str | None = Field(
        default=None, pattern=r"^https?://[^\s]+$", examples=["https://wiki.bank.example/models/loans"]
    )
    """Address of the model's own runbook: its incidents and notices link to it instead of the runbook for their kind."""
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
    features: dict[str, FeatureText] = Field(default_factory=dict, examples=[{"employees": "numeric"}])
    """The model's inputs by column name, in whatever order; `employees: numeric` is short for `employees: {role: numeric}`.
    A model of `origin: external` may have none, where its supplier does not say what it reads."""
    origin: Origin = Field(default=Origin.TRAINED, examples=["external"])
    """trained (here); imported: others have trained it, and its file is scored here; or external: a vendor or another team
    scores, and the predictions arrive with the rows."""
    external: External | None = None
    """With `origin: external`: where the predictions are, and who supplies them."""
    imported: Imported | None = None
    """With `origin: imported`: where the model's file is, which file it must be, and who supplies it."""
    outcomes: Outcomes | None = None
    """Where outcomes are, when they come from another source than the inputs."""
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
    requirements: tuple[str, ...] = Field(default=(), examples=[["ecoa_reg_b"]])
    """Requirement profiles on decisions about credit that this model falls under; the other profiles apply by themselves."""
    card: CardText = Field(default_factory=CardText)
    """What only people know about the model."""

    @model_validator(mode="before")
    @classmethod
    def _text_shows_what_it_says(cls, content: Any) -> Any:
        refuse_hidden(content, "declaration")
        return content

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
    def _columns_differ(self) -> Self:
        for name in self.columns:
            if name.casefold().startswith(RESERVED_PREFIX):
                raise ValueError(
                    f"column {name!r} begins with {RESERVED_PREFIX!r}, which is reserved for columns that are added to "
                    "your tables; rename it in the source, for example in a query"
                )
        taken = {self.id: "id", self.target.column: "target"}
        for name in self.external.columns if self.external else ():
            if name in (self.id, self.target.column) or (self.event_time and name == self.event_time.column):
                raise ValueError(
                    f"external: {name!r} is the id, event_time or target column and cannot be a prediction"
                )
            if name in self.features:
                raise ValueError(f"external: {name!r} is a prediction and cannot be an input as well")
        if self.event_time is not None:
            taken.setdefault(self.event_time.column, "event_time")
        for name in self.features:
            if name in taken:
                raise ValueError(f"features: {name!r} is already the {taken[name]} column and cannot be an input")
        if len(taken) < 2 + (self.event_time is not None):
            raise ValueError(f"id, target and event_time must be three different columns, found {list(taken)}")
        for kind, columns in (
            ("protected", [p.column for p in self.protected]),
            ("slices", [s.column for s in self.slices]),
        ):
            repeated = sorted({c for c in columns if columns.count(c) > 1})
            if repeated:
                raise ValueError(f"{kind}: {', '.join(repeated)} listed twice")
        return self

    @model_validator(mode="after")
    def _fits_origin(self) -> Self:
        external = self.origin is Origin.EXTERNAL
        for part, origin, what in (
            ("external", Origin.EXTERNAL, "in which column the score is, and whose it is"),
            ("imported", Origin.IMPORTED, "where the model's file is, and whose it is"),
        ):
            if self.origin is origin and getattr(self, part) is None:
                raise ValueError(f"{part} is missing: with origin {part}, say {what}")
            if self.origin is not origin and getattr(self, part) is not None:
                raise ValueError(f"{part} goes with origin: {part}")
        if self.outcomes is not None and self.outcomes.event_day is not None and self.event_time is None:
            raise ValueError("outcomes.event_day needs event_time: a snapshot without time has no day to agree with")
        if not self.trained_here and self.task is Task.MULTICLASS:
            raise ValueError(
                f"origin {self.origin.value} is for binary and regression tasks, found task 'multiclass'; declare a model for each "
                "outcome that is decided on, as binary"
            )
        if not self.trained_here and self.candidates != type(self).model_fields["candidates"].default:
            raise ValueError(
                f"candidates are for models that are trained here; leave them out with origin {self.origin.value}"
            )
        if not external and not self.features:
            raise ValueError("features is empty: expected at least one input")
        self._fits_imported()
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Most models are trained here: their digests do not depend on what other origins need.
        content = handler(self)
        for name in ("outcomes", "external", "imported"):
            if getattr(self, name) is None:
                content.pop(name, None)
        if self.trained_here:
            content.pop("origin", None)
        return content

    @model_validator(mode="after")
    def _settings_fit_task_and_time(self) -> Self:
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

    def _fits_imported(self) -> None:
        imported = self.imported
        if imported is None:
            return
        if imported.inputs and sorted(imported.inputs) != sorted(self.features):
            raise ValueError(
                f"imported.inputs: found {list(imported.inputs)}, expected each feature once: {list(self.features)}"
            )
        if imported.trained_until is None:
            return
        if self.event_time is None:
            raise ValueError("imported.trained_until needs event_time: the rows of a snapshot without time have no day")
        if self.training.until is not None and imported.trained_until >= self.training.until:
            raise ValueError(
                f"imported.trained_until is {imported.trained_until} and training.until is {self.training.until}: expected rows "
                "between them, on which the model is evaluated"
            )

    @property
    def trained_here(self) -> bool:
        """Whether the model is fitted here, and so can be fitted again."""
        return self.origin is Origin.TRAINED

    @property
    def supplied(self) -> Supplied | None:
        """What is known of the supplier of a model that is not trained here."""
        return self.external or self.imported

    @property
    def has_time(self) -> bool:
        """Whether rows have a time, and so the model has windows."""
        return self.event_time is not None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its rows are: the source, and that of the outcomes where it is another one."""
        return (self.source,) if self.outcomes is None else (self.source, self.outcomes.source)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the declaration reads, in a fixed order, each once."""
        names = [self.id, *([self.event_time.column] if self.event_time else []), self.target.column]
        names += [*self.features, *(p.column for p in self.protected), *(s.column for s in self.slices)]
        names += self.external.columns if self.external else ()
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
