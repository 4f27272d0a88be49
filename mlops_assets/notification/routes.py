"""Who is told of what and when, as `config/notification.yaml` says: channels, and the routes that lead to them.

Belongs here: the fields of that file, which notices a route takes, and when a notice is due. Not here: how a channel sends
(`channels.py`).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mlops_assets.ledger.canonical import moment
from mlops_assets.ledger.events.registry import BY_KIND
from mlops_assets.notification.notice import Notice, Places
from mlops_assets.policy.reading import read_document
from mlops_assets.response.runbooks import OF_NOTICES, RUNBOOK_OF

FILE = "notification.yaml"
PREFIX = "MLOPS_NOTIFY_"
"""Variables that may hold addresses and secrets of channels; no other variable is read for one."""
SEVERITIES = ("none", "watch", "act", "critical")
Severity = Literal["none", "watch", "act", "critical"]


def _variable(name: str) -> str:
    if not re.fullmatch(PREFIX + "[A-Z0-9_]+", name):
        # An address may stand here by mistake, with the password in it: it is not repeated.
        found = f"found {name!r}" if re.fullmatch("[A-Za-z0-9_]+", name) else "found something else"
        raise ValueError(f"{found}, expected the name of a variable that begins with {PREFIX}, such as {PREFIX}MAIL")
    return name


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f'found {text!r}, expected a time of day in quotes, such as "08:00"')
    return text


def _address(text: str) -> str:
    found = urlsplit(text)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError(f"found {text!r}, expected an address that begins with https:// or http://")
    if found.username or found.password:
        raise ValueError(f"found a name or a password in the address; put them in a variable that begins with {PREFIX}")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"found {text!r}, expected a time zone such as Europe/London or UTC") from None
    return text


Variable = Annotated[str, AfterValidator(_variable)]
Clock = Annotated[str, AfterValidator(_clock)]
Address = Annotated[str, AfterValidator(_address)]
Zone = Annotated[str, AfterValidator(_zone)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Channel(_Part):
    """One way out: exactly one of `apprise`, `webhook` and `notifier`."""

    apprise: Variable | None = None
    """Variable with one or several Apprise URLs, parted by spaces: mail, chat, pager, SMS and more."""
    webhook: Address | None = None
    """Address that notices are posted to, each as one CloudEvent in JSON, or as `template` writes it."""
    notifier: str | None = None
    """Name of a registered notifier, which then gets the notices of its routes alone."""
    secret: Variable | None = None
    """Webhook: variable with the secret that the posted body is signed with (Standard Webhooks, HMAC-SHA256)."""
    template: str | None = None
    """Webhook: file of the project, a Jinja template of the JSON to post, such as a new issue in a tracker."""
    ticket: str | None = Field(default=None, pattern=r"^[^.\s]+(\.[^.\s]+)*$")
    """Webhook with `template`: field of the answer, as JSON, that holds the reference of the ticket which it opened, such as `key`;
    parts of a path are separated by dots. The reference is noted on the incident."""
    headers: dict[str, Variable] = {}
    """Webhook: header to the variable that holds its value, such as `Authorization`."""

    @model_validator(mode="after")
    def _one_way(self) -> "Channel":
        given = [name for name in ("apprise", "webhook", "notifier") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"found {' and '.join(given) or 'none of them'}, expected one of apprise, webhook and notifier"
            )
        if self.webhook is None and (self.secret or self.template or self.headers):
            raise ValueError("secret, template and headers are for a webhook")
        if self.ticket is not None and self.template is None:
            raise ValueError("ticket is for a webhook with a template, which opens the ticket")
        return self


class Quiet(_Part):
    """Hours in which nothing is sent; what came up is one message when they end."""

    from_: Clock = Field(alias="from")
    """When they begin."""
    until: Clock
    """When they end, on the same day or the next."""
    except_: Severity = Field(default="critical", alias="except")
    """Notices of this severity and graver ones are sent all the same."""


class Route(_Part):
    """Which notices go to which channels. A notice is taken that meets every condition given; one without any takes all."""

    to: tuple[str, ...] = Field(min_length=1)
    """Channels."""
    records: tuple[str, ...] | Literal["all"] | None = None
    """Kinds of ledger records; default: those that people are told of. `all`: every record."""
    kinds: tuple[str, ...] = ()
    """Kinds of incidents, such as `data_quality`."""
    severity: Severity = "none"
    """This severity and graver."""
    below: Severity | None = None
    """Less grave than this."""
    tiers: tuple[str, ...] = ()
    """Tiers of the model."""
    owners: tuple[str, ...] = ()
    """Owners of the model."""
    models: tuple[str, ...] = ()
    """Names of models."""
    roles: tuple[str, ...] = ()
    """Roles that are asked to act."""
    unacknowledged_hours: float | None = Field(default=None, gt=0, le=24 * 90)
    """Incidents that nobody has acknowledged or closed so long after they were opened; other notices are not taken."""
    digest: Clock | None = None
    """Collected, and sent as one message a day at this time."""
    quiet: Quiet | None = None
    """Hours in which nothing is sent."""

    @model_validator(mode="after")
    def _known_records(self) -> "Route":
        if self.unacknowledged_hours is not None and self.digest is not None:
            raise ValueError("unacknowledged_hours and digest are two times for one notice; expected one of them")
        unknown = [kind for kind in (self.records or ()) if kind not in BY_KIND] if self.records != "all" else []
        if unknown:
            raise ValueError(
                f"found the record kind {unknown[0]!r}, expected kinds out of {', '.join(sorted(BY_KIND))}"
            )
        return self

    def takes(self, notice: Notice, told: Collection[str]) -> bool:
        """Whether the notice goes this way.

        Args:
            notice: to be routed.
            told: kinds of records that people are told of where a route names none.
        """
        kinds = told if self.records is None else self.records
        grave = _rank(notice.severity)
        return (
            (kinds == "all" or notice.kind in kinds)
            and (not self.kinds or notice.details.get("incident") in self.kinds)
            and grave >= _rank(self.severity)
            and (self.below is None or grave < _rank(self.below))
            and (not self.tiers or notice.tier in self.tiers)
            and (not self.owners or notice.owner in self.owners)
            and (not self.models or notice.model in self.models)
            and (not self.roles or bool(set(self.roles) & set(notice.roles)))
            and (self.unacknowledged_hours is None or bool(notice.details.get("incident")))
        )

    def due(self, notice: Notice, now: datetime, zone: ZoneInfo) -> datetime:
        """When the notice is to be sent; later than now: together with others."""
        if self.unacknowledged_hours is not None:
            opened = moment(str(notice.details.get("recorded", notice.at)))
            now = max(now, opened + timedelta(hours=self.unacknowledged_hours))
        local = now.astimezone(zone)
        if self.digest is not None:
            return _next(time.fromisoformat(self.digest), local)
        if self.quiet is None or _rank(notice.severity) >= _rank(self.quiet.except_):
            return now
        begin, end = time.fromisoformat(self.quiet.from_), time.fromisoformat(self.quiet.until)
        clock = local.time()
        inside = begin <= clock < end if begin <= end else clock >= begin or clock < end
        return _next(end, local) if inside else now


class Settings(_Part):
    """The file `config/notification.yaml`."""

    pages: Address | None = None
    """Address under which the folder of reports is served; messages link to its pages."""
    runbooks: Address | None = None
    """Address under which the bank keeps the runbooks: the name of the runbook is added to it. Default: those that are served with
    the pages."""
    runbook_links: dict[str, Address] = {}
    """Name of a runbook to the address that replaces it, such as a page of the bank's own manual."""
    time_zone: Zone = "UTC"
    """Of the times of day in this file."""
    repeat_after_hours: float = Field(default=1, ge=0, le=168)
    """The same about the same model is not sent again to a channel before this time has passed; then all of it in one message."""
    give_up_after_hours: float = Field(default=72, gt=0, le=24 * 90)
    """How long a channel is tried again before a notice counts as undelivered."""
    channels: dict[str, Channel] = {}
    """Name to way out."""
    routes: tuple[Route, ...] = ()
    """Each is looked at for each notice."""

    @model_validator(mode="after")
    def _runbooks_are_there(self) -> "Settings":
        known = sorted({*RUNBOOK_OF.values(), *OF_NOTICES.values()})
        unknown = [name for name in self.runbook_links if name not in known]
        if unknown:
            raise ValueError(f"runbook_links: found {unknown[0]!r}, expected one of {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _channels_are_there(self) -> "Settings":
        named = [name for route in self.routes for name in route.to]
        unknown = [name for name in named if name not in self.channels]
        if unknown:
            raise ValueError(
                f"routes name the channel {unknown[0]!r}; expected one of {', '.join(self.channels) or 'channels'}"
            )
        unused = [name for name in self.channels if name not in named]
        if unused:
            raise ValueError(f"no route leads to the channel {unused[0]!r}; add a route, or leave the channel out")
        return self

    @property
    def places(self) -> Places:
        """What messages link to."""
        return Places(self.pages or "", self.runbooks or "", dict(self.runbook_links))

    def kinds(self, told: Collection[str]) -> tuple[str, ...] | None:
        """Kinds of records that some route asks for beside those that people are told of; None: every kind."""
        if any(route.records == "all" for route in self.routes):
            return None
        return tuple(dict.fromkeys([*told, *(kind for route in self.routes for kind in route.records or ())]))

    def ways(self, notice: Notice, told: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """Channel to when the notice is to be sent there; the earliest time where several routes lead to one."""
        return self._ways([r for r in self.routes if r.unacknowledged_hours is None], notice, told, now)

    def escalations(self, notice: Notice, told: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """Channel to when it is told that nobody has acknowledged the incident."""
        return self._ways([r for r in self.routes if r.unacknowledged_hours is not None], notice, told, now)

    def _ways(
        self, routes: Sequence[Route], notice: Notice, told: Collection[str], now: datetime
    ) -> dict[str, datetime]:
        zone, found = ZoneInfo(self.time_zone), dict[str, datetime]()
        for route in routes:
            if route.takes(notice, told):
                when = route.due(notice, now, zone)
                found |= {name: min(when, found.get(name, when)) for name in route.to}
        return found


def read_settings(config: Path) -> Settings:
    """The settings in the folder `config`; none of them where there is no such file.

    Raises:
        PolicyError: the file has a mistake; a line for each.
    """
    path = config / FILE
    return read_document(path, Settings) if path.exists() else Settings()


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _next(clock: time, local: datetime) -> datetime:
    """The next moment, in UTC, at which it is this time of day where `local` is."""
    day = local.date() if clock > local.time() else local.date() + timedelta(days=1)
    return datetime.combine(day, clock, local.tzinfo).astimezone(UTC)
