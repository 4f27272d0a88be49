"""The one assembly point: a project's `defs` folder to Dagster definitions.

Lenient when serving: a model whose declaration cannot be read is shown as a broken asset with the reason, and leaves
the others running. Strict when checking (`dg check defs`, `dagster definitions validate`): any mistake is an error.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.discovery.settings import DiscoverySettings, read_settings
from mlops_assets.ledger.state.fold import collecting_later
from mlops_assets.orchestration.broken import broken_asset
from mlops_assets.orchestration.discovering import discovery_definitions
from mlops_assets.orchestration.fleet import fleet_assets, fleet_jobs
from mlops_assets.orchestration.parts import Folders, Part, resolved, specs_by_key
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.orchestration.run_repository import is_run, run_repository
from mlops_assets.orchestration.schedules import schedules
from mlops_assets.orchestration.sensors import model_sensors, watch
from mlops_assets.orchestration.sources import source_specs
from mlops_assets.platform import hold_to_policy
from mlops_assets.policy.reading import PolicyError
from mlops_assets.project import FLEET, DeclaredModel, Project, ProjectError, groups_of
from mlops_assets.registration import Extension, register
from mlops_assets.stores.home import be_quiet

DISCOVERY = "Discovery"
"""Stands for a broken `config/discovery.yaml`; no model has such a name."""
VALIDATING = "DAGSTER_IS_DEFS_VALIDATION_CLI"


def build_definitions(
    defs: Path,
    *,
    resources: Mapping[str, Any] | None = None,
    extensions: Sequence[Extension] = (),
    location: str | None = None,
) -> dg.Definitions:
    """Definitions of the project whose models, policy and requirements are in the folder `defs`.

    Args:
        defs: the folder, inside a project with a `pyproject.toml`.
        resources: replace the project's own, for tests.
        extensions: gates, statistics, sources, notifiers, candidates, card sections and reports beside those that entry points
            and the project's `pyproject.toml` name. `mlops` commands do not load these definitions: what they have to know
            (a gate that a policy names, for example) is named there.
        location: only what belongs to this code location: the models of one folder of `models`, or with `fleet` the other models,
            everything over the fleet, and whatever else is in `defs`. None: everything, in one location.

    Raises:
        ExtensionError: an extension that cannot be registered, such as one whose name is taken.
        DagsterInvalidDefinitionError: while validating, when any declaration is wrong, in itself or in view of its data; the
            message has a line each.
    """
    _make_ready(defs, extensions)
    with collecting_later():
        project = hold_to_policy(Project.load(Path(defs)))
        return _whole(project, members_of(project, location), resources or {}, fleet=location in (None, FLEET))


def load_definitions(
    defs: Path,
    *,
    resources: Mapping[str, Any] | None = None,
    extensions: Sequence[Extension] = (),
    location: str | None = None,
) -> dg.Definitions:
    """What a project's `definitions.py` returns: all definitions, or in the process of a run those that the run needs.

    Only for a function under `@dg.definitions` that returns it as it is. Whoever merges definitions calls `build_definitions`; a
    run then loads all of them.

    Args:
        defs: as for `build_definitions`.
        resources: as for `build_definitions`.
        extensions: as for `build_definitions`.
        location: as for `build_definitions`.
    """

    def whole() -> dg.Definitions:
        return build_definitions(defs, resources=resources, extensions=extensions, location=location)

    if not is_run():
        with collecting_later():
            found = whole()
            # Dagster asks for both next, and takes what is there already; the jobs are as many objects again as the assets.
            found.get_repository_def().get_all_jobs()
        return found
    _make_ready(defs, extensions)
    found = run_repository(Path(defs), resources or {}, lambda: whole().get_repository_def())
    # Dagster takes a repository from such a function as well; only the annotation of the decorator does not say so.
    return cast(dg.Definitions, found)


def _make_ready(defs: Path, extensions: Sequence[Extension]) -> None:
    be_quiet()
    register(extensions, "the argument `extensions` of build_definitions")
    # `dagster` and `dg` look for a project's package where they are started; a command of ours must do it itself.
    root = str(Project.root_of(Path(defs)))
    if root not in sys.path:
        sys.path.append(root)


def code_locations(
    defs: Path, *, resources: Mapping[str, Any] | None = None, extensions: Sequence[Extension] = ()
) -> Callable[[str], Any]:
    """The `__getattr__` of a `definitions.py`: one attribute for each code location that `mlops locations` writes.

    Args:
        defs: as for `build_definitions`.
        resources: as for `build_definitions`.
        extensions: as for `build_definitions`.

    Returns:
        A function from the name of a location to its definitions, which are loaded when Dagster calls them.
    """

    def attribute(name: str) -> Any:
        groups = groups_of(Path(defs))
        if not groups or name not in (FLEET, *groups):
            raise AttributeError(f"found no code location {name!r}, expected one of {', '.join((FLEET, *groups))}")
        return dg.definitions(lambda: load_definitions(defs, resources=resources, extensions=extensions, location=name))

    return attribute


def _whole(
    project: Project, models: Sequence[DeclaredModel], resources: Mapping[str, Any], *, fleet: bool
) -> dg.Definitions:
    """The definitions of some models of a project, and of what is over the fleet where that belongs to them."""
    broken = {model.name: model.error for model in models if model.declaration is None}
    paths = {model.name: model.path for model in models}
    own = {**project_resources(project.defs), **resources}
    folders = Folders(project)
    built: list[Part] = []
    for model in models:
        if model.declaration is None:
            continue
        try:
            built.append(folders.model(model))
        except Exception as error:
            broken[model.name] = f"{model.path}: {_root_cause(error)}"
    others = folders.others() if fleet else []
    known = specs_by_key([*built, *others])
    parts: list[Part] = []
    for part in built:
        try:
            parts.append(resolved(part, known, own))
        except Exception as error:
            broken[part.name] = f"{paths[part.name]}: {_root_cause(error)}"
    if os.environ.get(VALIDATING):
        broken |= _mistakes_in_data(models, project)
    settings = DiscoverySettings()
    if fleet:
        try:
            settings = read_settings(project.config)
        except PolicyError as error:
            broken[DISCOVERY] = str(error)
    if broken and os.environ.get(VALIDATING):
        raise dg.DagsterInvalidDefinitionError("\n".join(broken.values()))
    declarations = [m.declaration for m in models if m.declaration is not None and m.name not in broken]
    jobs = {job.name: job for part in parts for job in part.definitions.jobs or ()}
    shared = dg.Definitions(
        assets=[*source_specs(declarations), *(broken_asset(name, reason) for name, reason in broken.items())],
        sensors=model_sensors(declarations, jobs),
        resources=own,
        executor=dg.in_process_executor,
    )
    everything = [d for name, d in project.declarations.items() if name not in broken]
    over_all = [fleet_definitions(everything), discovery_definitions(settings)] if fleet else []
    return dg.Definitions.merge(*(part.definitions for part in (*parts, *others)), shared, *over_all)


def _mistakes_in_data(models: Sequence[DeclaredModel], project: Project) -> dict[str, str]:
    """What is wrong with each readable declaration in view of its data and its model file, where these are on this machine."""
    from mlops_assets.datasets.declared_data import check_data, is_at_hand
    from mlops_assets.training.importing import imported_mistakes

    found: dict[str, list[str]] = {}
    for model in models:
        declaration = model.declaration
        if declaration is None:
            continue
        lines = list(check_data(model, project.root).mistakes) if is_at_hand(declaration) else []
        if declaration.imported is not None and not declaration.imported.in_mlflow:
            lines += imported_mistakes(model, project.root, project.home)
        found[model.name] = lines
    return {name: "\n".join(lines) for name, lines in found.items() if lines}


def fleet_definitions(declarations: Sequence[Declaration]) -> dg.Definitions:
    """What there is once for all models."""
    return dg.Definitions(
        assets=fleet_assets(declarations),
        jobs=fleet_jobs(declarations),
        sensors=[watch],
        schedules=schedules(declarations),
    )


def members_of(project: Project, location: str | None) -> list[DeclaredModel]:
    """The models of a code location; of None, every model.

    Raises:
        ProjectError: there is no such location, or a folder has the name of the location that holds the rest.
    """
    if location is None:
        return list(project.models)
    groups = groups_of(project.defs)
    if FLEET in groups:
        raise ProjectError(f"{project.defs / 'models' / FLEET}: this name is taken by the fleet, expected another one")
    if location not in (FLEET, *groups):
        raise ProjectError(f"found no code location {location!r}, expected one of {', '.join((FLEET, *groups))}")
    return [model for model in project.models if (model.group or FLEET) == location]


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
