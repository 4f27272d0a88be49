"""How many of the models that are known to exist are governed, at any time, from what searches have recorded."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops_assets.governance.discoveries import objection, standing
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.state.discovery import Discovered
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.plain_text import shown
from mlops_assets.policy.policy import ExceptionRule

NO_DATA = "No data: no source was searched for models (mlops discover)"
ORDER = ("open", "ignored", "governed", "gone")


@dataclass(frozen=True)
class Row:
    """One model that is known to exist.

    Attributes:
        id, name, form, place, why, confidence: as a search recorded them.
        standing: `governed`, `ignored`, `open`, or `gone`.
        governed_by: declared model, or empty.
        how: how that is known; of an ignored one who signed and why; of an open one why a signature does not count.
        until: end of the signature that ignores it, as ISO text, or None.
        first_at: when it was first found, as ISO text.
        changed_at: when something about it was last recorded, as ISO text.
    """

    id: str
    name: str
    form: str
    place: str
    standing: str
    governed_by: str
    how: str
    until: str | None
    why: str
    confidence: str
    first_at: str
    changed_at: str


@dataclass(frozen=True)
class Coverage:
    """What is known to exist, and how much of it is governed.

    Attributes:
        governed, ignored, open: how many there are; gone ones are left out.
        searches: when each source was last searched, as ISO text.
        unread: places that the last searches could not read.
        rows: every one that is there, open ones first.
    """

    governed: int
    ignored: int
    open: int
    searches: dict[str, str]
    unread: int
    rows: tuple[Row, ...]

    @property
    def known(self) -> int:
        """How many are known to exist."""
        return self.governed + self.ignored + self.open

    @property
    def share(self) -> float | None:
        """Governed of all that are known, 0 to 1; None where none is."""
        return self.governed / self.known if self.known else None

    @property
    def text(self) -> str:
        """In a sentence."""
        if not self.known:
            return "No model was found in the sources that were searched."
        share = f"{self.share:.0%}" if self.share is not None else ""
        return (
            f"{self.governed} of {self.known} known models are governed ({share}); {self.ignored} ignored with a signed "
            f"reason, {self.open} open."
        )

    @property
    def searched(self) -> str:
        """Which sources were searched, and when last."""
        names = {".": "the project's folder"}
        when = [f"{names.get(source, source)} on {at[:10]}" for source, at in self.searches.items()]
        return ", ".join(when) + (f"; {self.unread} places could not be read" if self.unread else "")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, without the rows."""
        return {
            "known": self.known,
            "governed": self.governed,
            "ignored": self.ignored,
            "open": self.open,
            "share": self.share,
            "searches": dict(self.searches),
            "places_not_read": self.unread,
        }


def coverage(fleet: ModelState, at: datetime, rule: ExceptionRule | None = None) -> Coverage | None:
    """What is governed of what is known to exist; None where nothing was ever searched.

    Args:
        fleet: what is recorded about no single model, as of the time.
        at: the time against which the ends of signatures are compared.
        rule: on exceptions, of the highest tier's policy: a signature that it does not accept ignores nothing.
    """
    if not fleet.searches:
        return None
    rows = [row for row in listed(fleet, at, rule) if row.standing != "gone"]
    count = {name: sum(row.standing == name for row in rows) for name in ORDER}
    return Coverage(
        governed=count["governed"],
        ignored=count["ignored"],
        open=count["open"],
        searches={source: iso(searched.at) for source, searched in sorted(fleet.searches.items())},
        unread=sum(searched.unread for searched in fleet.searches.values()),
        rows=tuple(rows),
    )


def listed(fleet: ModelState, at: datetime, rule: ExceptionRule | None = None) -> list[Row]:
    """Everything that searches have found, what is gone included, open ones first."""
    rows = [_row(found, at, rule) for found in fleet.discovered.values()]
    return sorted(rows, key=lambda row: (ORDER.index(row.standing), row.confidence != "likely", row.place))


def row_dict(row: Row) -> dict[str, Any]:
    """A row as JSON-able data."""
    return asdict(row)


def _row(found: Discovered, at: datetime, rule: ExceptionRule | None) -> Row:
    stands, ignored = standing(rule, found, at), found.ignored
    how, until = found.how, None
    if stands == "ignored" and ignored is not None:
        how, until = f"{ignored.person} ({ignored.role}): {ignored.reason}", iso(ignored.expires)
    elif stands == "open" and ignored is not None:
        how = objection(rule, found) or f"ignored until {iso(ignored.expires)[:10]}, which is over"
    # Names of files and words in code are others', and may steer a terminal or turn the direction of a page's text.
    return Row(
        found.id, found.name, found.form, shown(found.place), stands, found.governed_by, shown(how), until,
        shown(found.why), found.confidence, iso(found.first_at), iso(found.changed_at),
    )  # fmt: skip
