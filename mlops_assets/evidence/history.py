"""The state of each model, folded from the ledger's records: what inventory, fleet page, as-of and trace read.

Pure: records in, state out. Things count in the order in which they were recorded, as everywhere in the project; what
the caller did not pass (because it was recorded later than some day, say) is not known here. What each kind of record
means is written down here once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlops_assets.evidence.reading import moment
from mlops_assets.governance.findings import VALIDATING
from mlops_assets.ledger.events.judgements import ExceptionWithdrawn, FindingClosed
from mlops_assets.ledger.ledger import Record
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import NotAllowed, People, Signed, read_people
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act
from mlops_assets.ledger.state.fold import Fold
from mlops_assets.ledger.state.response import Incident

DATA_SUBJECT = "data:"
"""Subjects of decisions on a snapshot, made before there is a version."""


@dataclass(frozen=True)
class ChampionChange:
    """One change of the version that decides; `version` is None when the model was retired."""

    at: datetime
    version: str | None
    former: str | None
    kind: str
    seq: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The last health verdict on one window."""

    window: str
    severity: str
    kind: str
    reasons: tuple[str, ...]
    action: str
    version: str
    at: datetime
    seq: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class ExceptionGranted:
    """A signed, expiring permission to pass a gate that was not passed."""

    gate: str
    reason: str
    person: str
    role: str
    version: str | None
    granted_at: datetime
    expires: datetime | None
    seq: int
    withdrawn_at: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it counts at that time; one without an expiry never does."""
        ends = [t for t in (self.expires, self.withdrawn_at) if t is not None]
        return self.expires is not None and self.granted_at <= at < min(ends)


@dataclass(frozen=True)
class VersionState:
    """What is recorded about one version."""

    version: str
    registered: Mapping[str, Any] = field(default_factory=dict)
    registered_at: datetime | None = None
    decisions: Mapping[str, Record] = field(default_factory=dict)
    approvals: tuple[Record, ...] = ()
    card: Record | None = None
    promotions: tuple[Record, ...] = ()


@dataclass(frozen=True)
class ModelState:
    """What is recorded about one model, at one time."""

    name: str
    champion: str | None = None
    retired: bool = False
    suspended: Record | None = None
    changes: tuple[ChampionChange, ...] = ()
    versions: Mapping[str, VersionState] = field(default_factory=dict)
    data_decisions: Mapping[str, Record] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    incidents: tuple[Incident, ...] = ()
    exceptions: tuple[ExceptionGranted, ...] = ()
    findings: Mapping[str, Record] = field(default_factory=dict)
    findings_closed: frozenset[str] = frozenset()
    requests: Mapping[str, Record] = field(default_factory=dict)
    requests_closed: Mapping[str, Record] = field(default_factory=dict)
    snapshot: Record | None = None
    records: tuple[Record, ...] = ()

    @property
    def lifecycle(self) -> str:
        """development, in use, suspended or retired."""
        if self.retired:
            return "retired"
        if self.suspended is not None:
            return "suspended"
        return "in use" if self.champion else "development"

    @property
    def last_verdict(self) -> Verdict | None:
        """The verdict on the latest window."""
        return self.verdicts[-1] if self.verdicts else None

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """Incidents that are not closed, oldest first."""
        return tuple(i for i in self.incidents if i.is_open)

    @property
    def open_findings(self) -> tuple[Record, ...]:
        """Findings that are not closed, oldest first."""
        return tuple(r for name, r in self.findings.items() if name not in self.findings_closed)

    @property
    def open_requests(self) -> tuple[Record, ...]:
        """Retraining requests that have not come to an end, oldest first."""
        return tuple(r for name, r in self.requests.items() if name not in self.requests_closed)

    @property
    def subject_version(self) -> str | None:
        """The version that evidence is asked of: the champion, or without one the latest that was registered."""
        if self.champion is not None:
            return self.champion
        registered = [name for name, v in self.versions.items() if v.registered_at is not None]
        return max(registered, key=_version_order) if registered else None

    def exceptions_in_force(self, at: datetime) -> tuple[ExceptionGranted, ...]:
        """Exceptions that count at that time."""
        return tuple(e for e in self.exceptions if e.in_force(at))

    def champion_at(self, at: datetime) -> str | None:
        """The version that decided at that time."""
        before = [c for c in self.changes if c.at <= at]
        return before[-1].version if before else None


def fold(records: Iterable[Record], root: str | None = None) -> dict[str, ModelState]:
    """State of every model that a record names, by name.

    Args:
        records: of a whole ledger, or of what was known of it; enrolments among them, without which no signature counts.
        root: key id of the root key, where it is known from outside the ledger.
    """
    people: list[Record] = []
    by_model: dict[str, list[Record]] = {}
    for record in records:
        if record.model:
            by_model.setdefault(record.model, []).append(record)
        elif record.kind in PEOPLE_KINDS:
            people.append(record)
    known = read_people(people, root)
    return {name: _fold_model(name, found, known) for name, found in sorted(by_model.items())}


def _fold_model(name: str, records: Sequence[Record], people: People) -> ModelState:
    builder = _Builder(name, people)
    ordered = tuple(sorted(records, key=lambda r: r.seq))
    for record in ordered:
        builder.take(record)
    return builder.state(ordered)


class _Builder:
    """Collects while folding; each `_on_<kind>` knows one kind of record."""

    def __init__(self, name: str, people: People) -> None:
        self.name = name
        self.people = people
        self.champion: str | None = None
        self.retired = False
        self.suspended: Record | None = None
        self.changes: list[ChampionChange] = []
        self.versions: dict[str, VersionState] = {}
        self.data_decisions: dict[str, Record] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.exceptions: list[ExceptionGranted] = []
        self.findings: dict[str, Record] = {}
        self.findings_closed: set[str] = set()
        self.requests: dict[str, Record] = {}
        self.requests_closed: dict[str, Record] = {}
        self.snapshot: Record | None = None

    def take(self, record: Record) -> None:
        """Count one record; a kind that is not known changes no state and stays in `records`."""
        handler = getattr(self, f"_on_{record.kind}", None)
        if handler is not None:
            handler(record)

    def state(self, records: tuple[Record, ...]) -> ModelState:
        """What was collected."""
        return ModelState(
            name=self.name,
            champion=self.champion,
            retired=self.retired,
            suspended=self.suspended,
            changes=tuple(self.changes),
            versions=dict(sorted(self.versions.items(), key=lambda item: _version_order(item[0]))),
            data_decisions=self.data_decisions,
            verdicts=tuple(self.verdicts[w] for w in sorted(self.verdicts)),
            incidents=tuple(Fold(self.people).take(records).state().model(self.name).incidents.values()),
            exceptions=tuple(self.exceptions),
            findings=self.findings,
            findings_closed=frozenset(self.findings_closed),
            requests=self.requests,
            requests_closed=self.requests_closed,
            snapshot=self.snapshot,
            records=records,
        )

    def _version(self, version: str) -> VersionState:
        return self.versions.setdefault(version, VersionState(version))

    def _on_snapshot_taken(self, record: Record) -> None:
        self.snapshot = record

    def _on_version_registered(self, record: Record) -> None:
        known = self._version(record.subject)
        self.versions[record.subject] = replace(known, registered=record.body, registered_at=record.happened_at)

    def _on_gate_decision(self, record: Record) -> None:
        if record.subject.startswith(DATA_SUBJECT):
            self.data_decisions[str(record.body.get("gate"))] = record
            return
        known = self._version(record.subject)
        decisions = {**known.decisions, str(record.body.get("gate")): record}
        self.versions[record.subject] = replace(known, decisions=decisions)

    def _on_approval(self, record: Record) -> None:
        known = self._version(record.subject)
        self.versions[record.subject] = replace(known, approvals=(*known.approvals, record))

    def _on_card_issued(self, record: Record) -> None:
        self.versions[record.subject] = replace(self._version(record.subject), card=record)

    def _on_promotion(self, record: Record) -> None:
        known = self._version(record.subject)
        self.versions[record.subject] = replace(known, promotions=(*known.promotions, record))
        if not self.retired:
            self._change(record, record.subject)

    def _on_rollback(self, record: Record) -> None:
        # As in `release.champion`: a version that no promotion names never decides, and nothing does after a retirement.
        if not self.retired and record.subject in self.versions and self.versions[record.subject].promotions:
            self._change(record, record.subject)

    def _on_retirement(self, record: Record) -> None:
        self._change(record, None)
        self.retired = True

    def _on_suspension(self, record: Record) -> None:
        self.suspended = record

    def _on_resumption(self, record: Record) -> None:
        self.suspended = None

    def _change(self, record: Record, version: str | None) -> None:
        former = text(record.body, "former", "from") or self.champion
        reason = text(record.body, "reason", "rationale", "cause")
        self.changes.append(ChampionChange(record.happened_at, version, former, record.kind, record.seq, reason))
        self.champion = version
        self.suspended = None

    def _on_health_verdict(self, record: Record) -> None:
        body = record.body
        self.verdicts[record.subject] = Verdict(
            window=record.subject,
            severity=str(body.get("severity", "not_measurable")),
            kind=str(body.get("kind", "none")),
            reasons=texts(body.get("reasons")),
            action=text(body, "action"),
            version=text(body, "version"),
            at=record.happened_at,
            seq=record.seq,
            body=body,
        )

    def _on_exception_granted(self, record: Record) -> None:
        body = record.body
        self.exceptions.append(
            ExceptionGranted(
                gate=text(body, "gate") or record.subject,
                reason=text(body, "reason", "rationale"),
                person=text(body, "person"),
                role=text(body, "role"),
                version=text(body, "version") or None,
                granted_at=record.happened_at,
                expires=moment(body.get("expires")),
                seq=record.seq,
            )
        )

    def _on_exception_withdrawn(self, record: Record) -> None:
        signed = self._signed(record, ExceptionWithdrawn.PURPOSE)
        if signed is None:
            return
        self.exceptions = [
            replace(e, withdrawn_at=record.happened_at) if e.seq == signed.predicate.get("seq") else e
            for e in self.exceptions
        ]

    def _on_finding_recorded(self, record: Record) -> None:
        self.findings[record.subject] = record

    def _on_finding_closed(self, record: Record) -> None:
        opened = self.findings.get(record.subject)
        if opened is None:
            return
        version = opened.body.get("version")
        built = [v.registered for name, v in self.versions.items() if version is None or name == str(version)]
        barred = {name for body in built for name in map(str.casefold, body.get("developers", ()))}
        signed = self._signed(record, FindingClosed.PURPOSE, VALIDATING, barred)
        if signed is not None and signed.statement.subjects.get("finding") == opened.digest:
            self.findings_closed.add(record.subject)

    def _signed(
        self, record: Record, purpose: str, roles: Collection[str] | None = None, barred: Collection[str] = ()
    ) -> Signed | None:
        """What was signed, where it counts: nothing disappears from a page by a record that anybody could append."""
        try:
            return read_act(self.people, record, purpose, roles=roles, barred=barred)
        except (NotAllowed, SignatureRefused):
            return None

    def _on_retraining_request(self, record: Record) -> None:
        self.requests[record.subject] = record

    def _on_retraining_closed(self, record: Record) -> None:
        self.requests_closed[record.subject] = record


def text(body: Mapping[str, Any], *keys: str) -> str:
    """The first of `keys` that holds something, as text; a mapping or list is not text and is told by its values."""
    for key in keys:
        value = body.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, Mapping):
            return "; ".join(f"{k}: {v}" for k, v in value.items())
        if isinstance(value, (list, tuple)):
            return "; ".join(str(v) for v in value)
        return str(value)
    return ""


def texts(value: object) -> tuple[str, ...]:
    """A list of texts from text, a list, or nothing; of mappings their most telling field."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, Iterable):
        return tuple(text(v, "reason", "text", "name", "evidence") if isinstance(v, Mapping) else str(v) for v in value)
    return (str(value),)


def _version_order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)
