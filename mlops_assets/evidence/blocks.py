"""The few kinds of content a page is made of.

A card says everything once, in blocks; Markdown and HTML walk the same blocks, so that the two can never tell different
stories. Nothing here knows where the content comes from or what it will look like.
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
    """A picture as SVG text, with what it shows in words for those who cannot see it."""

    name: str
    title: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Missing:
    """Evidence that should be here and was not supplied."""

    what: str


Block = Paragraph | Facts | Bullets | Table | Figure | Missing


@dataclass(frozen=True)
class Section:
    """A titled part of a card; `key` is its anchor and its name in the requirement profiles."""

    key: str
    title: str
    status: SectionStatus
    blocks: tuple[Block, ...]
