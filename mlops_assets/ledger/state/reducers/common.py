"""What reducers of several subjects share: looking a version up in a model's state and writing it back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import VersionState

Reducer = Callable[[ModelState, Record[Any], FoldContext], ModelState]
"""`(model, record, context) -> model`; raises `NotCounted` where the record counts for nothing."""


def with_version(model: ModelState, state: VersionState) -> ModelState:
    """The model with this state of a version; versions stay in order of number."""
    versions = {**model.versions, state.version: state}
    if state.version not in model.versions:
        versions = dict(sorted(versions.items(), key=lambda item: _order(item[0])))
    return replace(model, versions=versions)


def registered(model: ModelState, version: str) -> VersionState:
    """The state of a registered version.

    Raises:
        NotCounted: it is not registered.
    """
    known = model.version(version)
    if known.registration is None:
        raise NotCounted(f"{model.name} version {version} is not registered")
    return known


def number(subject: str) -> int:
    """The version number that is the subject of a record.

    Raises:
        NotCounted: it is no number.
    """
    if not subject.isdecimal():
        raise NotCounted(f"found version {subject!r}, expected a number")
    return int(subject)


def _order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)
