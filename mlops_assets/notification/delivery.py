"""Sending what is due: each channel's notices, alone or together, and what becomes of those that fail.

A channel that fails keeps no other from sending. Not here: what is due (`outbox.py`), and the incident about a channel that
keeps failing (`pipeline/watch.py`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.ledger.canonical import moment
from mlops_assets.notification.apprise_service import send_text
from mlops_assets.notification.notice import UNACKNOWLEDGED, Notice, digest_message, escalated
from mlops_assets.notification.notifiers import NOTIFIERS
from mlops_assets.notification.outbox import SLOWEST, Held, Outbox
from mlops_assets.notification.routes import Channel, Settings
from mlops_assets.notification.webhook import NotSent, post

REPORTED_AFTER = 3
"""Rounds that failed in a row after which a channel is reported."""
TRIED = 3
"""Failures of a channel in a round after which its other notices wait for the next one: each may take a time limit."""
LATER = timedelta(minutes=1)
NO_CHANNEL = "no channel of this name is declared"


@dataclass(frozen=True)
class Ticket:
    """A ticket that a channel opened about a notice."""

    notice: Notice
    channel: str
    reference: str


@dataclass(frozen=True)
class Sent:
    """What came of one round.

    Attributes:
        sent: notices that went out, once for each channel.
        failed: what failed in this round.
        given_up: of those, what is not tried again.
        waiting: how many notices still wait, by channel.
        rounds: of the channels that failed, how many rounds in a row did.
        tickets: references of tickets that were opened, with the notice.
    """

    sent: int = 0
    failed: tuple[Held, ...] = ()
    given_up: tuple[Held, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)
    tickets: tuple["Ticket", ...] = ()

    @property
    def to_report(self) -> dict[str, Held]:
        """By channel that failed often enough for somebody to look at it, a notice that it did not send."""
        return {one.channel: one for one in reversed(self.failed) if self.rounds[one.channel] >= REPORTED_AFTER}


@dataclass(frozen=True)
class Post:
    """Where notices are sent from.

    Attributes:
        home: folder of the project's stores.
        root: the project's root.
        settings: who is told of what.
        told: kinds of records that people are told of where no route says otherwise.
        looked_at: whether somebody has acknowledged or closed the incident of a notice.
    """

    home: Path
    root: Path
    settings: Settings
    told: Collection[str]
    looked_at: Callable[[Notice], bool] = lambda notice: False

    def send(self, notices: Sequence[Notice], now: datetime) -> Sent:
        """Write new notices to the outbox, and send what is due.

        Args:
            notices: new ones; one that was written before is not sent again.
            now: the time.
        """
        outbox, channels = Outbox(self.home), self.channels
        repeat = timedelta(hours=self.settings.repeat_after_hours)
        for notice in notices:
            outbox.add(notice, self._ways(notice, now), now, repeat)
            outbox.add(escalated(notice), self.settings.escalations(notice, self.told, now), now)
        sent, failed, given_up, rounds = 0, list[Held](), self._without_channel(outbox, now), dict[str, int]()
        tickets: list[Ticket] = []
        needless = [one for one in outbox.due(now) if one.notice.kind == UNACKNOWLEDGED and self.looked_at(one.notice)]
        outbox.mark_sent(needless, now, "acknowledged in time")
        due = outbox.due(now)
        for name, channel in channels.items():
            mine = [one for one in due if one.channel == name]
            missed: list[Held] = []
            for tried in _bundles(mine, channel):
                if len(missed) >= TRIED:
                    outbox.postpone(tried, now + LATER, missed[-1].reason)
                    continue
                try:
                    opened = self.send_bundle(channel, [one.notice for one in tried], now)
                except Exception as error:  # a way out may raise whatever it likes
                    reason = str(error) if isinstance(error, NotSent) else f"{type(error).__name__}: {error}"
                    given_up += outbox.mark_failed(tried, reason, now, self.give_up_after)
                    missed += [replace(one, reason=reason) for one in tried]
                else:
                    outbox.mark_sent(tried, now)
                    sent += len(tried)
                    tickets += [Ticket(notice, name, reference) for notice, reference in opened]
            if mine:
                rounds[name] = outbox.failed_rounds(name, bool(missed))
            failed += missed
        waiting = Counter(one.channel for one in outbox.waiting())
        return Sent(sent, tuple(failed), tuple(given_up), waiting, rounds, tuple(tickets))

    def _without_channel(self, outbox: Outbox, now: datetime) -> list[Held]:
        """Notices for channels that are not declared now wait: the file may be mended. Returns those that waited too long."""
        unknown = [one for one in outbox.due(now) if one.channel not in self.channels]
        expired = [one for one in unknown if now - moment(one.added) >= self.give_up_after]
        outbox.postpone([one for one in unknown if one not in expired], now + SLOWEST, NO_CHANNEL)
        outbox.mark_failed(expired, NO_CHANNEL, now, self.give_up_after)
        return [replace(one, reason=NO_CHANNEL) for one in expired]

    @property
    def give_up_after(self) -> timedelta:
        """How long a channel is tried again."""
        return timedelta(hours=self.settings.give_up_after_hours)

    @property
    def channels(self) -> dict[str, Channel]:
        """All ways out: every registered notifier that no channel names, and the declared channels."""
        named = {channel.notifier for channel in self.settings.channels.values()}
        own = {name: Channel(notifier=name) for name in NOTIFIERS if name not in named}
        return {**own, **self.settings.channels}

    def send_bundle(self, channel: Channel, notices: Sequence[Notice], now: datetime) -> list[tuple[Notice, str]]:
        """Send notices in one message; a webhook and a notifier take one at a time.

        Returns:
            The notices about which a ticket was opened, with its reference.

        Raises:
            NotSent: with the reason; a notifier may raise anything.
        """
        if channel.notifier is not None:
            if channel.notifier not in NOTIFIERS:
                raise NotSent(
                    f"no notifier {channel.notifier!r} is registered; mlops extensions --kind notifiers lists them"
                )
            for notice in notices:
                NOTIFIERS[channel.notifier].send(notice, self.home)
        elif channel.webhook is not None:
            opened = [(notice, post(channel, notice, self.settings.places, self.root, now)) for notice in notices]
            return [(notice, reference) for notice, reference in opened if reference]
        elif channel.apprise is not None:
            send_text(channel.apprise, digest_message(notices, self.settings.places))
        return []

    def _ways(self, notice: Notice, now: datetime) -> dict[str, datetime]:
        """A registered notifier that no channel names gets what people are told of, at once."""
        named = {channel.notifier for channel in self.settings.channels.values()}
        own = dict.fromkeys((n for n in NOTIFIERS if n not in named), now) if notice.kind in self.told else {}
        return {**own, **self.settings.ways(notice, self.told, now)}


def _bundles(held: Sequence[Held], channel: Channel) -> list[list[Held]]:
    """What goes out in one message each: those that were collected in one, every other one alone."""
    if channel.apprise is None:
        return [[one] for one in held]
    alone, together = [[one] for one in held if not one.together], [one for one in held if one.together]
    return [*alone, together] if together else alone
