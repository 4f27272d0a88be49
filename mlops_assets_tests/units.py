"""What two processes that share the tests hand each other: whole files, and the longest work first.

xdist's own groups are marks that it appends to the names of tests, which pytest no longer allows it to change; and its
order is by numbers of tests, which leaves the few long ones to the end.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
LIVED = "lived"
"""The unit of all files that look at the project which `conftest.lived` runs once: running it takes longer than they do."""
ASKS = re.compile(r"^ *def \w+\([^)]*\blived\b", re.MULTILINE)
ASKS_BY_COMMANDS = re.compile(r"^ *def \w+\([^)]*\b(?:lived|own|mlops)\b", re.MULTILINE)
"""Functions that ask for it; in `commands/` also for what the conftest there makes of it."""


@cache
def unit(path: str) -> str:
    """The unit of a file of tests: its path, or `LIVED`. In `evidence/`, the name means something smaller."""
    if "/evidence/" in path:
        return path
    asks = ASKS_BY_COMMANDS if "/commands/" in path else ASKS
    return LIVED if asks.search((ROOT / path).read_text(encoding="utf-8")) else path


class Units(LoadScopeScheduling):
    """Units in the order in which their first tests are listed."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid.split("::")[0])
