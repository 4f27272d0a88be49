"""Telling somebody: a notifier takes a notice and puts it where people, or another system, will see it.

Belongs here: what a notice and a notifier are, and the two ways out that need no network. A bank registers its own. Not here:
sending, and sending again what failed (`outbox.py`).
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.ledger import Record
from mlops_assets.registration import Extension, Known

log = logging.getLogger("mlops_assets.notification")
NOTICES = "notices.jsonl"


@dataclass(frozen=True)
class Notice:
    """One thing worth telling; `key` names the ledger record, so that a receiver can drop what it has seen."""

    key: str
    kind: str
    model: str
    severity: str
    text: str
    at: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notifier(Extension):
    """One way out. Everything registered is used for every notice.

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
    """One JSON object a line in `notices.jsonl`, which another system may read, unless it holds a notice with this key."""
    path = home / NOTICES
    if notice.key in _keys(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        # A crash may have cut the last line short; the next notice starts a line of its own.
        start = "" if not file.tell() or path.read_bytes().endswith(b"\n") else "\n"
        file.write(start + json.dumps(asdict(notice), sort_keys=True, ensure_ascii=False) + "\n")


def _keys(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    keys = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            keys.add(json.loads(line)["key"])
        except (json.JSONDecodeError, KeyError, TypeError):
            # A line cut short by a crash: its notice is sent again.
            continue
    return keys


LOG = Notifier("log", write_to_log)
FILE = Notifier("file", append_to_file)


def notice_of(record: Record) -> Notice:
    """The notice of a ledger record: an incident, a retraining request, a promotion or the like."""
    event = record.event
    texts = (getattr(event, name, None) for name in ("summary", "rationale", "cause", "reason", "note"))
    details = plain(
        {
            "subject": record.subject,
            "window": getattr(event, "window", None),
            "columns": getattr(event, "columns", None),
        }
    )
    return Notice(
        key=f"{record.seq}:{record.digest[:12]}",
        kind=record.kind,
        model=record.model,
        severity=str(getattr(event, "severity", None) or "none"),
        text=next((str(text) for text in texts if text), record.kind),
        at=iso(record.happened_at),
        details={name: value for name, value in details.items() if value},
    )


def damage_notice(damage: str, at: datetime) -> Notice:
    """That the ledger does not hold: no record can say so, because nothing is written to it any more."""
    key = f"ledger:{hashlib.sha256(damage.encode()).hexdigest()[:16]}"
    return Notice(key, "ledger_tampered", "", "critical", damage, iso(at))
