"""A bank's project on disk: where its root is, which models it declares, and what is wrong with a declaration.

Reading is lenient: every `models/<name>/defs.yaml` gives either a declaration or an explained error, so that one broken
model never hides the others. Whether an error stops anything is decided by whoever asks.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.registration import generation, register_project
from mlops_assets.stores.home import Home

FLEET = "fleet"
"""Name of what is over all models, and the attribute of its code location in a project that has several."""
COMPONENT_TYPE = "mlops_assets.GovernedModel"
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, which is ten times as fast and knows lines as well; the one in Python where PyYAML was built without it."""
MOST_VALUES = 100_000
"""Values that a declaration or a policy may hold, aliases written out."""


class ProjectError(MlopsAssetsError):
    """The folder is not a project, or a model that was named is not declared in it."""

    exit_code = WRONG_CALL


class DeclarationError(MlopsAssetsError):
    """A declaration that cannot be read; the text names file, line, field, what was found and what was expected."""


@dataclass(frozen=True)
class DeclaredModel:
    """One `defs.yaml`: the declaration, or the reason why there is none."""

    name: str
    path: Path
    declaration: Declaration | None = None
    error: str = ""

    @property
    def group(self) -> str:
        """The folder that it shares with other models; empty where it is directly in `models`."""
        above = self.path.parent.parent
        return above.name if above.parent.name == "models" else ""


@dataclass(frozen=True)
class Project:
    """A project: its root, and its `defs` folder with the models, and the `config` folder beside it."""

    root: Path
    defs: Path
    models: tuple[DeclaredModel, ...] = field(default=())

    @classmethod
    def load(cls, defs: Path) -> "Project":
        """Read the project to which the folder `defs` belongs, after registering the extensions that its `pyproject.toml` names.

        Raises:
            ProjectError: no `pyproject.toml` above the folder.
            ExtensionError: an extension that cannot be registered.
        """
        defs = defs.resolve()
        root = cls.root_of(defs)
        register_project(root)
        return cls(root, defs, _once(read_model(path) for path in declared_files(defs)))

    @staticmethod
    def root_of(defs: Path) -> Path:
        """The folder with the `pyproject.toml` of the project to which the folder `defs` belongs."""
        root = next((p for p in defs.resolve().parents if (p / "pyproject.toml").is_file()), None)
        if root is None:
            raise ProjectError(f"{defs}: no pyproject.toml in any folder above it, so the project's root is unknown")
        return root

    @classmethod
    def find(cls, start: Path) -> "Project":
        """The project around the folder `start`, as its `[tool.dg.project]` describes it."""
        for folder in (start.resolve(), *start.resolve().parents):
            pyproject = folder / "pyproject.toml"
            if not pyproject.is_file():
                continue
            settings = tomllib.loads(pyproject.read_text()).get("tool", {}).get("dg", {}).get("project")
            if settings:
                module = settings.get("defs_module") or f"{settings['root_module']}.defs"
                parts = module.split(".")
                defs = next((p for p in (folder.joinpath(*parts), folder.joinpath("src", *parts)) if p.is_dir()), None)
                if defs is None:
                    raise ProjectError(f"{pyproject}: names the module {module}, but there is no such folder")
                return cls.load(defs)
        raise ProjectError(
            f"{start}: no pyproject.toml with [tool.dg.project] here or above; run this inside a project, "
            "or name its folder with --project"
        )

    @property
    def config(self) -> Path:
        """Folder beside `defs` with what is no definition: policy, requirement profiles, declared hours."""
        return self.defs.parent / "config"

    @cached_property
    def home(self) -> Home:
        """The project's stores."""
        return Home.of(self.root)

    @cached_property
    def declarations(self) -> dict[str, Declaration]:
        """The readable declarations by model name."""
        return {m.name: m.declaration for m in self.models if m.declaration is not None}

    @cached_property
    def broken(self) -> dict[str, str]:
        """The errors of the unreadable declarations by model name."""
        return {m.name: m.error for m in self.models if m.declaration is None}

    def declaration(self, model: str) -> Declaration:
        """The declaration of `model`.

        Raises:
            ProjectError: the model is broken or not declared.
        """
        if model in self.broken:
            raise ProjectError(f"{model}: its declaration cannot be read: {self.broken[model]}")
        if model not in self.declarations:
            known = ", ".join(m.name for m in self.models) or "none"
            raise ProjectError(f"{model}: no such model; declared are: {known}")
        return self.declarations[model]


def declared_files(defs: Path) -> list[Path]:
    """Every declaration of a project: `models/<name>/defs.yaml`, and in a large one `models/<group>/<name>/defs.yaml`."""
    models = defs / "models"
    grouped = (path for group in groups_of(defs) for path in (models / group).glob("*/defs.yaml"))
    return sorted([*models.glob("*/defs.yaml"), *grouped])


def groups_of(defs: Path) -> list[str]:
    """The folders of `models` that hold models and are none themselves, by name."""
    folders = {path.parent.parent for path in (defs / "models").glob("*/*/defs.yaml")}
    return sorted(folder.name for folder in folders if not (folder / "defs.yaml").exists())


def _once(models: Iterable[DeclaredModel]) -> tuple[DeclaredModel, ...]:
    """The models, with every later one of a name that is taken as an error."""
    first: dict[str, DeclaredModel] = {}
    found = []
    for model in models:
        taken = first.setdefault(model.name, model)
        if taken is not model:
            error = (
                f"{model.path}:1: name: {model.name!r} is the model of {taken.path}; each model has a name of its own"
            )
            model = DeclaredModel(model.path.parent.name, model.path, error=error)
        found.append(model)
    return tuple(found)


def read_model(path: Path) -> DeclaredModel:
    """Read one `defs.yaml`; an error becomes part of the answer."""
    name = path.parent.name
    try:
        declaration = read_declaration(path)
    except DeclarationError as error:
        return DeclaredModel(name, path, error=str(error))
    return DeclaredModel(declaration.name, path, declaration)


def read_declaration(path: Path) -> Declaration:
    """The declaration in `path`.

    Raises:
        DeclarationError: every mistake, a line each.
    """
    try:
        # A pipe or a device would never end.
        if not path.is_file():
            raise DeclarationError(f"{path}:1: found no regular file, expected a declaration in YAML")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}:1: cannot be read ({error}), expected YAML in UTF-8") from error
    return _declaration(path, text, generation())


# Every stage asks for the declarations anew, so that a change counts at once; the same text is read once, as long as the same
# extensions are registered.
@lru_cache(maxsize=4096)
def _declaration(path: Path, text: str, _generation: int) -> Declaration:
    try:
        node, content, wrong = parsed(text)
        if wrong:
            raise DeclarationError(f"{path}:{wrong}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise DeclarationError(f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}") from error
    except RecursionError as error:
        raise DeclarationError(
            f"{path}:1: found values inside of each other some hundred times, expected fewer"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("attributes"), dict):
        raise DeclarationError(f"{path}:1: found no `attributes:` mapping, expected `type: {COMPONENT_TYPE}` and one")
    try:
        return named(Declaration.model_validate(content["attributes"]), path.parent.name)
    except ValidationError as error:
        raise DeclarationError("\n".join(explain(error, path, node, ("attributes",)))) from error


def named(declaration: Declaration, folder: str) -> Declaration:
    """The declaration with its folder's name where it has none of its own."""
    if declaration.name:
        return declaration
    return Declaration.model_validate({**declaration.model_dump(), "name": folder})


def explain(error: ValidationError, path: Path, node: yaml.Node | None, prefix: Sequence[str | int]) -> list[str]:
    """One line for each mistake: file, line, field, what was found and what is expected."""
    lines = []
    for problem in error.errors():
        location = [*prefix, *(part for part in problem["loc"] if not _is_validator_name(part))]
        line = line_of(node, location)
        found = "" if problem["type"] in ("missing", "value_error") else f", found {problem['input']!r:.80}"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message, found = "unknown field" + _suggestion(str(problem["loc"][-1]), location), ""
        lines.append(
            f"{path}:{line}: {'.'.join(str(p) for p in location[len(prefix) :]) or 'declaration'}: {message}{found}"
        )
    return lines


def parsed(text: str) -> tuple[yaml.Node | None, Any, str]:
    """A YAML document as nodes, which know their lines, as plain values, and what is wrong with it (then without values).

    Raises:
        yaml.YAMLError: it is not YAML.
        RecursionError: its values are too deep inside of each other.
    """
    try:
        return _parsed(text, SafeLoader)
    except yaml.YAMLError:
        # The parser in Python names the line where the mistake is, and takes what Dagster's reader takes.
        return _parsed(text, yaml.SafeLoader)


def _parsed(text: str, kind: Any) -> tuple[yaml.Node | None, Any, str]:
    loader = kind(text)
    node = None
    try:
        node = loader.get_single_node()
        if wrong := yaml_objection(node):
            return node, None, wrong
        if node is None:
            return None, None, ""
        return node, loader.construct_document(node), ""
    except (ValueError, AttributeError, TypeError, OverflowError):
        # What PyYAML's constructors end in for `2026-02-30` or `!!int ten`.
        return node, None, _no_value(loader, node) if node is not None else "1: found no YAML document"
    finally:
        loader.dispose()


def _no_value(loader: Any, root: yaml.Node) -> str:
    """Line and text of the first value that is not of the type it is written as."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except (ValueError, AttributeError, TypeError, OverflowError):
                kind = node.tag.rpartition(":")[2]
                return (
                    f"{node.start_mark.line + 1}: found {node.value!r:.80}, which is no {kind}; quote it if it is text"
                )
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in reversed(node.value) for part in reversed(pair)]
    return f"{root.start_mark.line + 1}: found values that are not of the types they are written as"


def yaml_objection(root: yaml.Node | None) -> str:
    """Line and what is wrong with a YAML document that can be read and should not be; empty where nothing is.

    A key written twice, of which YAML lets the second win in silence; an alias inside of what it stands for; aliases that
    make a few lines into more values than any computer holds.
    """
    sizes: dict[int, int] = {}

    def look(node: yaml.Node | None, location: tuple[str, ...]) -> str:
        """Sizes are counted as aliases repeat them, and each node is looked at once; a node on the way counts as too large."""
        if node is None or id(node) in sizes:
            return ""
        sizes[id(node)] = MOST_VALUES
        children: list[tuple[yaml.Node, tuple[str, ...]]] = []
        if isinstance(node, yaml.SequenceNode):
            children = [(child, location) for child in node.value]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in lines:
                    return f"{line}: {'.'.join((*location, name))}: written twice (line {lines[name]}), expected once"
                lines[name] = line
                children.append((value, (*location, name)))
        size = 1
        for child, where in children:
            if found := look(child, where):
                return found
            size += sizes[id(child)]
            if size > MOST_VALUES:
                line = child.start_mark.line + 1
                return f"{line}: {'.'.join(where)}: aliases repeat more than {MOST_VALUES} values, expected them written out"
        sizes[id(node)] = size
        return ""

    try:
        return look(root, ())
    except RecursionError:
        return "1: found values inside of each other some hundred times, expected fewer"


def line_of(node: yaml.Node | None, location: Sequence[str | int]) -> int:
    """Line of the value at `location`, or of the deepest part of it that exists."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                return line
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            item: yaml.Node = node.value[part]
            node, line = item, item.start_mark.line + 1
        else:
            return line
    return line


def _is_validator_name(part: Any) -> bool:
    # Pydantic puts the name of a wrapping validator into the path, for example "function-before[...]".
    return isinstance(part, str) and "[" in part


def _suggestion(name: str, location: Sequence[str | int]) -> str:
    import difflib

    if len(location) != 2:
        return ""
    close = difflib.get_close_matches(name, Declaration.model_fields, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(Declaration.model_fields)}"
