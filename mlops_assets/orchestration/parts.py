"""Parts of the fleet's definitions: one for each model, with jobs that are resolved within it.

Dagster resolves an asset job by a look at every asset of the definitions that the job is in. Three jobs a model over the assets
of the fleet grow with the square of the number of models; within its own part, a job costs the same in a fleet of any size.

Belongs here: how a part is built and resolved. What is in it is the component's; how parts become a fleet is `build.py`'s.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import dagster as dg

from mlops_assets.orchestration.component import GovernedModel
from mlops_assets.orchestration.jobs import job_name
from mlops_assets.pipeline.due import Activity
from mlops_assets.project import COMPONENT_TYPE, DeclaredModel, Project


@dataclass(frozen=True)
class Part:
    """What one folder contributes.

    Attributes:
        name: of the model, or of the folder.
        definitions: of the folder.
    """

    name: str
    definitions: dg.Definitions

    def specs(self) -> Iterator[dg.AssetSpec]:
        """The specs of its assets."""
        for asset in self.definitions.assets or ():
            if isinstance(asset, dg.AssetSpec):
                yield asset
            elif isinstance(asset, dg.AssetsDefinition):
                yield from asset.specs

    def upstream(self) -> set[dg.AssetKey]:
        """Keys that its assets depend on and that are not its own."""
        specs = list(self.specs())
        return {dep.asset_key for spec in specs for dep in spec.deps} - {spec.key for spec in specs}


class Folders:
    """The folders of a project, as parts.

    Args:
        project: whose folders they are.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._tree = dg.ComponentTree.for_project(project.defs)

    def model(self, model: DeclaredModel) -> Part:
        """The part of a declared model, its jobs not resolved yet."""
        if model.declaration is not None and is_plain(model.path):
            return Part(model.name, GovernedModel(model.declaration).definitions(model.path))
        return Part(model.name, self._definitions(model.path.parent.relative_to(self._project.defs)))

    def others(self) -> list[Part]:
        """Whatever else a bank keeps in `defs/`: plain Dagster definitions beside the models."""
        folders = [p for p in sorted(self._project.defs.iterdir()) if p.is_dir() and p.name != "models"]
        return [
            Part(p.name, self._definitions(Path(p.name)))
            for p in folders
            if any(p.rglob("*.py")) or any(p.rglob("defs.yaml"))
        ]

    def _definitions(self, folder: Path) -> dg.Definitions:
        # A tree over the whole `defs` reads every YAML in it before it builds any, so that one that is no YAML at all would
        # take the others down. Each model is a tree of its own.
        module = importlib.import_module(".".join([self._tree.defs_module_name, *folder.parts]))
        own = dg.ComponentTree(defs_module=module, project_root=self._tree.project_root)
        return own.build_defs_at_path(self._project.defs / folder)


def is_plain(path: Path) -> bool:
    """Whether a `defs.yaml` holds a declaration and nothing else that Dagster knows of.

    The project has read such a declaration already; Dagster's own reader takes as long as all the rest of the model. Whatever
    has another type, more keys, templates, several documents or Python beside it is Dagster's to read.
    """
    text = path.read_text(encoding="utf-8")
    outermost = [line.partition(" #")[0].rstrip() for line in text.splitlines() if line[:1] not in ("", " ", "#")]
    alone = [p.name for p in path.parent.iterdir() if p.name not in ("__pycache__", "__init__.py")] == [path.name]
    return alone and "{{" not in text and sorted(outermost) == ["attributes:", f"type: {COMPONENT_TYPE}"]


def specs_by_key(parts: Iterable[Part]) -> dict[dg.AssetKey, dg.AssetSpec]:
    """The assets of several parts."""
    return {spec.key: spec for part in parts for spec in part.specs()}


def resolved(part: Part, known: Mapping[dg.AssetKey, dg.AssetSpec], resources: Mapping[str, Any]) -> Part:
    """A model's part with its jobs resolved, which finds what would otherwise take the whole code location down.

    Args:
        part: of the model.
        known: assets of the fleet, of which the job sees what is directly upstream.
        resources: of the fleet.

    Raises:
        Exception: whatever Dagster finds wrong with it.
    """
    found = part.definitions
    # A stand-in with the partitions of the real one, so that a dependency is mapped as it is in the whole graph.
    outside = [
        dg.AssetSpec(key, partitions_def=known[key].partitions_def) for key in sorted(part.upstream()) if key in known
    ]
    own = dg.Definitions(
        assets=outside, resources=resources, executor=None if found.executor else dg.in_process_executor
    )
    repository = dg.Definitions.merge(found, own).get_repository_def()
    if found.sensors or found.schedules:
        # They may name a job as it is before it is resolved.
        return part
    names = {job_name(part.name, activity) for activity in get_args(Activity)}
    jobs = [repository.get_job(job.name) if job.name in names else job for job in found.jobs or ()]
    return Part(
        part.name,
        dg.Definitions(
            assets=found.assets,
            asset_checks=found.asset_checks,
            jobs=jobs,
            resources=found.resources,
            executor=found.executor,
            loggers=found.loggers,
            metadata=found.metadata,
            component_tree=found.component_tree,
        ),
    )
