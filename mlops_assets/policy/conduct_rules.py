"""What a policy says about people and the service key once a model is in use: incidents, automation, adoption.

Only data is here. Incidents are `response.incidents`', the service key's acts `release.automation`'s, and
taking a policy into force `governance.adoption`'s.
"""

from typing import Annotated

from pydantic import Field, field_validator

from mlops_assets.ledger.people import NO_JUDGES
from mlops_assets.strictness import FalseStricter, Part, Stricter

Roles = Annotated[tuple[str, ...], Stricter("fewer")]


class IncidentRule(Part):
    """Who may close an incident; anybody enrolled for the model may acknowledge one."""

    close_roles: Roles = Field(default=("validator", "model-risk", "developer"), min_length=1)
    """Roles that may close an incident with its disposition."""
    authors_may_close: FalseStricter = True
    """Whether those who built a version of the model may close its incidents; their disposition says who was right."""


class AutomationRule(Part):
    """What is done at once by the service key (role `automation`); everything else of the kind asks a person to sign."""

    suspend: Annotated[bool, Stricter("fixed")] = False
    """Whether `suspend` among the actions of `response` is carried out at once."""
    rollback: Annotated[bool, Stricter("fixed")] = False
    """Whether a probation that was not passed (`release.rollback_on`) is rolled back at once."""


class AdoptionRule(Part):
    """How a changed policy comes into force."""

    roles: Annotated[tuple[str, ...], Stricter("fixed")] = ()
    """Roles, a holder of one of which must sign the change; none: it is recorded when it is first seen."""

    @field_validator("roles")
    @classmethod
    def _people(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if machines := sorted(set(NO_JUDGES) & set(roles)):
            raise ValueError(f"found {', '.join(machines)}, expected roles of people who judge")
        return roles
