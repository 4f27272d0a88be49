"""Ways out that are code: a notifier takes a notice and puts it where people, or another system, will see it.

Belongs here: what a notifier is, and the two that need no network. A bank registers its own. Not here: ways out that are
declared (`channels.py`), and sending again what failed (`outbox.py`).
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from mlops_assets.notification.notice import Notice
from mlops_assets.registration import Extension, Known

log = logging.getLogger("mlops_assets.notification")
NOTICES = "notices.jsonl"


@dataclass(frozen=True)
class Notifier(Extension):
    """One way out. It is given every notice, unless a channel of `config/notification.yaml` names it; then those of its routes.

    Attributes:
        name: under which it is registered.
        send: sends a notice, or raises; given the notice and the folder of the project's stores. A notice is sent again until
            that succeeds, so a receiver may see it twice, under the same `key`. Secrets come from the environment.
    """

    KIND: ClassVar[str] = "notifiers"

    name: str
    send: Callable[[Notice, Path], None]


NOTIFIERS: Known[Notifier] = Known(Notifier)


def write_to_log(notice: Notice, home: Path) -> None:
    """One line in the log of the process: warning from `act` on, else information."""
    level = logging.WARNING if notice.severity in ("act", "critical") else logging.INFO
    log.log(level, "%s %s [%s] %s", notice.kind, notice.model or "fleet", notice.severity, notice.text)


def append_to_file(notice: Notice, home: Path) -> None:
    """One JSON object a line in `notices.jsonl`, which another system may read."""
    path = home / NOTICES
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        # A crash may have cut the last line short; the next notice starts a line of its own.
        start = "\n" if file.tell() and not _ends_a_line(path) else ""
        file.write(start + json.dumps(asdict(notice), sort_keys=True, ensure_ascii=False) + "\n")


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


LOG = Notifier("log", write_to_log)
FILE = Notifier("file", append_to_file)
