"""What the ledger's records add up to: the types that `ledger.state.fold` computes. All are immutable.

Only what counts is in them: a record without a valid signature, by a person without the role, by an author, used twice, or
made for another state is in `LedgerState.refused` with the reason, and in nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from mlops_assets.ledger.events.champion import Intervention, Promotion
from mlops_assets.ledger.events.judgements import Approval, PolicyAdopted, ValidationRecorded
from mlops_assets.ledger.events.response import RetrainingClosed, RetrainingRequested
from mlops_assets.ledger.events.versions import CardIssued, VersionRegistered
from mlops_assets.ledger.events.windows import Severity
from mlops_assets.ledger.people import People
from mlops_assets.ledger.records import Expected, Record

CHAMPION_KINDS = ("promotion", "rollback", "suspension", "resumption", "retirement")
"""Kinds of records that change which version decides."""

Status = Literal["none", "active", "suspended", "retired"]
IncidentState = Literal["open", "acknowledged", "closed"]
Disposition = Literal["true", "false", "expected"]


@dataclass(frozen=True)
class Refused:
    """A record that counts for nothing.

    Attributes:
        seq: number of the record.
        kind: of the record.
        model: of the record, or empty.
        subject: of the record.
        person: who the record names as signer, or empty.
        reason: why it does not count.
    """

    seq: int
    kind: str
    model: str
    subject: str
    person: str
    reason: str


@dataclass(frozen=True)
class ChampionState:
    """Which version of a model decides.

    Attributes:
        model: name.
        status: `none` before the first champion, `active`, `suspended` (nothing may decide), `retired` (for ever).
        champion: version that decides, or would if it were not suspended.
        former: version that stays ready to take over again.
        seq: of the last record that changed this; 0 when there is none.
        since: when that was recorded.
        promoted: every version that was ever promoted, in order.
    """

    model: str
    status: Status = "none"
    champion: int | None = None
    former: int | None = None
    seq: int = 0
    since: datetime | None = None
    promoted: tuple[int, ...] = ()

    @property
    def deciding(self) -> int | None:
        """The version that may score now: the champion unless suspended or retired."""
        return self.champion if self.status == "active" else None

    @property
    def version(self) -> str | None:
        """The champion as text, suspended or not; None before the first one and after a retirement."""
        return None if self.champion is None or self.status == "retired" else str(self.champion)

    @property
    def expected(self) -> Expected:
        """For a record that may be written only while nobody else has changed the champion."""
        return Expected(CHAMPION_KINDS, self.model, self.seq)


@dataclass(frozen=True)
class ChampionChange:
    """One change of the version that decides.

    Attributes:
        at: when it happened.
        recorded_at: when it was recorded.
        kind: of the record.
        version: that decides from then on; None when the model was retired.
        former: that decided before.
        person: who signed it; empty for a promotion.
        reason: why.
        seq: number of the record.
    """

    at: datetime
    recorded_at: datetime
    kind: str
    version: str | None
    former: str | None
    person: str
    reason: str
    seq: int


@dataclass(frozen=True)
class Decision:
    """A gate's decision, without the details that only its record holds.

    Attributes:
        gate: name.
        outcome: `passed`, `failed` or `not_measurable`.
        value, threshold: what was compared, and the limit.
        rule, reason: in words.
        policy_digest: of the policy it was decided under.
        tier: of the model.
        evidence: name to SHA-256.
        absent: whether there was nothing to measure.
        seq, digest: of the record.
        happened_at, recorded_at: of the record.
    """

    gate: str
    outcome: str
    value: float | None
    threshold: float | None
    rule: str
    reason: str
    policy_digest: str
    tier: str
    evidence: Mapping[str, str]
    absent: bool
    seq: int
    digest: str
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class GivenApproval:
    """An approval or rejection with a valid signature by somebody who may judge the version.

    Attributes:
        record: its record.
        subjects: name to SHA-256: what it was signed over.
    """

    record: Record[Approval]
    subjects: Mapping[str, str]


@dataclass(frozen=True)
class VersionState:
    """What is recorded about one version.

    Attributes:
        version: number, as text.
        registration: its registration, or None where records name a version that was never registered.
        conflicting: numbers of registrations with another artifact: then the version cannot be used.
        decisions: the latest decision of each gate by policy digest, made since the registration.
        latest_policy: digest of the policy of its latest decision, or empty.
        approvals: in order.
        card: the card that was issued last.
        promotions: its promotions, in order.
        validations: that count, in order.
        scored_beside: windows with rows in which it scored beside a champion, with the largest share it decided.
    """

    version: str
    registration: Record[VersionRegistered] | None = None
    conflicting: tuple[int, ...] = ()
    decisions: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)
    latest_policy: str = ""
    approvals: tuple[GivenApproval, ...] = ()
    card: Record[CardIssued] | None = None
    promotions: tuple[Record[Promotion], ...] = ()
    validations: tuple[Record[ValidationRecorded], ...] = ()
    scored_beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def authors(self) -> frozenset[str]:
        """Who built it, in lower case."""
        return self.registration.event.authors if self.registration else frozenset()

    def decided(self, policy_digest: str = "") -> Mapping[str, Decision]:
        """The latest decision of each gate under a policy; default: the policy of the latest decision."""
        return self.decisions.get(policy_digest or self.latest_policy, {})


@dataclass(frozen=True)
class GrantedException:
    """An exception: a gate lifted for a time.

    Attributes:
        seq, digest: of its record.
        model: name.
        gate: that is lifted.
        version: the only version it is for, or None for all.
        reason: why.
        person, role: who signed it, as what.
        granted_at: when it was recorded.
        expires: when it ends.
        withdrawn_at: when it was ended early, or None.
    """

    seq: int
    digest: str
    model: str
    gate: str
    version: str | None
    reason: str
    person: str
    role: str
    granted_at: datetime
    expires: datetime
    withdrawn_at: datetime | None = None

    def status(self, at: datetime) -> Literal["active", "expired", "withdrawn"]:
        """Where it stands at that time."""
        if self.withdrawn_at is not None and at >= self.withdrawn_at:
            return "withdrawn"
        return "expired" if at >= self.expires else "active"

    def in_force(self, at: datetime) -> bool:
        """Whether it counts at that time."""
        return self.granted_at <= at and self.status(at) == "active"


@dataclass(frozen=True)
class Finding:
    """A validator's finding.

    Attributes:
        id: unique in the fleet, such as `sba_loan_default-F1`.
        model: name.
        version: concerned, or None for the model.
        severity: `low`, `medium`, `high` or `critical`.
        summary: what was found.
        owner: who must answer.
        due: by when it must be closed.
        condition: what must hold while it is open, or empty.
        person: validator who recorded it.
        recorded_at: when.
        seq, digest: of its record.
        response: latest answer, or empty.
        closed_at: when it was closed, or None.
        closed_by: validator who closed it, or empty.
    """

    id: str
    model: str
    version: str | None
    severity: str
    summary: str
    owner: str
    due: datetime
    condition: str
    person: str
    recorded_at: datetime
    seq: int
    digest: str
    response: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.closed_at is None

    def overdue(self, at: datetime) -> bool:
        """Whether it was still open past its due date at `at`."""
        return at > self.due and (self.closed_at is None or self.closed_at > self.due)


@dataclass(frozen=True)
class Incident:
    """An incident: opened by the system, acknowledged and closed by signatures.

    Attributes:
        id: short name.
        model: concerned, or empty for the fleet.
        kind: kind of change, or event such as `registry_changed`.
        severity: when it was opened.
        state: `open`, `acknowledged` or `closed`.
        window: start of the window that opened it, or what names the occasion.
        summary: in a sentence.
        columns: concerned.
        cause: incidents of one cause are one while open.
        opened_at: when it happened.
        recorded_at: when it was recorded.
        digest: of the record that opened it.
        seqs: numbers of the records that count.
        rule: what raised it.
        acknowledged_by: who, or empty.
        acknowledged_at: when, or None.
        disposition: `true` (a real fault), `false` (a false alarm), `expected`; None while open.
        note: of the closure.
        closed_by: who, or empty.
        closed_at: when, or None.
    """

    id: str
    model: str
    kind: str
    severity: str
    state: IncidentState
    window: str
    summary: str
    columns: tuple[str, ...]
    cause: str
    opened_at: datetime
    recorded_at: datetime
    digest: str
    seqs: tuple[int, ...]
    rule: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    disposition: Disposition | None = None
    note: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return self.state != "closed"


@dataclass(frozen=True)
class Request:
    """A retraining request and what came of it.

    Attributes:
        record: the request.
        closed: its end, or None while it is open.
    """

    record: Record[RetrainingRequested]
    closed: Record[RetrainingClosed] | None = None

    @property
    def id(self) -> str:
        """Id of the request."""
        return self.record.subject

    @property
    def is_open(self) -> bool:
        """Whether it has not come to an end."""
        return self.closed is None


@dataclass(frozen=True)
class WindowVerdict:
    """A verdict on a window, without the details that only its record holds.

    Attributes:
        window: its start.
        window_end: first day after it.
        severity, kind: of the verdict.
        reasons: why, in sentences.
        causes: kind of each cause, the gravest first.
        columns: concerned.
        action: what the policy attaches to it.
        raw: severity by kind before persistence.
        alarm_rules: rules that raised it.
        version: that decided.
        policy_digest: of the policy.
        outcomes: digest of the outcomes it rests on, or None.
        p_value: of the window among the fleet's, or None.
        happened_at, recorded_at, seq: of the record.
    """

    window: str
    window_end: date
    severity: str
    kind: str
    reasons: tuple[str, ...]
    causes: tuple[str, ...]
    columns: tuple[str, ...]
    action: tuple[str, ...]
    raw: Mapping[str, Severity]
    alarm_rules: tuple[str, ...]
    version: str
    policy_digest: str
    outcomes: str | None
    p_value: float | None
    happened_at: datetime
    recorded_at: datetime
    seq: int


@dataclass(frozen=True)
class Scored:
    """The last scoring of a window.

    Attributes:
        window: its start.
        version: that decided.
        challenger: beside it, or None.
        canary_share: share that the challenger decided.
        rows, quarantined: numbers of rows.
        seq: of the record.
        recorded_at: when.
    """

    window: str
    version: int
    challenger: int | None
    canary_share: float
    rows: int
    quarantined: int
    seq: int
    recorded_at: datetime


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of training rows.

    Attributes:
        data_digest: of the rows.
        rows, quarantined: numbers of rows.
        declaration_digest: it was taken under.
        request: that it answers, or None.
        seq: of the record.
        happened_at: when.
    """

    data_digest: str
    rows: int
    quarantined: int
    declaration_digest: str
    request: str | None
    seq: int
    happened_at: datetime


@dataclass(frozen=True)
class ModelState:
    """What is recorded about one model, at one time.

    Attributes:
        name: of the model.
        champion: which version decides.
        suspension: the record by which it is suspended now, or None.
        retirement: the record by which it was retired, or None.
        changes: every change of the version that decides, in order.
        versions: by number, in order of number.
        data_decisions: latest decision of each gate by subject (`data:<digest>`), made before there was a version.
        policies: that came into force, in order.
        exceptions: in order.
        findings: by id.
        incidents: by id.
        requests: retraining requests by id.
        verdicts: the last verdict by start and end of the window (`2004-01-01/2004-04-01`): a model whose cadence was changed
            has windows of two lengths that begin on the same day.
        due: windows that the calendar marked, by start.
        scored: the last scoring by start of the window.
        snapshots: the latest snapshot by declaration digest and request.
        latest: number of the last record of each kind, counted or not.
    """

    name: str
    champion: ChampionState
    suspension: Record[Intervention] | None = None
    retirement: Record[Intervention] | None = None
    changes: tuple[ChampionChange, ...] = ()
    versions: Mapping[str, VersionState] = field(default_factory=dict)
    data_decisions: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)
    policies: tuple[Record[PolicyAdopted], ...] = ()
    exceptions: tuple[GrantedException, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    requests: Mapping[str, Request] = field(default_factory=dict)
    verdicts: Mapping[str, WindowVerdict] = field(default_factory=dict)
    due: Mapping[str, date] = field(default_factory=dict)
    scored: Mapping[str, Scored] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()
    latest: Mapping[str, int] = field(default_factory=dict)

    @property
    def lifecycle(self) -> str:
        """`development`, `in use`, `suspended` or `retired`."""
        names = {"none": "development", "active": "in use", "suspended": "suspended", "retired": "retired"}
        return names[self.champion.status]

    @property
    def policy(self) -> Record[PolicyAdopted] | None:
        """The policy in force, or None before the first."""
        return self.policies[-1] if self.policies else None

    @property
    def last_verdict(self) -> WindowVerdict | None:
        """The verdict on the latest window."""
        by_window = self.window_verdicts
        return by_window[max(by_window)] if by_window else None

    @property
    def window_verdicts(self) -> Mapping[str, WindowVerdict]:
        """The verdict that was recorded last by start of the window, in order of time."""
        found: dict[str, WindowVerdict] = {}
        for verdict in sorted(self.verdicts.values(), key=lambda v: (v.window, v.seq)):
            found[verdict.window] = verdict
        return found

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """Incidents that are not closed, oldest first."""
        return tuple(i for i in self.incidents.values() if i.is_open)

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """Findings that are not closed, oldest first."""
        return tuple(f for f in self.findings.values() if f.open)

    @property
    def open_request(self) -> Request | None:
        """The retraining request that has not come to an end."""
        return next((r for r in reversed(tuple(self.requests.values())) if r.is_open), None)

    @property
    def newest_version(self) -> VersionState | None:
        """The version that was registered last."""
        registered = [v for v in self.versions.values() if v.registration is not None]
        return max(registered, key=lambda v: v.registration.seq if v.registration else 0) if registered else None

    @property
    def subject_version(self) -> VersionState | None:
        """The version that evidence is required of: the champion, or without one the latest that was registered."""
        if self.champion.champion is not None:
            return self.versions.get(str(self.champion.champion))
        return self.newest_version

    @property
    def authors(self) -> frozenset[str]:
        """Who built any version, in lower case."""
        return frozenset(name for version in self.versions.values() for name in version.authors)

    def authors_of(self, version: str | int | None) -> frozenset[str]:
        """Who built a version, or with None any version, in lower case."""
        if version is None:
            return self.authors
        found = self.versions.get(str(version))
        return found.authors if found else frozenset()

    def version(self, version: str | int) -> VersionState:
        """The state of a version; an empty one where nothing is recorded about it."""
        return self.versions.get(str(version)) or VersionState(str(version))

    def exceptions_in_force(self, at: datetime) -> tuple[GrantedException, ...]:
        """Exceptions that count at that time."""
        return tuple(e for e in self.exceptions if e.in_force(at))

    def champion_at(self, at: datetime) -> str | None:
        """The version that decided at that time."""
        before = [change for change in self.changes if change.at <= at]
        return before[-1].version if before else None

    def last_seq(self, *kinds: str) -> int:
        """Number of the last record of any of these kinds, counted or not; 0 when there is none."""
        return max((self.latest.get(kind, 0) for kind in kinds), default=0)


@dataclass(frozen=True)
class LedgerState:
    """What a ledger's records add up to.

    Attributes:
        models: by name, in order of name.
        fleet: what is recorded about no model, such as incidents of the fleet.
        people: everybody enrolled.
        refused: records that count for nothing, in order.
        seq, digest: of the last record that was taken in; 0 and zeros for an empty ledger.
        unsealed: why the ledger's tail is not covered by a signed head that counts; empty where it is.
    """

    models: Mapping[str, ModelState]
    fleet: ModelState
    people: People
    refused: tuple[Refused, ...]
    seq: int
    digest: str
    unsealed: str = ""

    def model(self, name: str) -> ModelState:
        """The state of a model; an empty one where nothing is recorded about it."""
        if not name:
            return self.fleet
        return self.models.get(name) or ModelState(name, ChampionState(name))

    def __iter__(self) -> Iterator[ModelState]:
        return iter(self.models.values())

    @property
    def refusals(self) -> Mapping[int, Refused]:
        """Records that count for nothing, by number."""
        return {refused.seq: refused for refused in self.refused}

    def objections(self, records: Iterable[Record]) -> dict[int, str]:
        """Why each of these records counts for nothing, by number; those that count are left out."""
        refused = {one.seq: one.reason for one in self.refused}
        late = f"no signed head that counts covers it{f' ({self.unsealed})' if self.unsealed else ''}"
        return {
            record.seq: refused.get(record.seq, late)
            for record in records
            if record.seq in refused or record.seq > self.seq
        }
