"""One MLflow run a Dagster run, through dagster-mlflow.

dagster-mlflow's resource is made for one process a run and one experiment a resource. In one process that runs several
models in turn it would write them all into the run that happens to be active, so it is opened here for each stage with
the model's own experiment, finds the run by the tag `dagster_run_id`, and is closed again.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace

from mlops_assets.platform import Platform
from mlops_assets.stores.registry import own_address


@contextmanager
def mlflow_run(platform: Platform, model: str, *, run_id: str, job: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Make the MLflow run of one Dagster run the active one, in the model's experiment.

    Args:
        platform: whose registry tracks it.
        model: whose experiment it is in.
        run_id: of the Dagster run.
        job: name of the Dagster job.
        tags: further tags of the run.

    Yields:
        Its id. The run ends with the block: as finished, or as failed when the block raises.
    """
    platform.registry.experiment(model)
    import mlflow
    from dagster_mlflow.resources import MlFlow

    while mlflow.active_run() is not None:
        mlflow.end_run()
    context = SimpleNamespace(
        log=logging.getLogger("mlops_assets.tracking"),
        run_id=run_id,
        dagster_run=SimpleNamespace(job_name=job),
        resource_config={
            "experiment_name": model,
            "mlflow_tracking_uri": platform.home.tracking_uri,
            "env": {},
            "extra_tags": dict(tags),
        },
    )
    with own_address():
        MlFlow(context)
    active = mlflow.active_run()
    assert active is not None
    try:
        yield active.info.run_id
    except BaseException:
        mlflow.end_run("FAILED")
        raise
    mlflow.end_run()
