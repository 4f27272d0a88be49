"""What is recorded about snapshots and versions: decisions of gates, approvals, the card, promotions, validations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.judgements import Approval, ClauseConcluded, ValidationRecorded
from mlops_assets.ledger.events.versions import CardIssued, VersionRegistered
from mlops_assets.ledger.events.windows import LadderCheck
from mlops_assets.ledger.records import Record

DATA_SUBJECT = "data:"
"""Start of the subject of decisions on a snapshot, made before there is a version."""


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
class Decision:
    """A gate's decision, without the details that only its record holds.

    Attributes:
        gate: name.
        outcome: `passed`, `failed`, `not_measurable` or `not_applicable`.
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
class Beside:
    """What a challenger did in one window beside a champion; of several scorings the largest numbers.

    Attributes:
        share: of the rows that it decided.
        rows: that it scored.
        decided: rows that it decided.
        seq: number of the first record.
    """

    share: float
    rows: int
    decided: int
    seq: int


@dataclass(frozen=True)
class LadderTest:
    """How a challenger did in one window beside the champion.

    Attributes:
        window: its start.
        champion: version that it was compared with.
        outcome: passed, failed or not_measurable.
        tests: each test.
        seq: number of the record.
    """

    window: str
    champion: int
    outcome: str
    tests: tuple[LadderCheck, ...]
    seq: int

    @property
    def reason(self) -> str:
        """Why it came out so, in a sentence."""
        return "; ".join(f"{t.name.replace('_', ' ')}: {t.reason}" for t in self.tests if t.outcome == self.outcome)

    def check(self, name: str) -> LadderCheck | None:
        """The test of that name, where it was made."""
        return next((test for test in self.tests if test.name == name), None)


@dataclass(frozen=True)
class SignedStep:
    """A signature that a step of the ladder is passed.

    Attributes:
        step: its label.
        champion: version beside which the challenger was seen.
        person, role: who signed, in which role.
        seq: number of the record.
    """

    step: str
    champion: int
    person: str
    role: str
    seq: int


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
        conclusions: of people about clauses of requirement profiles, in order.
        scored_beside: by window with rows, what it did beside a champion.
        ladder_tests: by window, how it did beside the champion.
        steps_signed: signatures that a step of the ladder is passed, in order.
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
    conclusions: tuple[Record[ClauseConcluded], ...] = ()
    scored_beside: Mapping[str, Beside] = field(default_factory=dict)
    ladder_tests: Mapping[str, LadderTest] = field(default_factory=dict)
    steps_signed: tuple[SignedStep, ...] = ()

    @property
    def authors(self) -> frozenset[str]:
        """Who built it, in lower case."""
        return self.registration.event.authors if self.registration else frozenset()

    @property
    def rejected(self) -> Record[ValidationRecorded] | None:
        """The validation that rejected the version, where that one is the last."""
        last = self.validations[-1] if self.validations else None
        return last if last is not None and last.event.outcome == "rejected" else None

    def decided(self, policy_digest: str = "") -> Mapping[str, Decision]:
        """The latest decision of each gate under a policy; default: the policy of the latest decision."""
        return self.decisions.get(policy_digest or self.latest_policy, {})
