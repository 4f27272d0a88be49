"""What the process of a run loads: the model that it runs, and not the fleet.

Dagster starts a process for each run, and for each step with the multiprocess executor, and loads all definitions in it to take
one job from them. Loading the fleet for one model would take longer than most of its steps.

Belongs here: which job needs what. Whatever is not clear is answered from all definitions: a job of the bank's own, assets of
several models, a model that is broken or reads another asset.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.ledger.state.fold import collecting_later
from mlops_assets.orchestration.assets import asset_key, window_partitions
from mlops_assets.orchestration.fleet import fleet_assets, fleet_jobs
from mlops_assets.orchestration.jobs import model_of_job
from mlops_assets.orchestration.parts import Folders, resolved
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.platform import hold_to_policy
from mlops_assets.project import Project

NAME = "__repository__"
"""What Dagster calls the repository of a code location."""
EVERY_ASSET = "__ASSET_JOB"
"""Dagster's job for assets that a person chose in the UI; the choice comes with the run."""


def is_run() -> bool:
    """Whether this process loads definitions again, for a run or a step of one, and does not serve them.

    Dagster tells it to integrations that read from other systems, by a class that it does not promise to keep. Where it is gone,
    a run loads everything, which is slow and right.
    """
    try:
        from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

        return DefinitionsLoadContext.get().load_type is DefinitionsLoadType.RECONSTRUCTION
    except (ImportError, AttributeError):
        return False


class Parts:
    """The parts of the definitions that a run may need, each built when it is asked for.

    Args:
        project: held to its policy.
        resources: of the fleet.
        whole: builds all definitions.
    """

    def __init__(
        self, project: Project, resources: Mapping[str, Any], whole: Callable[[], dg.RepositoryDefinition]
    ) -> None:
        self._project = project
        self._resources = {**project_resources(project.defs), **resources}
        self._build_whole = whole
        self._models: dict[str, dg.RepositoryDefinition | None] = {}

    @cached_property
    def whole(self) -> dg.RepositoryDefinition:
        """Everything."""
        return self._build_whole()

    @cached_property
    def fleet(self) -> dg.RepositoryDefinition:
        """The assets and jobs over all models, with stand-ins for what they depend on."""
        declarations = list(self._project.declarations.values())
        upstream = [dg.AssetSpec(asset_key(d.name, "champion")) for d in declarations]
        upstream += [
            dg.AssetSpec(asset_key(d.name, "health"), partitions_def=window_partitions(d))
            for d in declarations
            if d.has_time
        ]
        return dg.Definitions(
            assets=[*upstream, *fleet_assets(declarations)],
            jobs=fleet_jobs(declarations),
            resources=self._resources,
            executor=dg.in_process_executor,
        ).get_repository_def()

    def of_job(self, name: str) -> dg.RepositoryDefinition:
        """The least that holds a job."""
        model = model_of_job(name)
        if model is not None and (found := self.of_model(model)) is not None and found.has_job(name):
            return found
        return self.fleet if name != EVERY_ASSET and self.fleet.has_job(name) else self.whole

    def of_assets(self, keys: Iterable[dg.AssetKey]) -> dg.RepositoryDefinition:
        """The least that holds assets; checks are those of their assets."""
        models = {key.path[0] for key in keys}
        found = self.of_model(models.pop()) if len(models) == 1 else None
        return found if found is not None else self.whole

    def of_model(self, name: str) -> dg.RepositoryDefinition | None:
        """The assets and jobs of one model; None where they are not all that a run of it needs."""
        if name not in self._models:
            self._models[name] = self._model(name)
        return self._models[name]

    def _model(self, name: str) -> dg.RepositoryDefinition | None:
        model = next((m for m in self._project.models if m.name == name), None)
        if model is None or model.declaration is None:
            return None
        try:
            part = Folders(self._project).model(model)
            # What another asset is partitioned by is known only where that asset is built.
            own = {dg.AssetKey(list(model.declaration.source.key))} if model.declaration.source.asset is None else set()
            if part.upstream() - own:
                return None
            found = resolved(part, {}, self._resources).definitions
            rest = dg.Definitions(
                resources=self._resources, executor=None if found.executor else dg.in_process_executor
            )
            return dg.Definitions.merge(found, rest).get_repository_def()
        except Exception:  # all definitions show what is wrong with it
            return None


class RunRepository(dg.RepositoryDefinition):
    """A repository that builds what a run asks it for."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(NAME, repository_data=_RunData(parts))
        self._parts = parts

    def get_maybe_subset_job_def(
        self,
        job_name: str,
        op_selection: Iterable[str] | None = None,
        asset_selection: AbstractSet[dg.AssetKey] | None = None,
        asset_check_selection: AbstractSet[dg.AssetCheckKey] | None = None,
    ) -> dg.JobDefinition:
        """The job of a run; of the job over all assets, the part that a person chose."""
        chosen = {*(asset_selection or ()), *(check.asset_key for check in asset_check_selection or ())}
        source = self._parts.of_assets(chosen) if job_name == EVERY_ASSET and chosen else self._parts.of_job(job_name)
        return source.get_maybe_subset_job_def(job_name, op_selection, asset_selection, asset_check_selection)


class _RunData(dg.RepositoryData):
    """One job from a part; everything else from all definitions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get_job(self, job_name: str) -> dg.JobDefinition:
        return self._parts.of_job(job_name).get_job(job_name)

    def has_job(self, job_name: str) -> bool:
        return self._parts.of_job(job_name).has_job(job_name)

    def get_all_jobs(self) -> Sequence[dg.JobDefinition]:
        return self._parts.whole.get_all_jobs()

    def get_top_level_resources(self) -> Mapping[str, dg.ResourceDefinition]:
        return self._parts.whole.get_top_level_resources()

    def get_env_vars_by_top_level_resource(self) -> Mapping[str, AbstractSet[str]]:
        return self._parts.whole.get_env_vars_by_top_level_resource()

    def get_all_schedules(self) -> Sequence[dg.ScheduleDefinition]:
        return self._parts.whole.schedule_defs

    def get_all_sensors(self) -> Sequence[dg.SensorDefinition]:
        return self._parts.whole.sensor_defs

    def get_source_assets_by_key(self) -> Mapping[dg.AssetKey, dg.SourceAsset]:
        return self._parts.whole.source_assets_by_key

    def get_assets_defs_by_key(self) -> Mapping[dg.AssetKey, dg.AssetsDefinition]:
        return self._parts.whole.assets_defs_by_key

    def get_asset_checks_defs_by_key(self) -> Mapping[dg.AssetCheckKey, dg.AssetChecksDefinition]:
        return self._parts.whole.asset_checks_defs_by_key


def run_repository(
    defs: Path, resources: Mapping[str, Any], whole: Callable[[], dg.RepositoryDefinition]
) -> RunRepository:
    """The repository of a run's process, of the project with this `defs` folder; `whole` builds all definitions."""
    with collecting_later():
        return RunRepository(Parts(hold_to_policy(Project.load(defs)), resources, whole))
