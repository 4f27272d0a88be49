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
SHARED = {LIVED: (LIVED,), "tutorial": ("tutorial",), "wheel": ("wheel", "installed")}
"""What a session makes once for several files, and the fixtures by which they ask for it."""


def _asks(fixtures: tuple[str, ...]) -> re.Pattern[str]:
    """Functions that ask for one of these fixtures."""
    return re.compile(rf"^ *def \w+\([^)]*\b(?:{'|'.join(fixtures)})\b", re.MULTILINE)


@cache
def unit(path: str) -> str:
    """The unit of a file of tests: its path, or what it shares with others. In `evidence/`, `lived` means something smaller."""
    if "/evidence/" in path:
        return path
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, fixtures in SHARED.items():
        # `commands/` asks for the lived project by what the conftest there makes of it, too.
        also = ("own", "mlops") if name == LIVED and "/commands/" in path else ()
        if _asks(fixtures + also).search(text):
            return name
    return path


class Units(LoadScopeScheduling):
    """Units in the order in which their first tests are listed."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid.split("::")[0])
