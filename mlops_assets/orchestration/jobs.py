"""Jobs of a model: `<model>__training` from rows to champion, `<model>__release`, `<model>__monitoring` for one window.

One run a model, in process: twelve small steps take four seconds in one process and most of a minute in twelve.
Parallelism comes from runs, not from steps.
"""

from collections.abc import Sequence
from typing import Any, get_args

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.assets import MODEL_TAG, asset_key
from mlops_assets.pipeline.due import Activity
from mlops_assets.pipeline.stage_table import StageSpec, training_stages, window_stages

RELEASE_STAGES = ("approval", "champion")


def job_name(model: str, activity: Activity) -> str:
    """Name of the job that does this for the model."""
    return f"{model}__{activity}"


def model_of_job(name: str) -> str | None:
    """The model of a job of that name; None where it is no name of a model's job."""
    model, _, activity = name.rpartition("__")
    return model if model and activity in get_args(Activity) else None


def model_jobs(declaration: Declaration, stages: Sequence[StageSpec]) -> list[Any]:
    """The jobs of one model."""
    model = declaration.name

    def job(name: str, names: Sequence[str], description: str):
        return dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*(asset_key(model, stage) for stage in names)),
            description=description,
            tags={MODEL_TAG: model},
            executor_def=dg.in_process_executor,
        )

    jobs = [
        job(
            job_name(model, "training"),
            training_stages(stages),
            "From rows to champion: train, evaluate, decide, release.",
        ),
        job(
            job_name(model, "release"),
            RELEASE_STAGES,
            "Look at the approvals again, and promote when nothing is missing.",
        ),
    ]
    if declaration.has_time:
        jobs.append(job(job_name(model, "monitoring"), window_stages(stages), "Score, compare and judge one window."))
    return jobs
