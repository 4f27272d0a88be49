"""What the ledger's records add up to, by model and for the fleet: what `ledger.state.fold` computes. All is immutable.

Only what counts is in it: a record without a valid signature, by a person without the role, by an author, used twice, or
made for another state is in `LedgerState.refused` with the reason, and in nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from mlops_assets.ledger.events.champion import Intervention
from mlops_assets.ledger.events.judgements import PolicyAdopted
from mlops_assets.ledger.events.tiers import TierAssessed
from mlops_assets.ledger.people import People
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.champion import ChampionChange, ChampionState, Pause
from mlops_assets.ledger.state.discovery import Discovered, Searched
from mlops_assets.ledger.state.judgements import Finding, GrantedException
from mlops_assets.ledger.state.removals import Removals
from mlops_assets.ledger.state.response import Incident, Request
from mlops_assets.ledger.state.versions import Decision, Snapshot, VersionState
from mlops_assets.ledger.state.windows import Scored, WindowVerdict


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
class ModelState:
    """What is recorded about one model, at one time.

    Attributes:
        name: of the model.
        champion: which version decides.
        suspension: the record by which it is suspended now, or None.
        retirement: the record by which it was retired, or None.
        pauses: segments about whose rows nothing is decided, by the segment, in order.
        waiting: signatures on a change of the champion state that needs more of them under the policy in force.
        changes: every change of the version that decides, in order.
        versions: by number, in order of number.
        holdouts: comparisons on held-out rows, by the digest of the rows: version and champion of each, in order of its first.
        data_decisions: latest decision of each gate by subject (`data:<digest>`), made before there was a version.
        policies: that came into force, in order.
        assessments: of its tier, in order.
        exceptions: in order.
        findings: by id.
        incidents: by id.
        requests: retraining requests by id.
        verdicts: the last verdict by start and end of the window (`2004-01-01/2004-04-01`): a model whose cadence was changed
            has windows of two lengths that begin on the same day.
        due: windows that the calendar marked, by start.
        scored: the last scoring by start of the window.
        snapshots: the latest snapshot by declaration digest and request.
        discovered: what searches have found by its id, governed or not; of the fleet.
        searches: the last one by source; of the fleet.
        removals: rows that left the lake by a signed record, by the root of their table.
        latest: number of the last record of each kind, counted or not.
    """

    name: str
    champion: ChampionState
    suspension: Record[Intervention] | None = None
    retirement: Record[Intervention] | None = None
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    waiting: tuple[Record[Intervention], ...] = ()
    changes: tuple[ChampionChange, ...] = ()
    versions: Mapping[str, VersionState] = field(default_factory=dict)
    holdouts: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    data_decisions: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)
    policies: tuple[Record[PolicyAdopted], ...] = ()
    assessments: tuple[Record[TierAssessed], ...] = ()
    exceptions: tuple[GrantedException, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    requests: Mapping[str, Request] = field(default_factory=dict)
    verdicts: Mapping[str, WindowVerdict] = field(default_factory=dict)
    due: Mapping[str, date] = field(default_factory=dict)
    scored: Mapping[str, Scored] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()
    discovered: Mapping[str, Discovered] = field(default_factory=dict)
    searches: Mapping[str, Searched] = field(default_factory=dict)
    removals: Removals = field(default_factory=dict)
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

    def required_signatures(self, kind: str) -> dict[str, int]:
        """How many people in which role the policy in force requires for an intervention; empty: one person in any role."""
        if self.policy is None:
            return {}
        return {rule.role: rule.count for rule in self.policy.event.authority.interventions.of(kind)}

    def signed(self, kind: str, version: str) -> tuple[Record[Intervention], ...]:
        """Signatures on an intervention that waits for more of them."""
        return tuple(r for r in self.waiting if (r.kind, r.subject) == (kind, version))

    def missing_signatures(self, kind: str, version: str) -> dict[str, int]:
        """How many more people must sign an intervention in which role."""
        given = [record.event.role for record in self.signed(kind, version)]
        required = self.required_signatures(kind)
        return {role: count - given.count(role) for role, count in required.items() if count > given.count(role)}

    @property
    def removed_windows(self) -> frozenset[str]:
        """Windows whose predictions left the lake as a whole: nothing of them can be judged again."""
        mine = (r for r in self.removals.values() if r.whole and r.table == f"{self.name}/predictions")
        return frozenset(removal.window for removal in mine)

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
