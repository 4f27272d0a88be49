"""The project of the tutorial, made by running the page."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from docs_tools.blocks import Block, blocks_of
from mlops_assets_tests.documentation.shell import Shell

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorial" / "first-model.md"


@dataclass(frozen=True)
class Read:
    """A page that was followed to its end.

    Attributes:
        shell: where the reader is now.
        printed: what each block of commands printed, by the line of the `output` block after it.
    """

    shell: Shell
    printed: dict[int, str]


def follow(page: Path, shell: Shell) -> Read:
    """Do what a page says, block by block."""
    printed: dict[int, str] = {}
    last = ""
    for block in blocks_of(page):
        if block.tag.startswith("run"):
            last = shell.run(block)
        elif block.tag.startswith("file "):
            shell.write(block)
        elif block.tag == "output":
            printed[block.line] = last
    return Read(shell, printed)


def outputs_of(page: Path) -> list[Block]:
    """The blocks of a page that show what is printed."""
    return [block for block in blocks_of(page) if block.tag == "output"]


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """The tutorial, followed once in an empty folder."""
    return follow(TUTORIAL, Shell(tmp_path_factory.mktemp("newcomer")))
