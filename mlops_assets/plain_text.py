"""Text that shows what it says: what is refused in declarations and signed statements, and how it is shown elsewhere.

Here because everything above needs it, from the declaration to the command line. Not here: escaping for HTML or Markdown,
which is done where a page is written.
"""

from collections.abc import Mapping
from typing import Any

LONGEST_TEXT = 20_000
"""Characters in one text; what is longer belongs in a document that the text names."""


def refuse_hidden(value: Any, where: str) -> None:
    """Refuse text that would show something else than it says: control characters, reversed writing, endless texts.

    Raises:
        ValueError: naming the place, and the character.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            refuse_hidden(name, f"{where}, a name")
            refuse_hidden(inner, f"{where}, {name}")
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_hidden(inner, where)
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ValueError(
                f"{where}: found {len(value)} characters, expected at most {LONGEST_TEXT}; name a document"
            )
        if hidden := next((c for c in value if is_hidden(c)), None):
            raise ValueError(
                f"{where}: found the character U+{ord(hidden):04X}, which changes how text is shown; expected plain text"
            )


def is_hidden(character: str) -> bool:
    """Whether a character steers a terminal or turns the direction of writing, or is none at all, rather than being written."""
    code = ord(character)
    steers = (code < 32 and character not in "\n\t") or 127 <= code < 160
    half = 0xD800 <= code <= 0xDFFF
    return steers or half or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code in (0x2028, 0x2029)


def shown(text: str) -> str:
    """`text` for a terminal, with control characters and direction marks replaced by their codes."""
    return "".join(f"\\u{ord(c):04x}" if is_hidden(c) else c for c in text)
