"""What a stage is given and what it returns: the border between Dagster and the stages.

A stage is a function `StageContext -> StageResult`. It loads, calls the packages that compute, records, and returns what a
reviewer should see. It never sees Dagster's context; `orchestration/assets.py` makes assets out of stages. Only the stage
itself takes the context: the functions it calls take the ledger, lake, declaration, window or policy that they need.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.response.retraining import request_of
from mlops_assets.stores.results import WindowResults

if TYPE_CHECKING:
    from mlops_assets.gates.gate import GateResult


class StageError(MlopsAssetsError):
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
    """Opens the MLflow run of one Dagster run; `orchestration.model_experiments` does it through dagster-mlflow."""

    def __call__(self, platform: Platform, model: str, tags: Mapping[str, str]) -> AbstractContextManager[str]:
        """The run's id, while the run is the active one."""
        ...


@dataclass(frozen=True)
class StageContext:
    """What one stage works on: one model in one run, and one window where the stage has windows.

    Attributes:
        platform: stores and rules of the project.
        declaration: the model as its YAML declares it now.
        policy: effective policy of the model.
        run_id: of the run.
        window: the window to work on; None for stages from rows to champion.
        tags: of the run; they name the retraining request that it answers.
        log: writes a line to the run's log.
        open_mlflow_run: opens the run's MLflow run; None where no stage trains.
    """

    platform: Platform
    declaration: Declaration
    policy: Policy
    run_id: str
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

    def window_results(self) -> WindowResults:
        """Results of the run's window.

        Raises:
            StageError: the run has no window.
        """
        return self.platform.window_results(self.model, window_of(self).key)

    @contextmanager
    def mlflow_run(self) -> Iterator[str]:
        """The MLflow run of this Dagster run, active inside the block."""
        if self.open_mlflow_run is None:
            raise StageError(f"{self.model}: this stage records an MLflow run, and its context cannot open one")
        tags = {"mlops.model": self.model, "mlops.declaration": self.declaration.digest}
        with self.open_mlflow_run(self.platform, self.model, tags) as run_id:
            yield run_id


def window_of(context: StageContext) -> Window:
    """The run's window.

    Raises:
        StageError: the run has none.
    """
    if context.window is None:
        raise StageError(
            f"{context.model}: found a run without a partition, expected one: this asset has a partition for each window"
        )
    return context.window


Stage = Callable[[StageContext], StageResult]
