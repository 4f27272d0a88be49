"""`workspace.yaml` of a large project: one code location for each folder of models.

Belongs here: which locations there are, and their entries in the file. What a location loads is `orchestration/build.py`'s.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.project import FLEET, Project, groups_of

FILE = "workspace.yaml"
ENTRY = "python_module"


class WorkspaceError(MlopsAssetsError):
    """The file cannot be written as it is; the message names it, what was found and what is expected."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Location:
    """One code location.

    Attributes:
        name: as Dagster shows it.
        attribute: of the module, by which Dagster loads it; empty: the module's own definitions.
        models: how many models it holds.
    """

    name: str
    attribute: str
    models: int


def module_of(root: Path) -> str:
    """The module that Dagster loads, as the project's `pyproject.toml` names it."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings.get("tool", {}).get("dg", {}).get("project", {})
    module = project.get("code_location_target_module")
    return module or f"{project['root_module']}.definitions"


def locations_of(project: Project, name: str) -> list[Location]:
    """The code locations of a project: one for each folder of models, after the one with everything else.

    Args:
        project: whose models are counted.
        name: of the location that holds everything else; of the only one in a project without such folders.

    Raises:
        WorkspaceError: two locations would have one name.
    """
    groups = groups_of(project.defs)
    if not groups:
        return [Location(name, "", len(project.models))]
    taken = [group for group in groups if group in (name, FLEET)]
    if taken:
        raise WorkspaceError(
            f"{project.defs / 'models' / taken[0]}: the location of the fleet has this name, expected another for the folder"
        )
    count = Counter(model.group for model in project.models)
    return [Location(name, FLEET, count[""]), *(Location(group, group, count[group]) for group in groups)]


def written(project: Project) -> tuple[list[Location], str]:
    """The locations, and the text of `workspace.yaml` with them; everything in the file that is not about them stays.

    An entry of this project's module is replaced by one for each location. What it says beside attribute and name, such as a
    `working_directory`, is in each of them.

    Raises:
        WorkspaceError: the file is no list of code locations in block style.
    """
    path, module = project.root / FILE, module_of(project.root)
    package = module.partition(".")[0]
    if not path.is_file():
        locations = locations_of(project, package)
        return locations, "load_from:\n" + _entries(locations, {"module_name": module}, {}, "  ")
    text = path.read_text(encoding="utf-8")
    found = _items(path, text)
    values = (yaml.safe_load(text) or {}).get("load_from") or []
    ours = [i for i, value in enumerate(values) if _module(value) == module]
    own = {values[i][ENTRY].get("attribute") or "": dict(values[i][ENTRY]) for i in ours}
    first = dict(values[ours[0]][ENTRY]) if ours else {}
    main = own.get(FLEET) or own.get("") or first
    locations = locations_of(project, main.get("location_name") or package)
    shared = {"module_name": module, **{k: v for k, v in main.items() if k not in ("attribute", "location_name")}}
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    places = [(found[i].start_mark.line, _last_line(found[i]) + 1, found[i].start_mark.column) for i in ours]
    if places:
        begin, column = places[0][0], places[0][2]
    else:
        begin = _last_line(found[-1]) + 1
        column = found[-1].start_mark.column
    for start, end, _ in reversed(places):
        del lines[start:end]
    lines.insert(begin, _entries(locations, shared, own, " " * (column - 2)))
    return locations, "".join(lines)


def _items(path: Path, text: str) -> list[yaml.Node]:
    """The nodes of the code locations."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise WorkspaceError(f"{path}: not YAML: {error}") from error
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    listed = next((value for key, value in pairs if key.value == "load_from"), None)
    if not isinstance(listed, yaml.SequenceNode) or listed.flow_style or not listed.value:
        raise WorkspaceError(
            f"{path}: expected `load_from:` with a list of code locations, each on lines of its own that begin with `-`"
        )
    return list(listed.value)


def _module(value: Any) -> str | None:
    entry = value.get(ENTRY) if isinstance(value, dict) else None
    return entry.get("module_name") if isinstance(entry, dict) else None


def _last_line(node: yaml.Node) -> int:
    """The last line with a value of the node; comments after it belong to what follows."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return max(_last_line(value) for value in node.value)
    return node.end_mark.line


def _entries(locations: list[Location], shared: dict[str, Any], own: dict[str, dict[str, Any]], indent: str) -> str:
    """The entries as YAML; one that is there already keeps what it says of its own."""
    made = []
    for location in locations:
        kept = {k: v for k, v in own.get(location.attribute, {}).items() if k not in ("attribute", "location_name")}
        entry = {**shared, **kept, **({"attribute": location.attribute} if location.attribute else {})}
        entry["location_name"] = location.name
        made.append({ENTRY: entry})
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return "".join(f"{indent}{line}" for line in text.splitlines(keepends=True))
