"""What a policy says about people and the service key: incidents, automation, interventions, tiers, adoption.

Only data is here. Incidents are `response.incidents`', the service key's acts `release.automation`'s, assessments of
tiers `governance.tiers`', and taking a policy into force `governance.adoption`'s.
"""

from typing import Annotated

from pydantic import Field, field_validator

from mlops_assets.ledger.events.judgements import REOPEN_DAYS
from mlops_assets.ledger.people import AUTOMATION, LEDGER, NO_JUDGES
from mlops_assets.strictness import FalseStricter, LowerFloat, LowerInt, Part, Stricter

Roles = Annotated[tuple[str, ...], Stricter("fewer")]


class IncidentRule(Part):
    """Who may close an incident, and for how long it may open again; anybody enrolled for the model may acknowledge one."""

    close_roles: Roles = Field(default=("validator", "model-risk", "developer"), min_length=1)
    """Roles that may close an incident with its disposition."""
    authors_may_close: FalseStricter = True
    """Whether those who built a version of the model may close its incidents; their disposition says who was right."""
    reopen_days: Annotated[int, Stricter("fixed")] = Field(default=REOPEN_DAYS, ge=0, le=3650)
    """Days after its closure within which the same cause opens an incident again; later it opens another one, which names the
    former. Windows must follow each other as closely. 0: always another one."""


class ServiceLevels(Part):
    """Times that are promised; `mlops proof` says in how many cases each was kept."""

    judged_days: LowerInt = Field(default=7, ge=1)
    """Most days from the end of a window to its first verdict."""
    acknowledged_hours: LowerFloat = Field(default=48.0, gt=0)
    """Most hours until somebody acknowledges or closes an incident of severity act or critical."""
    retrained_days: LowerInt = Field(default=30, ge=1)
    """Most days from a retraining request to a new version that decides, or to the finding that there is none."""


class AutomationRule(Part):
    """What is done at once by the service key (role `automation`); everything else of the kind asks a person to sign."""

    suspend: Annotated[bool, Stricter("fixed")] = False
    """Whether `suspend` among the actions of `response` is carried out at once."""
    rollback: Annotated[bool, Stricter("fixed")] = False
    """Whether a probation that was not passed (`release.rollback_on`) is rolled back at once."""


class ApprovalRule(Part):
    """So many people in one role."""

    role: str = Field(min_length=1)
    """Role in which they sign, such as `validator`."""
    count: int = Field(default=1, ge=1)
    """How many different people."""


Signatures = Annotated[tuple[ApprovalRule, ...], Stricter("counts")]


class InterventionRule(Part):
    """Who signs what is done to a model in use; none: one person who is enrolled for it, in any role.

    Whatever is named here, authors of a version may stop a model, let none of theirs decide again, and never end a model.
    """

    suspension: Signatures = ()
    """Signatures that a suspension needs; it takes effect with the last of them."""
    resumption: Signatures = ()
    """Signatures that a resumption needs."""
    rollback: Signatures = ()
    """Signatures that a rollback needs."""
    retirement: Signatures = ()
    """Signatures that a retirement needs."""

    @field_validator("suspension", "resumption", "rollback", "retirement")
    @classmethod
    def _people_once(cls, rules: tuple[ApprovalRule, ...]) -> tuple[ApprovalRule, ...]:
        roles = [rule.role for rule in rules]
        if doubled := sorted({role for role in roles if roles.count(role) > 1}):
            raise ValueError(f"found {', '.join(doubled)} twice, expected each role once, with its count")
        if machines := sorted({AUTOMATION, LEDGER} & set(roles)):
            raise ValueError(f"found {', '.join(machines)}, expected roles of people")
        return rules


class AssessmentRule(Part):
    """Who assesses the risk tier of a model, and for how long that counts.

    Without an assessment that counts, a model must meet what the highest tier requires.
    """

    roles: Roles = ("model-risk", "validator")
    """Roles that may sign an assessment, never an author; none: no assessment counts."""
    max_days: LowerInt = Field(default=365, ge=1)
    """Longest time, in days, until an assessment expires."""

    @field_validator("roles")
    @classmethod
    def _judges(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        return _people_who_judge(roles)


class AdoptionRule(Part):
    """How a changed policy comes into force."""

    roles: Annotated[tuple[str, ...], Stricter("fixed")] = ("model-risk", "validator")
    """Roles, a holder of one of which must sign it, never an author; none: it is recorded when it is first seen."""

    @field_validator("roles")
    @classmethod
    def _judges(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        return _people_who_judge(roles)


def _people_who_judge(roles: tuple[str, ...]) -> tuple[str, ...]:
    if machines := sorted(set(NO_JUDGES) & set(roles)):
        raise ValueError(f"found {', '.join(machines)}, expected roles of people who judge")
    return roles
