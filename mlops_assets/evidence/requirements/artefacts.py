"""The artefacts that answer clauses: their names, and which of them a card and the ledger really hold.

An artefact is there only with its content: a field that is empty, or a check that had nothing to measure, is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.reading import moment
from mlops_assets.ledger.canonical import digest as digest_of
from mlops_assets.ledger.canonical import plain
from mlops_assets.ledger.state.model import ModelState

Stage = Literal["card", "approval", "operation"]

ARTEFACTS: dict[str, tuple[str, Stage]] = {
    "adverse_action_notice": ("Notices of adverse action, with their dates", "operation"),
    "alternatives": ("Alternatives considered", "card"),
    "approval": ("Signed approvals", "approval"),
    "calibration": ("Calibration", "card"),
    "change_log": ("Change log", "card"),
    "conformity_attachment": ("Declaration of conformity and list of standards", "approval"),
    "data_profile": ("Profile of the training data", "card"),
    "decision_log": ("Log of decisions and predictions", "operation"),
    "digests": ("Digests of data, artifact and declaration", "card"),
    "drift_report": ("Monitoring verdicts", "operation"),
    "evaluation": ("Evaluation on rows not fitted on", "card"),
    "exceptions": ("Register of exceptions", "card"),
    "fairness": ("Fairness by group", "card"),
    "feature_list": ("List of inputs", "card"),
    "human_oversight": ("Human oversight", "card"),
    "incidents": ("Register of incidents", "card"),
    "input_checks": ("Checks of the inputs", "card"),
    "intended_use": ("Intended use", "card"),
    "inventory": ("Inventory entry", "card"),
    "limitations": ("Assumptions and limitations", "card"),
    "lineage": ("Lineage", "card"),
    "ml_bom": ("Machine-learning bill of materials", "card"),
    "model_card": ("Model card", "card"),
    "monitoring_plan": ("Monitoring plan", "card"),
    "owners": ("Owner and developers", "card"),
    "proxy_test": ("Test for proxies of protected attributes", "card"),
    "reason_codes": ("Reason codes", "card"),
    "reason_fidelity": ("Faithfulness of the reason codes", "card"),
    "retention_policy": ("Retention policy", "card"),
    "risk_register": ("Risk register", "approval"),
    "robustness": ("Robustness", "card"),
    "signature": ("Signature of the artifact", "approval"),
    "slices": ("Performance by segment", "card"),
    "supplier": ("Supplier, agreement, right to audit, notices of versions, and documents with their digests", "card"),
    "tier": ("Risk tier", "card"),
    "validation_due": ("Date until which the validation counts", "approval"),
    "validation_report": ("Validation report", "approval"),
}
"""Artefact to its name for people, and the stage at which it can first be there: with the card, with the approval that
follows it, or only in operation. A gate before approval asks for the first alone."""


@dataclass(frozen=True)
class Artefact:
    """One artefact that exists.

    Attributes:
        name: One of `ARTEFACTS`.
        digest: SHA-256 of the file or record that holds it, where it has one.
        produced_at: When it was made.
        valid_until: From when it no longer counts.
        of_version: Version it is about; "" for what belongs to the model.
        record: Number of the ledger record that holds or names it; None where there is none.
        file: File that holds it; "" where it is in the record.
        content: SHA-256 of what it says, the same in every edition of a card as long as that does not change; "" where
            that is its record.
    """

    name: str
    digest: str = ""
    produced_at: datetime | None = None
    valid_until: datetime | None = None
    of_version: str = ""
    record: int | None = None
    file: str = ""
    content: str = ""


def artefacts_of_card(
    inputs: CardInputs, record: int | None = None, digest: str = "", file: str = ""
) -> list[Artefact]:
    """What a card's inputs hold, as artefacts: only what was really supplied counts.

    Args:
        inputs: What the card was made from.
        record, digest, file: Number of the record that issued the card, its digest, and where it is; none before it is
            issued.
    """
    d, at, version = inputs.declaration, inputs.issued_at, inputs.version
    codes = (inputs.explanations or {}).get("reason_codes") or {}
    tried = list(inputs.candidates or ())
    packages = (inputs.environment or {}).get("packages")
    protected = [p.column for p in d.protected]
    contents: dict[str, Any] = {
        "alternatives": tried if len(tried) > 1 else None,
        "calibration": inputs.calibration,
        # An empty register is a register.
        "change_log": None if inputs.changes is None else {"versions": inputs.changes},
        "data_profile": inputs.snapshot and inputs.profile and {"rows": inputs.snapshot, "columns": inputs.profile},
        "digests": inputs.digests,
        "evaluation": (inputs.performance or {}).get("metrics"),
        "exceptions": None if inputs.exceptions is None else {"in force": inputs.exceptions},
        "fairness": inputs.fairness if protected else None,
        "feature_list": d.features,
        "human_oversight": d.card.human_oversight,
        "incidents": "kept in the ledger",
        "input_checks": {"counted": True} if (inputs.snapshot or {}).get("quarantined") is not None else None,
        "intended_use": d.intended_use,
        "inventory": [d.name, d.purpose, d.owner],
        "limitations": d.card.limitations,
        "lineage": inputs.lineage,
        "ml_bom": packages,
        "model_card": [d.purpose, d.intended_use, d.card],
        "monitoring_plan": inputs.monitoring_plan,
        "owners": [d.owner, *d.developers],
        "proxy_test": (inputs.screening or {}).get("proxies")
        if proxies_measured(inputs.screening, protected)
        else None,
        "reason_codes": codes if codes.get("explained") else None,
        "reason_fidelity": codes if codes.get("faithful_share") is not None or codes.get("faithful") else None,
        "retention_policy": (inputs.policy or {}).get("retention_days"),
        "risk_register": inputs.risk_register,
        "robustness": inputs.robustness,
        "slices": inputs.slices if d.slices else None,
        "supplier": d.supplied if d.supplied and not d.supplied.missing_facts else None,
        "tier": d.tier,
    }
    place = {"digest": digest, "of_version": version, "record": record, "file": file}
    found = [
        Artefact(name, content=digest_of(plain(content)), produced_at=at, **place)
        for name, content in contents.items()
        if content
    ]
    if inputs.validation:
        until = moment(inputs.validation.get("valid_until"))
        content = digest_of(plain(inputs.validation))
        found.append(Artefact("validation_report", content=content, produced_at=at, valid_until=until, **place))
        if until is not None:
            found.append(Artefact("validation_due", content=content, valid_until=until, **place))
    return found


def proxies_measured(screening: Mapping[str, Any] | None, protected: Sequence[str]) -> bool:
    """Whether there are protected attributes, and each was tested for proxies with a result."""
    tested = {row.get("attribute") for row in (screening or {}).get("proxies") or () if row.get("auc") is not None}
    return bool(protected) and set(protected) <= tested


def artefacts_of_ledger(state: ModelState, version: str) -> list[Artefact]:
    """What the ledger adds once a version is signed, decided on and used."""
    known = state.version(version)
    found = [
        Artefact("approval", given.record.digest, given.record.happened_at, of_version=version, record=given.record.seq)
        for given in known.approvals
        if given.record.event.decision == "approve"
    ]
    registered = known.registration
    if registered is not None and registered.event.signature:
        found.append(
            Artefact("signature", registered.digest, registered.happened_at, of_version=version, record=registered.seq)
        )
    if known.validations:
        last = known.validations[-1]
        place = {"of_version": version, "record": last.seq, "valid_until": last.event.valid_until}
        found += [
            Artefact(name, last.digest, last.happened_at, **place) for name in ("validation_report", "validation_due")
        ]
    mine = [v for v in state.window_verdicts.values() if v.version == version]
    if mine:
        verdict = mine[-1]
        found.append(Artefact("drift_report", produced_at=verdict.happened_at, of_version=version, record=verdict.seq))
    if state.scored:
        scored = max(state.scored.values(), key=lambda scored: scored.seq)
        found.append(Artefact("decision_log", produced_at=scored.recorded_at, record=scored.seq))
    return found
