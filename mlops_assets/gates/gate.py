"""What a gate is: a question, a rule from the policy, typed evidence, and a function that decides.

A gate is one file beside this one, or in a bank's own project: `<Gate>Rule` (thresholds a policy sets), `<Gate>Evidence`
(what was measured), `decide(evidence, rule) -> Finding`, and `GATE`, which names the stage that it decides on. Here is what
all gates share. Does not belong here: which gates there are (`registry.py`), the measurements of this package
(`datasets/`, `evaluation/`), keeping decisions and acting on them (`governance/`, `release/`).
"""

# A gate of somebody else's may hand over what its types do not allow: that is checked.
# pyright: reportUnnecessaryIsInstance=false

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, cast, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import digest, plain
from mlops_assets.registration import Extension
from mlops_assets.strictness import Part, TrueStricter, unmarked

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

GateOutcome = Literal["passed", "failed", "not_measurable", "not_applicable"]
GateStage = Literal["training_data", "challenger", "evaluation", "fairness", "explanations", "model_card"]
"""Stages that gates decide on."""


class EvidenceError(MlopsAssetsError, ValueError):
    """Evidence that a gate cannot read: a value is missing, or of another kind."""


class GateRule(Part):
    """What is common to the rules of all gates."""

    required: TrueStricter = True
    """Whether a version needs this gate to become champion; otherwise its decision is recorded and shown only."""
    not_measurable_blocks: TrueStricter = True
    """Whether a required gate that could not be measured (too few rows, not decidable) blocks."""


class RuleOnDeclared(GateRule):
    """Of gates about something that a model may not have: protected attributes, slices, adverse decisions."""

    absence_blocks: TrueStricter = False
    """Whether the gate, where it is required, blocks a model that has nothing for it to measure."""


@dataclass(frozen=True)
class Evidence:
    """Base of every gate's evidence: a frozen dataclass that can be written as JSON and read back."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", allow_inf_nan=False)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what a measurement or a ledger record holds; names that the gate does not use are left out.

        Raises:
            EvidenceError: a value is missing or of another kind; every such value is named.
        """
        try:
            return _adapter(cls).validate_python(stored)
        except ValidationError as error:
            raise EvidenceError("; ".join(_problem(one) for one in error.errors())) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, from which `from_dict` makes an equal object."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of files that the evidence names, by name; their digests are kept beside the evidence's own."""
        return {}


@dataclass(frozen=True)
class Finding:
    """What a gate's `decide` answers.

    Attributes:
        outcome: `not_measurable` is never a pass; `not_applicable` is for models that run elsewhere (`Gate.without`).
        rule: the rule in words, such as `roc_auc, lower bound, at least 0.6`.
        reason: why, in a sentence or two, with names and numbers.
        value: what was compared with the threshold, in the gate's own unit; None where there is no single number.
        threshold: what it was compared with.
        absent: there was nothing to measure, such as no protected attribute.
        details: further results, JSON-able.
    """

    outcome: GateOutcome
    rule: str
    reason: str
    value: float | None = None
    threshold: float | None = None
    absent: bool = False
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class GateResult:
    """A gate's decision, complete: the finding together with what it rests on.

    Attributes:
        gate: name.
        outcome, value, threshold, rule, reason: as in `Finding`.
        details: JSON-able; `measured` is what the decision rests on, enough to decide again under another policy;
            `absent` is true when there was nothing to measure.
        evidence: name to SHA-256 of what was looked at.
    """

    gate: str
    outcome: GateOutcome
    value: float | None
    threshold: float | None
    rule: str
    reason: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    evidence: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def passed(self) -> bool:
        """Whether the outcome is `passed`."""
        return self.outcome == "passed"


@dataclass(frozen=True)
class GateInputs:
    """What a stage gives to the gates that decide on it.

    Attributes:
        declaration: of the model.
        measured: what the stage measured, by the name of the gate of this package that reads it; plain JSON values.
        version: number of the version; None on `training_data`, where there is none yet.
        rows: the rows that train (`training_data`), or the rows held out from the fit (`evaluation`, `fairness`,
            `explanations`), with every declared column; None on `challenger` and `model_card`.
        target: outcomes of the rows held out, shape (n,); None where there are no scores.
        scores: the version's scores of the rows, shape (n,), or (n, classes) of several classes; None where there are none.
        threshold: binary: predicted positive from this score on.
        classes: multiclass: labels in the order of the scores' columns.
        score: the version's scores of other rows with the declared columns; None where there is no version.
    """

    declaration: Declaration
    measured: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int | None = None
    rows: "pl.DataFrame | None" = None
    target: "np.ndarray | None" = None
    scores: "np.ndarray | None" = None
    threshold: float | None = None
    classes: Sequence[str] | None = None
    score: "Callable[[pl.DataFrame], np.ndarray] | None" = None


E = TypeVar("E", bound=Evidence)
R = TypeVar("R", bound=GateRule)


@dataclass(frozen=True)
class Gate(Extension, Generic[E, R]):
    """One gate.

    Attributes:
        name: as in the policy.
        question: that it answers.
        evidence: type of what it reads.
        rule: type of its part of the policy. Every field has a default, a docstring, and a type from
            `mlops_assets.strictness`, which says in which direction a value is stricter.
        decide: evidence and rule in, finding out; pure.
        stage: that it decides on.
        measure: makes the evidence from what the stage gives; default: the stage measures it under the gate's name.
        stops: whether a failure stops the run at once; otherwise it only keeps the version from becoming champion.
    """

    KIND: ClassVar[str] = "gates"

    name: str
    question: str
    evidence: type[E]
    rule: type[R]
    decide: Callable[[E, R], Finding]
    stage: GateStage
    measure: Callable[[GateInputs], E] | None = None
    stops: bool = False

    def objections(self) -> list[str]:
        """What keeps the gate from being used: a rule that a policy cannot hold, or a stage that does not exist."""
        problems = (
            []
            if self.stage in get_args(GateStage)
            else [f"its stage is {self.stage!r}, expected one of {', '.join(get_args(GateStage))}"]
        )
        if not issubclass(self.evidence, Evidence):
            problems.append(f"its evidence is {self.evidence.__name__}, expected a subclass of Evidence")
        if not issubclass(self.rule, GateRule):
            return [*problems, f"its rule is {self.rule.__name__}, expected a subclass of GateRule"]
        return [*problems, *unmarked(self.rule)]

    def read(self, stored: Mapping[str, Any]) -> E:
        """Evidence from a measurement's or a record's plain form.

        Raises:
            EvidenceError: a value is missing or of another kind.
        """
        if not isinstance(stored, Mapping):
            raise EvidenceError(f"gate {self.name}: found evidence of type {type(stored).__name__}, expected a mapping")
        try:
            return self.evidence.from_dict(stored)
        except EvidenceError as error:
            raise EvidenceError(f"gate {self.name}: {error}") from error

    def measured(self, inputs: GateInputs) -> E:
        """The evidence of what a stage gives.

        Raises:
            EvidenceError: nothing was measured for the gate, a value is missing, NaN, infinite or of another kind.
        """
        if self.measure is None:
            if self.name not in inputs.measured:
                raise EvidenceError(
                    f"gate {self.name}: the stage {self.stage} measures nothing for it; give it `measure`"
                )
            return self.read(inputs.measured[self.name])
        found = self.measure(inputs)
        if not isinstance(found, self.evidence):
            raise EvidenceError(
                f"gate {self.name}: measure returned {type(found).__name__}, expected {self.evidence.__name__}"
            )
        return self.read(found.to_dict())

    def result(self, evidence: E | Mapping[str, Any], rule: R) -> GateResult:
        """Decide, and keep what the decision rests on with its digest.

        Raises:
            EvidenceError: the evidence is a mapping that cannot be read, or the finding is not one.
        """
        known = evidence if isinstance(evidence, self.evidence) else self.read(evidence)  # pyright: ignore[reportArgumentType]
        finding = self.decide(known, rule)
        if problem := _objection(finding):
            raise EvidenceError(f"gate {self.name}: decide returned {problem}")
        measured = known.to_dict()
        return GateResult(
            gate=self.name,
            outcome=finding.outcome,
            value=finding.value,
            threshold=finding.threshold,
            rule=finding.rule,
            reason=finding.reason,
            details={"measured": measured, **finding.details, **({"absent": True} if finding.absent else {})},
            evidence={"measured": digest(measured), **known.files},
        )

    def without(self, reason: str) -> GateResult:
        """What is recorded where the gate cannot apply to the model: no pass, and the reason."""
        return GateResult(
            gate=self.name,
            outcome="not_applicable",
            value=None,
            threshold=None,
            rule=self.question,
            reason=f"not applicable: {reason}",
            details={"not_applicable": reason},
            evidence={"reason": digest(reason)},
        )

    def failed(self, error: Exception) -> GateResult:
        """What an error while measuring or deciding leads to: never a pass, and the reason is on record."""
        text = str(error) if isinstance(error, EvidenceError) else f"gate {self.name}: {type(error).__name__}: {error}"
        return GateResult(
            gate=self.name,
            outcome="not_measurable",
            value=None,
            threshold=None,
            rule=self.question,
            reason=f"could not be decided: {text}",
            details={"error": text},
            evidence={"error": digest(text)},
        )


def _objection(finding: Any) -> str:
    """What is wrong with what `decide` returned; empty where nothing is."""
    if not isinstance(finding, Finding):
        return f"{type(finding).__name__}, expected Finding"
    decided = [outcome for outcome in get_args(GateOutcome) if outcome != "not_applicable"]
    if finding.outcome not in decided:
        return f"the outcome {finding.outcome!r}, expected one of {', '.join(decided)}"
    for name in ("value", "threshold"):
        number = getattr(finding, name)
        if number is not None and not (isinstance(number, int | float) and isfinite(number)):
            return f"the {name} {number!r}, expected a finite number or None"
    if not (isinstance(finding.rule, str) and isinstance(finding.reason, str) and finding.rule and finding.reason):
        return "no rule or no reason, expected both in words"
    try:
        plain(finding.details)
    except ValueError as error:
        return f"details that cannot be recorded: {error}"
    return ""


def listed(names: Iterable[Any], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    texts = [str(name) for name in names]
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")


def show(value: float | None) -> str:
    """A number for a sentence."""
    return "unknown" if value is None else f"{value:.4g}"


def worst(outcomes: Sequence[GateOutcome]) -> GateOutcome:
    """`failed` before `not_measurable` before `passed`; nothing at all is not measurable."""
    for outcome in ("failed", "not_measurable"):
        if outcome in outcomes:
            return outcome
    return "passed" if outcomes else "not_measurable"


@cache
def _adapter(kind: type[Evidence]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "evidence"
    if error["type"] == "missing":
        return f"found no {place}"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    return f"{place}: found {error['input']!r:.60}, expected {error['msg'].removeprefix('Input should be ')}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast(Sequence[Any], value)]
    return value.value if isinstance(value, Enum) else value
