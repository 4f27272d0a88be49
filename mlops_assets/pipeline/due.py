"""What is to be run now, as intents: which model, which activity, and why.

Belongs here: the intent, and what every look-up of intents shares. Not here: the look-ups (`windows_due.py`, `trainings_due.py`,
`releases_due.py`), or jobs, run keys and tags, which are the runner's (`orchestration/`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.state.model import Incident, ModelState
from mlops_assets.platform import Platform

Activity = Literal["training", "release", "monitoring"]
"""`training`: from rows to champion. `release`: promote where nothing is missing. `monitoring`: score and judge one window."""
STAGE_FAILED = "stage_failed"
"""Kind of the incident of a run that failed too often."""


@dataclass(frozen=True)
class Due:
    """One run that is to be started: an intent, whatever starts it.

    Attributes:
        model: name of the model.
        activity: what is to be done.
        why: the cause in a sentence.
        state: names the state that asks for the run; a runner starts one run for it, and any change of what the run waits
            for gives another state.
        window: start of the window, for `monitoring`.
        request: id of the retraining request that the run answers.
        version: that is to be released, for `release`.
        stages: the stages of the activity that are to be run; empty: all of them.
        outcomes: digest of the outcomes that the window is judged on again.
    """

    model: str
    activity: Activity
    why: str
    state: str
    window: str | None = None
    request: str | None = None
    version: str | None = None
    stages: tuple[str, ...] = ()
    outcomes: str | None = None

    @property
    def cause(self) -> str:
        """What an incident about a failing run of this is about."""
        return failure_cause(self.activity, self.window or self.version or self.request or "")


@dataclass(frozen=True)
class Found:
    """What is due, and why the rest is not."""

    due: tuple[Due, ...]
    waiting: tuple[str, ...]


def declared_among(platform: Platform, models: Collection[str] | None) -> dict[str, Declaration]:
    """The declarations of these models by name; None: of every model."""
    declarations = platform.project.declarations
    return {n: d for n, d in declarations.items() if n in models} if models is not None else declarations


def failure_cause(activity: Activity, subject: str) -> str:
    """Cause of the incident of a run that failed too often; its subject is a window, a retraining request or a version."""
    return f"{STAGE_FAILED}:{activity}:{subject}"


def open_failure(model: ModelState, cause: str) -> Incident | None:
    """The open incident of a run that failed too often: nothing is tried again before it is closed."""
    return next((i for i in model.open_incidents if i.cause == cause), None)


def last_closed(model: ModelState, cause: str) -> int:
    """Number of the record that closed the last incident of that cause; 0 where none was closed."""
    return max((i.seqs[-1] for i in model.incidents.values() if i.cause == cause and not i.is_open), default=0)
