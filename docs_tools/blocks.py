"""The code blocks of the pages, for the tests that run or check every one of them.

A comment on the line before a block says how it is tested; readers do not see it:

- `<!-- test: run -->`: the lines are run in the project of the page, in order; `<!-- test: run, exit 1 -->` expects that code.
- `<!-- test: output -->`: what the block before prints; `…` stands for anything, and lines may be left out between.
- `<!-- test: file PATH -->`: the block is the content of that file, which the page tells the reader to write.
- `<!-- test: policy -->`, `<!-- test: declaration -->`: YAML that is a part of a policy or of a declaration.
- `<!-- test: not run, REASON -->`: a block that cannot be run in a test.

Without a comment, `mlops` and `dg` lines of an `sh` block go through the real argument parsers, YAML is read by the real models, and
Python is compiled.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"(?:^[ \t]*<!-- test: (?P<tag>[^>]*?) -->[ \t]*\n)?"
    r"^(?P<indent>[ \t]*)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block of code of a page.

    Attributes:
        page: file.
        line: number of its first line in the file.
        language: as the fence names it.
        tag: what the comment before it says, or empty.
        text: content, without the indentation of the fence.
    """

    page: Path
    line: int
    language: str
    tag: str
    text: str

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Every block of a page, in order."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(source):
        indent = len(match["indent"])
        text = "".join(line[indent:] if line.strip() else "\n" for line in match["text"].splitlines(keepends=True))
        line = source.count("\n", 0, match.start("text")) + 1
        found.append(Block(page, line, match["language"], match["tag"] or "", text))
    return found


def commands_of(block: Block) -> Iterator[list[str]]:
    """The words of each command of an `sh` block, without comments; lines that end in a backslash go on.

    Raises:
        ValueError: a quote is not closed.
    """
    for line in logical_lines(block.text):
        quoted = "'" in line or '"' in line
        for part in [line] if quoted else re.split(r"\s+(?:&&|\|\||\|)\s+", line):
            words = shlex.split(part, comments=True)
            if words:
                yield words


def logical_lines(text: str) -> list[str]:
    """Lines of a script, joined where a backslash or an open quote continues them; empty ones and comments left out."""
    found: list[str] = []
    waiting = ""
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            shlex.split(waiting, comments=True)
        except ValueError:
            continue
        if waiting.strip() and not waiting.lstrip().startswith("#"):
            found.append(waiting.strip())
        waiting = ""
    if waiting:
        raise ValueError(f"found an open quote in {waiting!r}")
    return found


def missing_lines(expected: str, printed: str) -> list[str]:
    """Lines of `expected` that `printed` does not have, in that order.

    White space counts as one space; `…` stands for anything within a line, and as a whole line for any lines.
    """
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    at, missing = 0, []
    for line in (" ".join(one.split()) for one in expected.splitlines()):
        if line in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")) + "$")
        found = next((i for i in range(at, len(lines)) if pattern.match(lines[i])), None)
        if found is None:
            missing.append(line)
        else:
            at = found + 1
    return missing
