"""What a risk tier asks of its models: the policy, field by field, and how a model may be stricter than its tier.

A policy is one YAML a tier in `config/policy/`. The rule of each gate is in `gates/<gate>.py`.
Nothing here decides anything.

What no bank may switch off is no field: authors never judge their own work, one person counts once and in one role, a
signature over other digests counts for nothing. `governance.approvals` and `ledger.signed_acts` hold to that.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from mlops_assets.gates import performance
from mlops_assets.gates.registry import RegisteredGateRules, gate_rules
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.people import NO_JUDGES
from mlops_assets.policy.conduct_rules import (
    AdoptionRule,
    ApprovalRule,
    AssessmentRule,
    AutomationRule,
    IncidentRule,
    InterventionRule,
    ServiceLevels,
)
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.policy.reading import PolicyError, explain_field, read_document
from mlops_assets.policy.release_rules import Release
from mlops_assets.policy.retraining_rules import Retraining
from mlops_assets.strictness import (
    HigherInt,
    LowerInt,
    Part,
    Stricter,
    TrueStricter,
)

Action = Literal["none", "watch", "incident", "quarantine_window", "retrain", "suspend"]
Kind = Literal["data_quality", "covariate_shift", "label_shift", "concept_drift"]


class ExceptionRule(Part):
    """Who may lift a gate, and for how long."""

    roles: Annotated[tuple[str, ...], Stricter("fewer")] = ("model-risk",)
    """Roles that may sign an exception; none: no exception is possible."""
    max_days: LowerInt = Field(default=90, ge=1)
    """Longest time, in days, until an exception expires."""


class Findings(Part):
    """What a validator's open findings do."""

    blocks_from: Annotated[
        Literal["never", "critical", "high", "medium", "low"],
        Stricter("ordered", ("never", "critical", "high", "medium", "low")),
    ] = "high"
    """Severity from which on an open finding blocks promotion."""


class ValidationRule(Part):
    """What is asked of independent validation; one that rejected, or has ended, always blocks."""

    required: TrueStricter = False
    """Whether a version needs a validator's recorded validation, besides the approvals, to become champion."""
    rejection_term_days: LowerInt = Field(default=30, ge=0)
    """Days for which a champion may go on deciding after its validation was rejected; then its suspension is due."""


ActionTuple = Annotated[tuple[Action, ...], Stricter("fixed")]


class Response(Part):
    """What is done about each kind of change, once it is worth acting on."""

    data_quality: ActionTuple = ("incident", "quarantine_window")
    """A broken feed."""
    covariate_shift: ActionTuple = ("watch",)
    """Other people or things than in training, the same relation."""
    label_shift: ActionTuple = ("incident", "retrain")
    """The outcome has become more or less frequent."""
    concept_drift: ActionTuple = ("incident", "retrain")
    """The inputs mean something else than they did."""
    performance_loss: ActionTuple = ("incident", "retrain")
    """Ranking or skill has fallen by `monitoring.performance_drop_act` though the inputs mean what they meant: added to the
    actions of the change that explains it."""
    validation_expired: ActionTuple = ("incident",)
    """The validation of the champion has ended, or it was promoted `validity_days` ago and never validated."""

    @model_validator(mode="after")
    def _data_quality_never_retrains(self) -> Self:
        if "retrain" in self.data_quality:
            raise ValueError(
                f"data_quality: found {list(self.data_quality)}, expected no 'retrain': "
                "a model must not learn from a broken feed"
            )
        return self

    @model_validator(mode="after")
    def _an_ended_validation_has_actions_with_effect(self) -> Self:
        known = ("none", "watch", "incident", "suspend")
        if other := [action for action in self.validation_expired if action not in known]:
            raise ValueError(
                f"validation_expired: found {', '.join(other)}, expected {', '.join(known)}: an ended validation asks for a "
                "person's judgement, and neither another training nor another choice of rows is one"
            )
        return self


class Policy(Part):
    """Everything that a risk tier requires."""

    tier: Annotated[Literal["high", "medium", "low"], Stricter("fixed")]
    """Tier that the policy is for; the name of its file."""
    gates: RegisteredGateRules = Field(default_factory=gate_rules)
    """The gates and their thresholds."""
    approvals: Annotated[tuple[ApprovalRule, ...], Stricter("counts")]
    """Signatures that a version needs to become champion; never an author's, and one person counts once."""
    exceptions: ExceptionRule = Field(default_factory=ExceptionRule)
    """Who may lift a gate, and for how long."""
    findings: Findings = Field(default_factory=Findings)
    """What open findings do."""
    validation: ValidationRule = Field(default_factory=ValidationRule)
    """What is asked of independent validation; one that rejected, or has ended, always blocks."""
    retraining: Retraining = Field(default_factory=Retraining)
    """When a model may be trained again."""
    monitoring: MonitoringThresholds = Field(default_factory=MonitoringThresholds)
    """From which size on a change in a window counts."""
    release: Release = Field(default_factory=Release)
    """The ladder a challenger climbs."""
    response: Response = Field(default_factory=Response)
    """What is done about each kind of change."""
    automation: AutomationRule = Field(default_factory=AutomationRule)
    """What the service key may do at once, without a person."""
    incidents: IncidentRule = Field(default_factory=IncidentRule)
    """Who may close an incident, and for how long it may open again."""
    service_levels: ServiceLevels = Field(default_factory=ServiceLevels)
    """Times that are promised."""
    interventions: InterventionRule = Field(default_factory=InterventionRule)
    """Who signs a suspension, a resumption, a rollback and a retirement."""
    validity_days: LowerInt = Field(default=365, ge=1)
    """Longest time, in days, for which a validation holds; then `response.validation_expired` applies."""
    retention_days: HigherInt = Field(default=3650, ge=1)
    """Days for which the data of a version are kept after it has ended: it decides no more, and does not stay ready as the
    former champion. Nothing is removed before; `mlops retention --enforce` removes them afterwards, with a signed record.
    Records, evidence and cards stay."""
    assessment: AssessmentRule = Field(default_factory=AssessmentRule)
    """Who assesses the tier of a model, and for how long that counts."""
    adoption: AdoptionRule = Field(default_factory=AdoptionRule)
    """How a changed policy comes into force."""

    @model_validator(mode="after")
    def _roles_once(self) -> Self:
        roles = [rule.role for rule in self.approvals]
        doubled = sorted({role for role in roles if roles.count(role) > 1})
        if doubled:
            raise ValueError(f"approvals: found {', '.join(doubled)} twice, expected each role once, with its count")
        machines = sorted(set(NO_JUDGES) & {*roles, *self.exceptions.roles})
        if machines:
            raise ValueError(f"found {', '.join(machines)} among those who decide, expected roles of people who judge")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of every field, defaults included: equal exactly when the same is asked."""
        return digest(self.model_dump(mode="json"))

    @property
    def champion_margin(self) -> float:
        """Loss against the champion that still counts as no worse: `gates.performance.champion_margin`."""
        return self.gates.of(performance.GATE).champion_margin

    def actions(self, kind: str) -> tuple[Action, ...]:
        """What is done about a change of this kind; nothing for `none`.

        Raises:
            ValueError: no such kind.
        """
        if kind == "none":
            return ()
        if kind not in Response.model_fields:
            raise ValueError(f"found kind {kind!r}, expected none or one of {', '.join(Response.model_fields)}")
        return getattr(self.response, kind)


def read_policy(path: Path) -> Policy:
    """The policy in one YAML file, whose name must be its tier.

    Raises:
        PolicyError: one line for each mistake, with file, line, field, what was found and what is expected.
    """
    policy = read_document(path, Policy)
    if policy.tier != path.stem:
        raise PolicyError(
            f"{path}: tier: found {policy.tier!r} in {path.name}, expected {path.stem!r}, "
            "because a policy's file is named after its tier"
        )
    return policy


def load_policies(folder: Path) -> dict[str, Policy]:
    """Every policy in `folder`, by tier.

    Raises:
        PolicyError: no policy there, or mistakes in any of them: all are listed.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise PolicyError(f"{folder}: found no policy, expected one YAML file a tier, such as {folder / 'high.yaml'}")
    policies: dict[str, Policy] = {}
    problems: list[str] = []
    for path in paths:
        try:
            policies[path.stem] = read_policy(path)
        except PolicyError as error:
            problems.append(str(error))
    if problems:
        raise PolicyError("\n".join(problems))
    return policies


def effective(policy: Policy, overrides: Mapping[str, Any]) -> Policy:
    """The policy with a model's own, stricter values.

    Args:
        policy: the tier's policy.
        overrides: nested like the policy; only what the model changes.

    Raises:
        PolicyError: a field that does not exist, a value of the wrong kind, or one laxer than the tier's (both
            values are named); a line for each.
    """
    if not overrides:
        return policy
    try:
        tightened = Policy.model_validate(_merge(policy.model_dump(), overrides))
    except ValidationError as error:
        raise PolicyError(
            "\n".join(f"policy.{explain_field(problem, Policy)}" for problem in error.errors())
        ) from error
    problems = laxer(policy, tightened)
    if problems:
        raise PolicyError("\n".join(problems))
    return tightened


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in overrides.items():
        inner = base.get(name)
        merged[name] = _merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def laxer(base: Policy, other: Policy) -> list[str]:
    """A line for every field in which `other` asks for less than `base`, or for something else where neither is stricter."""
    return _laxer(base, other, ("policy",), base.tier)


def _laxer(base: BaseModel, other: BaseModel, location: tuple[str, ...], tier: str) -> list[str]:
    """A line for every field of `other` that is laxer than in `base`."""
    problems: list[str] = []
    for name, field in type(base).model_fields.items():
        ours, theirs, here = getattr(base, name), getattr(other, name), (*location, name)
        if isinstance(ours, BaseModel):
            problems += _laxer(ours, theirs, here, tier)
            continue
        mark = next(m for m in field.metadata if isinstance(m, Stricter))
        if not mark.allows(ours, theirs):
            problems.append(
                f"{'.'.join(here)}: found {_show(theirs)}, laxer than {_show(ours)} of tier {tier!r}; "
                f"expected {mark.expectation}"
            )
    return problems


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_show(v) for v in value) + "]"
    if isinstance(value, ApprovalRule):
        return f"{value.count} {value.role}"
    return "no limit" if value is None else str(value)
