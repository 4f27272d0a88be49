"""Telling somebody: a notifier takes a notice and puts it where people, or another system, will see it.

Belongs here: ways out that need no network. A bank adds its own by anything that has `send`.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.ledger import Record

log = logging.getLogger("mlops_assets.notification")


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


class Notifier(Protocol):
    """Anything that can send a notice."""

    def send(self, notice: Notice) -> None:
        """Send it, once."""
        ...


class LogNotifier:
    """Writes to the log of the process."""

    def send(self, notice: Notice) -> None:
        """One line: warning from `act` on, else information."""
        level = logging.WARNING if notice.severity in ("act", "critical") else logging.INFO
        log.log(level, "%s %s [%s] %s", notice.kind, notice.model or "fleet", notice.severity, notice.text)


class FileNotifier:
    """Appends one JSON object a line to a file that another system reads."""

    def __init__(self, path: Path):
        self.path = path

    def send(self, notice: Notice) -> None:
        """Append, unless the file holds a notice with this key."""
        if notice.key in self._keys():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            # A crash may have cut the last line short; the next notice starts a line of its own.
            start = "" if not file.tell() or self.path.read_bytes().endswith(b"\n") else "\n"
            file.write(start + json.dumps(asdict(notice), sort_keys=True, ensure_ascii=False) + "\n")

    def _keys(self) -> set[str]:
        if not self.path.is_file():
            return set()
        keys = set()
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                keys.add(json.loads(line)["key"])
            except (json.JSONDecodeError, KeyError, TypeError):
                # A line cut short by a crash: its notice is sent again.
                continue
        return keys


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


def tell(notifiers: Sequence[Notifier], records: Sequence[Record]) -> list[str]:
    """Send a notice of each record by every notifier; one that fails keeps no other from sending.

    Returns:
        What went wrong, a line each.
    """
    return send_all(notifiers, [notice_of(record) for record in records])


def damage_notice(damage: str, at: datetime) -> Notice:
    """That the ledger does not hold: no record can say so, because nothing is written to it any more."""
    key = f"ledger:{hashlib.sha256(damage.encode()).hexdigest()[:16]}"
    return Notice(key, "ledger_tampered", "", "critical", damage, iso(at))


def send_all(notifiers: Sequence[Notifier], notices: Sequence[Notice]) -> list[str]:
    """Send each notice by every notifier; see `tell`."""
    problems = []
    for notice in notices:
        for notifier in notifiers:
            try:
                notifier.send(notice)
            # A way out may raise whatever it likes.
            except Exception as error:
                problems.append(f"{type(notifier).__name__}: {notice.key} was not sent: {error}")
    return problems
