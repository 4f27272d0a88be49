"""The Dagster resource `mlflow`: one MLflow run for each Dagster run that trains, through dagster-mlflow.

Belongs here: how dagster-mlflow's resource is used. Reading and writing what MLflow stores is `stores.registry`'s.
"""

from collections.abc import Iterator

import dagster as dg


@dg.resource(description="MLflow runs of trainings, opened a stage at a time (dagster-mlflow).")
def mlflow_resource(context: dg.InitResourceContext) -> Iterator[object]:
    """Runs in MLflow for the Dagster run of this context; nothing is opened before a stage asks for it."""
    # Imported late: it brings MLflow, which takes seconds, and only trainings need it.
    from mlops_assets.orchestration.model_experiments import ModelExperiments

    runs = ModelExperiments(context)
    yield runs
    runs.cleanup_on_error()
