"""The commands of the how-to pages do what the pages say, on the project of the tutorial, in the order of the site's menu."""

import re

import pytest

from docs_tools.blocks import blocks_of, missing_lines
from mlops_assets_tests.documentation.conftest import DOCS, Read, follow

pytestmark = pytest.mark.integration
MENU = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
PAGES = [
    DOCS / name
    for name in re.findall(r"(\S+\.md)", MENU.partition("\nnav:")[2])
    if not name.startswith("tutorial/")
    and (DOCS / name).exists()
    and any(block.tag.startswith("run") for block in blocks_of(DOCS / name))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_what_the_page_says_can_be_done(tutorial: Read, page) -> None:
    read = follow(page, tutorial.shell)
    for block in blocks_of(page):
        if block.tag == "output":
            assert missing_lines(block.text, read.printed[block.line]) == [], read.printed[block.line]


def test_the_pages_that_are_run_are_in_the_menu() -> None:
    run = {p for p in DOCS.rglob("*.md") if any(b.tag.startswith("run") for b in blocks_of(p))}
    assert run == {*PAGES, DOCS / "tutorial" / "first-model.md"}
