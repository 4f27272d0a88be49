"""dagster-mlflow's resource with an experiment a model.

Importing this module imports dagster-mlflow, and MLflow with it: `tracking.py` does so when a training needs it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
from dagster_mlflow.resources import MlFlow

from mlops_assets.platform import Platform
from mlops_assets.stores.registry import own_address


class ModelExperiments(MlFlow):
    """MLflow runs of one Dagster run.

    dagster-mlflow opens its run when the resource is made, in the one experiment that its configuration names, and leaves it
    active in the process. Here the experiment is the model's, the address is the project's, and one process runs several
    models in turn, which would all be written into the run that happens to be active. So the run is opened for a stage and
    ended with it; a later stage of the same Dagster run finds it again by the tag `dagster_run_id`, as dagster-mlflow does.
    """

    def __init__(self, context: dg.InitResourceContext) -> None:
        """Take from Dagster's context what dagster-mlflow takes; which experiment is known in `run`."""
        assert context.dagster_run is not None  # an asset's resource always belongs to a run
        self.log = context.log
        self.run_name = context.dagster_run.job_name
        self.dagster_run_id = context.dagster_run.run_id
        self.parent_run_id = None
        self.mlflow_run_id = None
        self.env_tags_to_log: list[str] = []
        self.extra_tags: dict[str, str] = {}

    @contextmanager
    def run(self, platform: Platform, model: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Make the MLflow run of this Dagster run the active one, in the model's experiment.

        Args:
            platform: whose registry tracks it.
            model: whose experiment it is in.
            tags: further tags of the run.

        Yields:
            Its id. The run ends with the block: as finished, or as failed when the block raises.
        """
        import mlflow

        platform.registry.experiment(model)
        while mlflow.active_run() is not None:
            mlflow.end_run()
        self.experiment_name, self.extra_tags, self.mlflow_run_id = model, dict(tags), None
        with own_address():
            self.experiment = mlflow.set_experiment(model)
            self.tracking_client = mlflow.MlflowClient()
            self._setup()
        active = mlflow.active_run()
        assert active is not None
        try:
            yield active.info.run_id
        except BaseException:
            mlflow.end_run("FAILED")
            raise
        mlflow.end_run()
