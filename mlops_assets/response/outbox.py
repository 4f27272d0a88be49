"""Sending notices, and keeping those that could not be sent until they are.

A notifier that fails keeps no other from sending. What it could not send waits in a file beside the stores and is sent again,
after a minute, then two, four and so on, at most an hour apart. Not here: what a notice is (`notification.py`), and the incident
about a notifier that keeps failing (`pipeline/watch.py`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.response.notification import NOTIFIERS, Notice

WAITING = "notices_waiting.json"
SLOWEST = timedelta(hours=1)
REPORTED_AFTER = 3
"""Failures in a row after which a notifier is reported."""


@dataclass(frozen=True)
class Waiting:
    """A notice that one notifier could not send.

    Attributes:
        notifier: its name.
        notice: to be sent again.
        attempts: made so far.
        due: from when on it is sent again, as ISO text.
        reason: why the last attempt failed.
    """

    notifier: str
    notice: Notice
    attempts: int
    due: str
    reason: str

    @property
    def text(self) -> str:
        """In a sentence."""
        return f"notifier {self.notifier}: {self.notice.key} was not sent: {self.reason}"


@dataclass(frozen=True)
class Sent:
    """What came of one round.

    Attributes:
        waiting: everything that is still to be sent.
        failed: what failed in this round.
    """

    waiting: tuple[Waiting, ...]
    failed: tuple[Waiting, ...]

    @property
    def to_report(self) -> dict[str, Waiting]:
        """By notifier, a notice that it failed to send often enough for somebody to look at it."""
        return {one.notifier: one for one in reversed(self.failed) if one.attempts >= REPORTED_AFTER}


def due_again(home: Path, now: datetime) -> int:
    """How many notices are to be sent again now."""
    return sum(moment(one.due) <= now for one in _read(home))


def send(home: Path, notices: Sequence[Notice], now: datetime) -> Sent:
    """Send each notice by every notifier, and what waits and is due.

    Args:
        home: folder of the project's stores.
        notices: new ones.
        now: the time.
    """
    before = _read(home)
    later = [one for one in before if moment(one.due) > now]
    known = {(one.notifier, one.notice.key) for one in before}
    again = [(one.notifier, one.notice, one.attempts) for one in before if moment(one.due) <= now]
    new = [(name, notice, 0) for notice in notices for name in NOTIFIERS if (name, notice.key) not in known]
    failed = []
    for name, notice, attempts in [*again, *new]:
        if name not in NOTIFIERS:
            continue  # it is registered no more
        try:
            NOTIFIERS[name].send(notice, home)
        except Exception as error:  # a way out may raise whatever it likes
            delay = min(timedelta(minutes=2 ** min(attempts, 10)), SLOWEST)
            reason = f"{type(error).__name__}: {error}"
            failed.append(Waiting(name, notice, attempts + 1, iso(now + delay), reason))
    waiting = (*later, *failed)
    if waiting or before:
        _write(home, waiting)
    return Sent(waiting, tuple(failed))


def _read(home: Path) -> list[Waiting]:
    path = home / WAITING
    if not path.is_file():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    return [Waiting(**{**one, "notice": Notice(**one["notice"])}) for one in stored]


def _write(home: Path, waiting: Sequence[Waiting]) -> None:
    # Replaced as a whole: a file cut short would lose what waits.
    path, new = home / WAITING, home / f"{WAITING}.new"
    new.write_text(json.dumps([asdict(one) for one in waiting], ensure_ascii=False), encoding="utf-8")
    new.replace(path)
