"""The kinds of content that a card or a page consists of.

Markdown and HTML are written from the same blocks, so that they never differ. Not here: where the content comes from,
and how it looks.
"""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "good", "warn", "bad", "muted"]
SectionStatus = Literal["present", "missing", "not_applicable"]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of plain text."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    """Label and value pairs."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bullets:
    """A list of sentences under an optional heading."""

    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text; `numeric` names the columns set flush right, `tones` colours whole rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    numeric: tuple[int, ...] = ()
    tones: tuple[Tone, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A picture as SVG text, with a text that describes it."""

    name: str
    title: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Missing:
    """Evidence that is required here and was not supplied."""

    what: str


Block = Paragraph | Facts | Bullets | Table | Figure | Missing


@dataclass(frozen=True)
class Section:
    """A titled part of a card; `key` is its anchor and its name in the requirement profiles, `code` the SHA-256 of the source of
    a section that does not belong to this package."""

    key: str
    title: str
    status: SectionStatus
    blocks: tuple[Block, ...]
    code: str | None = None
