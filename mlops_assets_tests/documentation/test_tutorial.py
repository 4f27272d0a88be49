"""The tutorial does what it says, from an empty folder to a verified packet, and prints what it shows."""

import pytest

from docs_tools.blocks import Block, missing_lines
from mlops_assets_tests.documentation.conftest import TUTORIAL, Read, outputs_of

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("block", outputs_of(TUTORIAL), ids=lambda b: f"line {b.line}")
def test_what_the_page_shows_is_what_is_printed(tutorial: Read, block: Block) -> None:
    printed = tutorial.printed[block.line]
    assert missing_lines(block.text, printed) == [], printed
