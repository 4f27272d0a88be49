"""Parts of a policy, and which of two values of a field is the stricter one.

Every field of a policy carries a `Stricter` mark in its type, so that "a model may tighten, never loosen" is a
property of the field and not of the code that reads it. Does not belong here: the fields themselves (`gates/` and
`policy/`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from mlops_assets.registration import generation


class Part(BaseModel):
    """Base of every part of a policy: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class OpenPart(Part, ABC):
    """A part with a field for each thing of a kind that is registered: an unregistered name is an unknown field."""

    _current: ClassVar[tuple[int, type[BaseModel]] | None] = None

    @classmethod
    @abstractmethod
    def parts(cls) -> Mapping[str, tuple[type[Part], str]]:
        """Name to the type of its field and a description, of everything registered now."""

    @classmethod
    def current(cls) -> type[Self]:
        """This class with the fields of everything registered now; each has its type's defaults."""
        now = generation()
        if cls._current is None or cls._current[0] != now:
            fields: dict[str, Any] = {
                name: (kind, Field(default_factory=kind, description=text))
                for name, (kind, text) in cls.parts().items()
            }
            cls._current = (now, create_model(cls.__name__, __base__=cls, __doc__=cls.__doc__, **fields))
        return cls._current[1]  # pyright: ignore[reportReturnType]

    @classmethod
    def read(cls, value: Any) -> Any:
        """A value of `current()`, for a validator of the field that holds it."""
        model = cls.current()
        if isinstance(value, cls):
            return value if type(value) is model else model.model_validate(value.model_dump())
        return model.model_validate(value)


def unmarked(rule: type[BaseModel]) -> list[str]:
    """A line for every field of a rule that a policy could not hold: without default, docstring or `Stricter` mark."""
    problems: list[str] = []
    for name, field in rule.model_fields.items():
        lacking = [
            text
            for text, missing in (
                ("a default", field.is_required()),
                ("a docstring below it", not field.description),
                ("a type of mlops_assets.strictness", not any(isinstance(m, Stricter) for m in field.metadata)),
            )
            if missing
        ]
        problems += [f"field {name} of {rule.__name__} needs {' and '.join(lacking)}"] if lacking else []
    return problems


Direction = Literal["higher", "lower", "true", "false", "more", "fewer", "counts", "ordered", "slower", "fixed"]


@dataclass(frozen=True)
class Stricter:
    """How the values of one field compare.

    - `higher`, `lower`: numbers; `None` means "no limit" and is the laxest value of all.
    - `true`, `false`: which truth value is the stricter one.
    - `more`, `fewer`: collections; a stricter one holds all of the other (`more`) or nothing beyond it (`fewer`).
    - `counts`: collections of `(role, count)`; a stricter one requires at least as many of every role.
    - `ordered`: one of `order`, which goes from lax to strict.
    - `slower`: growing shares; a stricter list has at least as many steps, and at each step no larger share.
    - `fixed`: cannot be overridden, because neither direction is stricter.
    """

    direction: Direction
    order: tuple[str, ...] = ()

    def allows(self, base: Any, value: Any) -> bool:
        """Whether `value` is as strict as `base`, or stricter."""
        if value == base:
            return True
        match self.direction:
            case "higher" | "lower":
                if value is None or base is None:
                    return base is None
                return value > base if self.direction == "higher" else value < base
            case "true":
                return bool(value)
            case "false":
                return not value
            case "more":
                return set(base) <= set(value)
            case "fewer":
                return set(value) <= set(base)
            case "counts":
                required = _count_by_role(value)
                return all(required.get(role, 0) >= count for role, count in _count_by_role(base).items())
            case "ordered":
                return self.order.index(value) >= self.order.index(base)
            case "slower":
                return len(value) >= len(base) and all(
                    ours <= theirs for ours, theirs in zip(value, base, strict=False)
                )
            case "fixed":
                return False

    @property
    def expectation(self) -> str:
        """What an override must be, in words that go after "expected"."""
        return {
            "higher": "that value or a higher one",
            "lower": "that value or a lower one",
            "true": "true",
            "false": "false",
            "more": "all of those, or more",
            "fewer": "those, or fewer",
            "counts": "at least as many of each role",
            "ordered": f"that or a later one of {', '.join(self.order)}",
            "slower": "at least as many steps, none with a larger share",
            "fixed": "no override: it is the same for every model of the tier",
        }[self.direction]


def _count_by_role(rules: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rule in rules:
        role, count = (rule.role, rule.count) if hasattr(rule, "role") else (rule["role"], rule["count"])
        counts[role] = counts.get(role, 0) + count
    return counts


HigherFloat = Annotated[float, Stricter("higher")]
LowerFloat = Annotated[float, Stricter("lower")]
HigherInt = Annotated[int, Stricter("higher")]
LowerInt = Annotated[int, Stricter("lower")]
HigherLimit = Annotated[float | None, Stricter("higher")]
LowerLimit = Annotated[float | None, Stricter("lower")]
TrueStricter = Annotated[bool, Stricter("true")]
FalseStricter = Annotated[bool, Stricter("false")]
