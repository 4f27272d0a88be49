"""Names that stand for code: the gates, statistics, sources, notifiers, candidates, card sections and reports that are known.

Each is one object in one module, and is registered by one line `name = "module:attribute"` under its kind. The lines come from
four places, all read in the same way:

- `mlops_assets.built_in.BUILT_IN`, for those of this package;
- entry points of installed packages, in the groups `mlops_assets.<kind>`;
- `[tool.mlops_assets.<kind>]` in the project's `pyproject.toml`, read when the project is loaded;
- the argument `extensions` of `build_definitions`, which takes the objects themselves.

An object is imported when it is first used. Not here: what an object of a kind must offer; that is its base class, in the
package that uses it, and `mlops_assets.extensions` offers all of them.
"""

import hashlib
import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from mlops_assets.built_in import BUILT_IN, PACKAGE
from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

KINDS = tuple(BUILT_IN)


class ExtensionError(MlopsAssetsError, ValueError):
    """Something registered cannot be used; the message names it, where it was registered, and what to do."""

    exit_code = WRONG_CALL


class Settings(BaseModel):
    """Base of what a declaration may set for something registered: unknown fields are mistakes; docstrings describe fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Extension:
    """Base of everything that is registered by name.

    Attributes:
        KIND: of the class: one of `KINDS`.
        name: unique within its kind.

    A kind whose objects are named by declarations also has `settings`: a model of what a declaration may set, or None.
    """

    KIND: ClassVar[str]
    name: str

    def objections(self) -> list[str]:
        """What keeps it from being used, a line each; looked at once, when it is first used."""
        return []


T = TypeVar("T", bound=Extension)


@dataclass(frozen=True)
class Registration:
    """One line: a name, the object it stands for, and where the line is.

    Attributes:
        kind: one of `KINDS`.
        name: unique within the kind.
        target: `module:attribute` of the object.
        place: where it was registered, in words.
        built_in: whether it belongs to this package.
    """

    kind: str
    name: str
    target: str
    place: str
    built_in: bool = False

    @property
    def module(self) -> str:
        """Module that holds the object."""
        return self.target.partition(":")[0]

    @property
    def described(self) -> str:
        """In words, for a message."""
        return f"{self.target}, registered in {self.place}"


class _Registry:
    """The lines of one process, with the objects that were imported."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Registration] = {}
        self.given: dict[tuple[str, str], Extension] = {}
        self.loaded: dict[tuple[str, str], tuple[Extension, str]] = {}
        self.generation = 0

    def add(self, line: Registration, given: Extension | None = None) -> None:
        key = (line.kind, line.name)
        known = self.lines.get(key)
        if known is not None:
            # The same object may be named twice, for example by an entry point and by the project itself.
            if known.target == line.target or (given is not None and self.given.get(key) is given):
                return
            raise ExtensionError(
                f"{line.kind}: found {line.name!r} twice: {known.described}; and {line.described}. "
                "Expected each name once: rename one of them"
            )
        self.lines[key] = line
        if given is not None:
            self.given[key] = given
        self.generation += 1

    def load(self, kind: str, name: str) -> tuple[Extension, str]:
        """The object and the digest of the code that was loaded."""
        key = (kind, name)
        if key not in self.loaded:
            line = self.lines[key]
            item = self.given.get(key)
            if item is None:
                item = _imported(line)
            _require_usable(item, line)
            # Taken now: a file that is edited later is not what this process runs.
            self.loaded[key] = (item, code_digest(line.module))
        return self.loaded[key]


def _built_in_registry() -> _Registry:
    registry = _Registry()
    for kind, lines in BUILT_IN.items():
        for name, target in lines.items():
            registry.add(Registration(kind, name, target, PACKAGE, built_in=True))
    return registry


_registry = _built_in_registry()


class Known(Mapping[str, T], Generic[T]):
    """Everything of one kind by name, in order: what this package has first, then the others by place of registration.

    A mapping that changes as more is registered. Looking an object up imports it.
    """

    def __init__(self, base: type[T]) -> None:
        self.base = base

    def __getitem__(self, name: str) -> T:
        _read_entry_points()
        kind = self.base.KIND
        if (kind, name) not in _registry.lines:
            raise KeyError(f"found {name!r} among {kind.replace('_', ' ')}, expected one of {', '.join(self)}")
        item, _ = _registry.load(kind, name)
        assert isinstance(item, self.base)
        return item

    def __iter__(self) -> Iterator[str]:
        _read_entry_points()
        return iter(names_of(self.base.KIND))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def code(self, name: str) -> str | None:
        """SHA-256 of the source file of an object that does not belong to this package; None for one that does, whose
        version is that of the package."""
        self[name]
        kind = self.base.KIND
        return None if _registry.lines[kind, name].built_in else _registry.load(kind, name)[1]

    def codes(self) -> dict[str, str]:
        """`code` of everything that does not belong to this package."""
        found = {name: self.code(name) for name in self if not _registry.lines[self.base.KIND, name].built_in}
        return {name: code for name, code in found.items() if code is not None}


def names_of(kind: str) -> tuple[str, ...]:
    """Names of one kind; nothing is imported."""
    _read_entry_points()
    return tuple(name for other, name in _registry.lines if other == kind)


def target_of(kind: str, name: str) -> str | None:
    """`module:attribute` of a name; None where it is not registered."""
    _read_entry_points()
    line = _registry.lines.get((kind, name))
    return line.target if line is not None else None


def checked_settings(kind: str, name: str, settings: Mapping[str, Any]) -> None:
    """Hold what a declaration sets against what the object of that name takes.

    Raises:
        pydantic.ValidationError: an unknown field, or a value that does not fit.
        ExtensionError: there is no such object, or it cannot be used.
    """
    if name not in names_of(kind):
        raise ExtensionError(f"found {name!r}, expected one of the registered {kind}: {', '.join(names_of(kind))}")
    model: type[BaseModel] | None = getattr(_registry.load(kind, name)[0], "settings", None)
    if model is not None:
        model.model_validate(dict(settings))


def registrations() -> list[Registration]:
    """Every line, kind by kind."""
    _read_entry_points()
    return sorted(_registry.lines.values(), key=lambda line: KINDS.index(line.kind))


def loaded(line: Registration) -> tuple[Extension, str]:
    """The object of a line, imported, and the digest of its code.

    Raises:
        ExtensionError: it cannot be imported, or is not what its kind expects.
    """
    return _registry.load(line.kind, line.name)


def unusable() -> list[str]:
    """A line for everything that is registered, does not belong to this package, and cannot be imported or used."""
    found: list[str] = []
    for line in registrations():
        try:
            _ = None if line.built_in else loaded(line)
        except ExtensionError as error:
            found.append(str(error))
    return found


def generation() -> int:
    """A number that grows with every line: what was read under another one may have to be read again."""
    _read_entry_points()
    return _registry.generation


def register_project(root: Path) -> None:
    """Read the lines `[tool.mlops_assets.<kind>]` of a project's `pyproject.toml`, and make its modules importable.

    Raises:
        ExtensionError: a kind that does not exist, a line of another form, or a name that is taken.
    """
    path = root / "pyproject.toml"
    if not path.is_file():
        return
    tables = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get(PACKAGE, {})
    if tables and str(root) not in sys.path:
        sys.path.append(str(root))
    for kind, lines in tables.items():
        place = f"[tool.{PACKAGE}.{kind}] of {path}"
        if kind not in KINDS or not isinstance(lines, dict):
            raise ExtensionError(
                f"{place}: unknown; expected tables {', '.join(KINDS)} with lines name = 'module:attribute'"
            )
        for name, target in cast("dict[str, Any]", lines).items():
            _add_line(kind, name, target, place)


def register(extensions: Iterable[Extension], place: str) -> None:
    """Register objects that are there already.

    Args:
        extensions: of any kinds.
        place: where they come from, in words.

    Raises:
        ExtensionError: an object of no known kind, one whose module is not known, or a name that is taken.
    """
    for item in extensions:
        kind = getattr(item, "KIND", None)
        if kind not in KINDS:
            raise ExtensionError(
                f"{place}: found {type(item).__name__}, expected objects of the classes in mlops_assets.extensions"
            )
        _add_line(str(kind), item.name, f"{_module_of(item)}:{item.name}", place, item)


@contextmanager
def registered(*extensions: Extension) -> Generator[None, None, None]:
    """Register objects for the time of a block, as a test does."""
    global _registry
    _read_entry_points()
    before = _registry
    _registry = _Registry()
    _registry.lines, _registry.given, _registry.loaded = dict(before.lines), dict(before.given), dict(before.loaded)
    # Never a number that was used before: what was cached inside of another block is not valid in this one.
    _registry.generation = _next_generation()
    try:
        register(extensions, "a block `with registered(...)`")
        yield
    finally:
        _registry = before
        _registry.generation = _next_generation()


def code_digest(module: str) -> str:
    """SHA-256 of a module's source text, with every line end as a line feed.

    Raises:
        ExtensionError: the module has no source file.
    """
    text = source_file(module).read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def source_file(module: str) -> Path:
    """The file of a module.

    Raises:
        ExtensionError: there is no such module, or it has no source file.
    """
    loaded_module = sys.modules.get(module)
    origin = getattr(loaded_module, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError) as error:
            raise ExtensionError(f"module {module!r} cannot be found ({error}); is it installed?") from error
        origin = spec.origin if spec is not None else None
    if origin is None or not Path(origin).is_file():
        raise ExtensionError(f"module {module!r} has no source file, so its version cannot be recorded")
    return Path(origin)


_generations = 0


def _next_generation() -> int:
    global _generations
    _generations = max(_generations, _registry.generation) + 1000
    return _generations


@cache
def _read_entry_points() -> None:
    found = metadata.entry_points()
    for kind in KINDS:
        for point in found.select(group=f"{PACKAGE}.{kind}"):
            owner = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
            _add_line(kind, point.name, point.value, f"the entry points{owner}")


def _add_line(kind: str, name: str, target: Any, place: str, given: Extension | None = None) -> None:
    module, _, attribute = str(target).partition(":")
    if not isinstance(target, str) or not module or not attribute:
        raise ExtensionError(f"{place}: {name}: found {target!r}, expected 'module:attribute'")
    if not name.isidentifier() or name != name.lower():
        raise ExtensionError(f"{place}: found the name {name!r}, expected lower-case letters, digits and underscores")
    _registry.add(Registration(kind, name, target, place), given)


def _imported(line: Registration) -> Any:
    module, _, attribute = line.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module may raise whatever it likes while it is imported
        raise ExtensionError(
            f"{line.kind}: {line.name}: {line.described}, cannot be imported ({type(error).__name__}: {error}). "
            "Correct the module, or remove the line"
        ) from error


def _require_usable(item: Any, line: Registration) -> None:
    if getattr(item, "KIND", None) != line.kind or not isinstance(item, Extension):
        raise ExtensionError(
            f"{line.kind}: {line.name}: {line.described}, is of type {type(item).__name__}; "
            f"expected an object of the class for {line.kind} in mlops_assets.extensions"
        )
    problems = item.objections()
    if item.name != line.name:
        problems = [f"its name is {item.name!r}, expected {line.name!r} as it was registered", *problems]
    if problems:
        raise ExtensionError(f"{line.kind}: {line.name}: {line.described}: {'; '.join(problems)}")


def _module_of(item: Extension) -> str:
    """The module whose source is the code of an object: of its class, or where that is ours, of the functions it was given."""
    own = type(item).__module__
    if not own.startswith(f"{PACKAGE}."):
        return own
    for value in vars(item).values():
        module = getattr(value, "__module__", None) or ""
        if callable(value) and not isinstance(value, type) and module:
            return module
    return own
