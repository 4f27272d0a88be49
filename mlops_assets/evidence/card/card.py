"""The types of a model card: the evidence it is built from, and the card with its sections.

Not here: building and writing a card (`model_card`), and what the sections show (`sections`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.blocks import Section
from mlops_assets.ledger.canonical import canonical_json, iso, plain

SCHEMA = "mlops-assets/model-card/v1"
DECIDED_ON_THE_CARD = frozenset({"completeness"})
"""Gates that decide on the card itself, so that their decisions cannot be part of it."""


@dataclass(frozen=True)
class CardInputs:
    """What a card is built from. Every evidence field is JSON-able; None means that the evidence was not supplied.

    Attributes:
        declaration: What the bank wrote about the model.
        version: Version number in the registry.
        issued_at: When the card is issued (UTC); the only time on the card that is not evidence.
        algorithm: Name of the algorithm that was chosen.
        snapshot: Training data: rows, quarantined, data_digest, delta_version, since, until, fit_rows, holdout_rows.
        profile: The reference profile's summary: `columns`, a list of mappings with `name` and statistics.
        screening: Checks before the training: leakage, label bias, proxies.
        candidates: One mapping per algorithm that was tried.
        performance: `Performance.to_dict()`: metrics with intervals, curves.
        comparison: The paired comparison with the champion; an empty mapping: there was no champion.
        slices: Performance by segment.
        calibration: Calibration, with `bins`.
        robustness: Effect of small errors in the inputs.
        fairness: Group metrics with sizes and intervals.
        explanations: Importance and reason codes.
        decisions: Gate decisions, as recorded in the ledger (gate, outcome, value, threshold, rule, reason).
        policy: The effective policy, or a summary with its digest and tier.
        tier: The declared tier and its assessment: `TierStanding.to_dict()`.
        copies: Retired or refused models that the model is a copy of; empty: none.
        exceptions: Signed exceptions that are in force; an empty list: there are none.
        findings: The validators' findings; an empty list: there are none.
        approvals: State of the approvals. They are signed over the card's digest, so they are not part of it.
        environment: Python and package versions, code version, environment digest.
        digests: Name to SHA-256 of artifact, data, features, declaration, policy.
        lineage: Sources, upstream models, run ids, addresses.
        monitoring_plan: Windows, statistics and actions.
        changes: Earlier versions and the reason for each replacement, oldest first; empty for a first version.
        validation: The validation report: outcome, valid_until, conditions.
        conclusions: What people concluded about clauses of requirement profiles; empty or None: nobody has yet.
        risk_register: Risks and their mitigation.
    """

    declaration: Declaration
    version: str
    issued_at: datetime
    algorithm: str = ""
    snapshot: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None
    screening: Mapping[str, Any] | None = None
    candidates: Sequence[Mapping[str, Any]] | None = None
    performance: Mapping[str, Any] | None = None
    comparison: Mapping[str, Any] | None = None
    slices: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    calibration: Mapping[str, Any] | None = None
    robustness: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    fairness: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    explanations: Mapping[str, Any] | None = None
    decisions: Sequence[Mapping[str, Any]] | None = None
    policy: Mapping[str, Any] | None = None
    tier: Mapping[str, Any] | None = None
    copies: Sequence[Mapping[str, Any]] | None = None
    exceptions: Sequence[Mapping[str, Any]] | None = None
    findings: Sequence[Mapping[str, Any]] | None = None
    approvals: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    digests: Mapping[str, str] | None = None
    lineage: Mapping[str, Any] | None = None
    monitoring_plan: Mapping[str, Any] | None = None
    changes: Sequence[Mapping[str, Any]] | None = None
    validation: Mapping[str, Any] | None = None
    conclusions: Sequence[Mapping[str, Any]] | None = None
    risk_register: Sequence[Mapping[str, Any]] | None = None

    @property
    def evidence(self) -> dict[str, Any]:
        """Every evidence field by name, plain data, None where it was not supplied."""
        skipped = {"declaration", "version", "issued_at", "algorithm"}
        return {f.name: plain(getattr(self, f.name), f.name) for f in fields(self) if f.name not in skipped}

    def content(self, sections: Sequence[Section] = ()) -> dict[str, Any]:
        """What the card's digest covers: everything but decisions on the card itself; of sections of the bank's own what they
        show and their code, because it follows from no evidence of this package."""
        evidence = self.evidence
        evidence.pop("approvals")
        if not evidence["conclusions"]:
            evidence.pop("conclusions")  # a card that was issued without them has the digest that it had
        if evidence["decisions"] is not None:
            evidence["decisions"] = [d for d in evidence["decisions"] if d.get("gate") not in DECIDED_ON_THE_CARD]
        own = {s.key: {"code": s.code, "blocks": plain(s.blocks)} for s in sections if s.code is not None}
        return {
            **({"own_sections": own} if own else {}),
            "schema": SCHEMA,
            "model": self.declaration.name,
            "version": self.version,
            "issued_at": iso(self.issued_at.astimezone(UTC)),
            "algorithm": self.algorithm,
            "declaration": plain(self.declaration),
            "evidence": evidence,
        }


@dataclass(frozen=True)
class Card:
    """One version's card.

    Attributes:
        model: Name of the model.
        version: Version in the registry.
        issued_at: When it was issued.
        digest: SHA-256 over the canonical JSON of its content; equal inputs give equal digests.
        missing: Keys of the sections whose evidence is missing.
        sections: In order.
        inputs: What it was built from.
    """

    model: str
    version: str
    issued_at: datetime
    digest: str
    missing: tuple[str, ...]
    sections: tuple[Section, ...] = field(repr=False)
    inputs: CardInputs = field(repr=False)

    @property
    def json(self) -> str:
        """The content as canonical JSON; its SHA-256 is the digest, so that anybody can check the file."""
        return canonical_json(self.inputs.content(self.sections))
