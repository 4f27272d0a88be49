"""Parts of a policy, and which of two values of a field is the stricter one.

Every field of a policy carries a `Stricter` mark in its type, so that "a model may tighten, never loosen" is a
property of the field and not of the code that reads it. Does not belong here: the fields themselves (`gates/` and
`policy/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of every part of a policy: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


Direction = Literal["higher", "lower", "true", "false", "more", "fewer", "counts", "ordered", "fixed"]


@dataclass(frozen=True)
class Stricter:
    """How the values of one field compare.

    - `higher`, `lower`: numbers; `None` means "no limit" and is the laxest value of all.
    - `true`, `false`: which truth value is the stricter one.
    - `more`, `fewer`: collections; a stricter one holds all of the other (`more`) or nothing beyond it (`fewer`).
    - `counts`: collections of `(role, count)`; a stricter one requires at least as many of every role.
    - `ordered`: one of `order`, which goes from lax to strict.
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
            "fixed": "no override: it is the same for every model of the tier",
        }[self.direction]


def _count_by_role(rules: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rule in rules:
        role, count = (rule["role"], rule["count"]) if isinstance(rule, Mapping) else (rule.role, rule.count)
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
