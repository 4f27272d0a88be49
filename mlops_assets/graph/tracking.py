"""One MLflow run a Dagster run, through dagster-mlflow.

dagster-mlflow's resource is made for one process a run and one experiment a resource. In one process that runs several
models in turn it would write them all into the run that happens to be active, so it is opened here for each stage with
the model's own experiment, finds the run by the tag `dagster_run_id`, and is closed again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

from mlops_assets.stores.registry import own_address

if TYPE_CHECKING:
    from mlops_assets.graph.bench import Bench


@contextmanager
def mlflow_run(bench: "Bench") -> Iterator[str]:
    """Make the MLflow run of this Dagster run the active one.

    Yields:
        Its id. The run ends with the block: as finished, or as failed when the block raises.
    """
    registry = bench.platform.registry
    registry.experiment(bench.model)
    import mlflow
    from dagster_mlflow.resources import MlFlow

    while mlflow.active_run() is not None:
        mlflow.end_run()
    context = SimpleNamespace(
        log=logging.getLogger("mlops_assets.tracking"),
        run_id=bench.run_id,
        dagster_run=SimpleNamespace(job_name=bench.job_name or bench.model),
        resource_config={
            "experiment_name": bench.model,
            "mlflow_tracking_uri": bench.platform.home.tracking_uri,
            "env": {},
            "extra_tags": {"mlops.model": bench.model, "mlops.declaration": bench.declaration.digest},
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
