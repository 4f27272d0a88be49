"""What a stage works with, and what it hands back: the border between Dagster and the stages.

A stage is a function `StageContext -> StageResult`. It loads, calls the rooms that compute, records, and returns what a reviewer
should see; it never sees Dagster's context. `orchestration/assets.py` makes assets out of stages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.response.retraining import request_of

if TYPE_CHECKING:
    from mlops_assets.governance.decisions import GateResult


class StageError(Exception):
    """A stage cannot be run now; the text says what is missing and what to materialize first."""


@dataclass(frozen=True)
class StageResult:
    """What a stage found.

    Attributes:
        metadata: shown on the materialization; plain values, Markdown text, tables (lists of equal dicts), links.
        data_version: content digest; an unchanged one tells Dagster that nothing downstream is stale.
        decisions: gate results that become the asset's checks.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: str | None = None
    decisions: Sequence["GateResult"] = ()


class MlflowRun(Protocol):
    """Opens the MLflow run of one Dagster run; `orchestration.tracking` does it through dagster-mlflow."""

    def __call__(
        self, platform: Platform, model: str, *, run_id: str, job: str, tags: Mapping[str, str]
    ) -> AbstractContextManager[str]:
        """The run's id, while the run is the active one."""
        ...


@dataclass(frozen=True)
class StageContext:
    """One stage's place of work: one model, one run, perhaps one window."""

    platform: Platform
    declaration: Declaration
    policy: Policy
    run_id: str
    job_name: str = ""
    window: Window | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    log: Callable[[str], None] = print
    open_mlflow_run: "MlflowRun | None" = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.declaration.name

    @property
    def request(self) -> str | None:
        """Id of the retraining request that this run answers; None for a first training."""
        return request_of(self.tags)

    def table(self, name: str) -> str:
        """Address of one of the model's tables in the lake."""
        return f"{self.model}/{name}"

    @contextmanager
    def mlflow_run(self) -> Iterator[str]:
        """The MLflow run of this Dagster run, active inside the block."""
        if self.open_mlflow_run is None:
            raise StageError(f"{self.model}: this stage records an MLflow run, and none was handed to it")
        tags = {"mlops.model": self.model, "mlops.declaration": self.declaration.digest}
        job = self.job_name or self.model
        with self.open_mlflow_run(self.platform, self.model, run_id=self.run_id, job=job, tags=tags) as run_id:
            yield run_id


Stage = Callable[[StageContext], StageResult]
