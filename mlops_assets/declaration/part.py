"""The base of every part of a declaration: unknown fields are refused, and nothing changes after reading."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of every part of a declaration: unknown fields are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
