"""Events about models that exist in the bank, declared or not: what a search found, and what people said about it.

Each is about the fleet (the record's model is empty); the subject is the id of what was found.
"""

from typing import ClassVar, Literal

from pydantic import Field

from mlops_assets.ledger.events.base import Digest, Event, Moment, SignedEvent


class SourceSearched(Event):
    """A source was searched for models. The record's subject is the source.

    Attributes:
        found: how many models there were.
        unread: how many places could not be read.
        reasons: why, of the first ones.
    """

    KIND: ClassVar[str] = "source_searched"

    found: int
    unread: int = 0
    reasons: tuple[str, ...] = ()


class ModelDiscovered(Event):
    """A search found something that is thought a model: for the first time, changed, or after it was gone.

    Attributes:
        source: that was searched.
        place: path or address; the record's subject is derived from it.
        name: suggested name of a declaration.
        form: `registered model`, `MLflow model`, `model file`, `notebook`, `script`, `LLM use` or `inventory entry`.
        why: the reason why it is thought a model.
        confidence: `likely` where the content says so, `possible` where only the name or the format does.
        digest: of its content.
        basis: digest of what makes it this model. A model file has that of its content; code has that of what it calls, so
            that it may be edited.
        facts: what else is known, such as `version` and `owner`.
        governed_by: the declared model that governs it; empty where none does.
        how: how that is known.
    """

    KIND: ClassVar[str] = "model_discovered"

    source: str
    place: str
    name: str
    form: str
    why: str
    confidence: Literal["likely", "possible"]
    digest: Digest
    basis: Digest
    facts: dict[str, str] = Field(default_factory=dict)
    governed_by: str = ""
    how: str = ""


class ModelGone(Event):
    """What a search had found is no longer there.

    Attributes:
        source: that was searched.
        place: where it was.
    """

    KIND: ClassVar[str] = "model_gone"

    source: str
    place: str


class DiscoveryIgnored(SignedEvent):
    """A person said that what was found needs no declaration until a date.

    Attributes:
        id: of what was found.
        reason: why.
        expires: when it is open again.
    """

    KIND: ClassVar[str] = "discovery_ignored"
    PURPOSE: ClassVar[str] = "discovery-ignored/v1"

    id: str
    reason: str
    expires: Moment


class DiscoveryAssigned(SignedEvent):
    """A person said which declared model governs what was found.

    Attributes:
        id: of what was found.
        governed_by: name of the declared model.
        reason: why.
    """

    KIND: ClassVar[str] = "discovery_assigned"
    PURPOSE: ClassVar[str] = "discovery-assigned/v1"

    id: str
    governed_by: str
    reason: str
