"""What people write for people: the risk assessment and the texts of the model card."""

from pydantic import Field

from mlops_assets.declaration.terms import Part


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
