"""Turns fields, types and docstrings of the code into text and tables of Markdown. Nothing here knows which page it is for."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

WORDS = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    date: "date",
    datetime: "time",
    dict: "mapping",
}
BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}


class Undescribed(ValueError):
    """A public field, option or name of the code has no description."""


@dataclass(frozen=True)
class FieldText:
    """One field, ready to be shown.

    Attributes:
        name: of the field.
        type: in words.
        default: as it would be written in YAML; `required` where there is none.
        meaning: the description.
        models: classes that the type names and that have fields of their own.
    """

    name: str
    type: str
    default: str
    meaning: str
    models: tuple[Any, ...]


def fields_of(model: type) -> list[FieldText]:
    """Every field of a pydantic model or a dataclass.

    Raises:
        Undescribed: a field has neither a docstring of its own nor an entry under "Attributes:" of its class.
    """
    texts = attributes_of(model)
    if issubclass(model, BaseModel):
        hints = typing.get_type_hints(model, include_extras=True)
        found = [
            (name, hints[name], field.description or texts.get(name, ""), _default(field.get_default(call_default_factory=True)), field.metadata)
            for name, field in model.model_fields.items()
        ]  # fmt: skip
    else:
        hints = typing.get_type_hints(model, include_extras=True)
        found = [
            (field.name, hints[field.name], texts.get(field.name, ""), _default(_of_dataclass(field)), ())
            for field in dataclasses.fields(model)
        ]
    missing = [name for name, _, meaning, _, _ in found if not meaning.strip()]
    if missing:
        raise Undescribed(f"{model.__module__}.{model.__qualname__}: no description of {', '.join(missing)}")
    return [
        FieldText(name, _bounded(type_text(hint), metadata), default, sentence(one_paragraph(meaning)), models_in(hint))
        for name, hint, meaning, default, metadata in found
    ]


def attributes_of(model: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say under "Attributes:"."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.partition(".")[0] == "mlops_assets" and base.__doc__:
            texts |= section(base.__doc__, "Attributes")
    return texts


def section(docstring: str, title: str) -> dict[str, str]:
    """The entries `name: text` of one section of a docstring; `a, b: text` counts for each name."""
    lines = inspect.cleandoc(docstring).splitlines()
    if f"{title}:" not in lines:
        return {}
    entries: dict[str, str] = {}
    current: list[str] = []
    for line in lines[lines.index(f"{title}:") + 1 :]:
        if line and not line.startswith(" "):
            break
        entry = re.match(r"^ {4}([\w.*, ]+): (.+)$", line)
        if entry:
            current = [name.strip() for name in entry[1].split(",")]
            entries |= dict.fromkeys(current, entry[2])
        elif current and line.strip():
            entries |= {name: f"{entries[name]} {line.strip()}" for name in current}
    return entries


def summary(thing: Any) -> str:
    """The docstring before its first section, paragraph by paragraph.

    Raises:
        Undescribed: there is no docstring.
    """
    text = inspect.cleandoc(thing.__doc__ or "")
    if not text or (dataclasses.is_dataclass(thing) and text.startswith(f"{getattr(thing, '__name__', '')}(")):
        raise Undescribed(f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}: no docstring")
    kept = re.split(r"^(?:Attributes|Args|Returns|Raises|Example|Yields):$", text, maxsplit=1, flags=re.MULTILINE)[0]
    return "\n\n".join(_unwrapped(paragraph) for paragraph in kept.strip().split("\n\n"))


def _unwrapped(paragraph: str) -> str:
    """One line, unless the paragraph is a list."""
    return paragraph if re.match(r"^\s*(-|\d+\.) ", paragraph) else one_paragraph(paragraph)


def one_paragraph(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def type_text(hint: Any) -> str:
    """A type in words that a reader of YAML knows."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        short = next(
            (m.json_schema_input_type for m in hint.__metadata__ if _is_set(m, "json_schema_input_type")), None
        )
        return type_text(short if short is not None else inner[0])
    if origin is Literal:
        return listed(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        kept = [type_text(one) for one in inner if one is not type(None)]
        return listed([*dict.fromkeys(kept), *(["nothing"] if type(None) in inner else [])])
    if origin in (tuple, list, set, frozenset, Sequence, Collection):
        members = [one for one in inner if one is not Ellipsis]
        return f"list of {' or '.join(dict.fromkeys(type_text(one) for one in members))}" if members else "list"
    if origin in (dict, Mapping):
        return f"mapping of {type_text(inner[0])} to {type_text(inner[1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return listed(f"`{member.value}`" for member in hint)
    if hint is Any:
        return "anything"
    return WORDS.get(hint, f"`{getattr(hint, '__name__', hint)}`")


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def sentence(text: str) -> str:
    """Text that begins with a capital letter, unless it begins with a name in code."""
    return text[:1].upper() + text[1:]


def models_in(hint: Any) -> tuple[type, ...]:
    """Classes with fields of their own that a type names, each once."""
    if isinstance(hint, type) and not get_args(hint):
        return (hint,) if issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint) else ()
    return tuple(dict.fromkeys(model for part in get_args(hint) for model in models_in(part)))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; bars inside a cell are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _is_set(metadata: Any, name: str) -> bool:
    return getattr(metadata, name, PydanticUndefined) not in (PydanticUndefined, None)


def _bounded(text: str, metadata: Iterable[Any]) -> str:
    bounds = [words.format(getattr(m, name)) for m in metadata for name, words in BOUNDS.items() if _is_set(m, name)]
    return f"{text}, {' and '.join(bounds)}" if bounds else text


def _of_dataclass(field: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else PydanticUndefined


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "nothing"
    if isinstance(value, BaseModel):
        return "see below"
    return yaml_text(value)


def yaml_text(value: Any) -> str:
    """A value as one would write it in YAML, between backticks."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None:
        return "no limit"
    if isinstance(value, BaseModel):
        shown = value.model_dump(mode="json")
        if set(shown) == {"role", "count"}:
            return f"{shown['count']} × {shown['role']}"
        return "`{" + ", ".join(f"{k}: {v}" for k, v in shown.items() if v not in (None, {}, [])) + "}`"
    if isinstance(value, tuple | list):
        return ", ".join(yaml_text(one) for one in value) if value else "none"
    if isinstance(value, Mapping):
        return "none" if not value else f"`{dict(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{value}`" if value != "" else "empty"
