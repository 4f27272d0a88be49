"""The sections of a card that show decisions: tier, gates, exceptions, findings, approvals, earlier versions, and digests.

Not here: what was measured (`measurements`), and what the declaration says (`declared`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.evidence.blocks import Block, Facts, Missing, Paragraph, Table, Tone
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.reading import cell, day, label, leftovers, number, short, table
from mlops_assets.ledger.canonical import plain

OUTCOME_TONES: dict[str, Tone] = {
    "passed": "plain",
    "failed": "bad",
    "not_measurable": "warn",
    "not_applicable": "muted",
}


def tier(inputs: CardInputs) -> list[Block]:
    """The declared tier, its assessment with answers and reasons, and models that this one is a copy of."""
    if inputs.tier is None:
        return [Missing("the tier and its assessment")]
    found = inputs.tier
    facts = [("Declared tier", cell(found.get("declared"))), ("Least tier required", cell(found.get("required")))]
    blocks: list[Block] = []
    if found.get("record"):
        facts += [
            ("Assessed tier", cell(found.get("assessed"))),
            ("Assessed by", f"{found.get('person')} ({found.get('role')}), record {found.get('record')}"),
            ("Counts until", day(found.get("expires"))),
        ]
        columns = (("asked", "Question"), ("answer", "Answer"), ("meaning", "Meaning"), ("why", "Reason"))
        blocks.append(table(found.get("answers") or [], columns))
    said = found.get("objection") or found.get("problem")
    warnings = [f"{said[:1].upper()}{said[1:]}."] if said else []
    warnings += [str(copy.get("text")) for copy in inputs.copies or ()]
    return [Facts(tuple(facts)), *blocks, *(Paragraph(text, tone="warn") for text in warnings)]


def decisions(inputs: CardInputs) -> list[Block]:
    """Every gate decision: whether the gate is required, its value, its threshold and the reason."""
    policy = inputs.policy or {}
    facts = [("Policy tier", cell(policy.get("tier"))), ("Policy digest", short(policy.get("digest"), 16))]
    blocks: list[Block] = [Facts(tuple(facts))] if inputs.policy is not None else [Missing("policy")]
    if inputs.decisions is None:
        return [*blocks, Missing("gate decisions")]
    if not inputs.decisions:
        return [*blocks, Missing("gate decisions: none is recorded for this version")]
    rules: Mapping[str, Any] = policy.get("gates") or {}
    rows = [
        (
            label(str(x.get("gate"))),
            _required(rules, str(x.get("gate"))),
            str(x.get("outcome")).replace("_", " "),
            number(x.get("value")),
            number(x.get("threshold")),
            cell(x.get("rule")),
            cell(x.get("reason")),
        )
        for x in inputs.decisions
    ]
    tones: list[Tone] = [
        "plain" if row[1] == "no" else OUTCOME_TONES.get(str(x.get("outcome")), "warn")
        for row, x in zip(rows, inputs.decisions, strict=True)
    ]
    columns = ("Gate", "Required", "Outcome", "Value", "Threshold", "Rule", "Reason")
    return [*blocks, Table(columns, tuple(rows), numeric=(3, 4), tones=tuple(tones))]


def _required(rules: Mapping[str, Any], gate: str) -> str:
    required = (rules.get(gate) or {}).get("required")
    return "not known" if required is None else "yes" if required else "no"


def exceptions(inputs: CardInputs) -> list[Block]:
    """Signed exceptions to gates that were in force when the card was issued."""
    if inputs.exceptions is None:
        return [Missing("exceptions")]
    if not inputs.exceptions:
        return [Paragraph("No exception was in force when the card was issued.")]
    rows = [{**e, "expires": day(e.get("expires"))} for e in inputs.exceptions]
    columns = (
        ("gate", "Gate"),
        ("reason", "Reason"),
        ("person", "Granted by"),
        ("role", "Role"),
        ("expires", "Expires"),
    )
    shown = table(rows, columns)
    tones: list[Tone] = ["warn" for _ in rows]
    return [Table(shown.columns, shown.rows, tones=tuple(tones))]


CONCLUSION_COLUMNS = (
    ("profile", "Profile"),
    ("clause", "Clause"),
    ("outcome", "Outcome"),
    ("rationale", "Reason"),
    ("person", "Concluded by"),
    ("role", "Role"),
    ("record", "Record"),
)


def findings(inputs: CardInputs) -> list[Block] | str:
    """Validation, findings and conclusions about clauses that were recorded when the card was issued."""
    found = _findings(inputs)
    if not inputs.conclusions:
        return found
    rows = [{**one, "outcome": label(str(one["outcome"])).lower()} for one in map(plain, inputs.conclusions)]
    shown = table(rows, CONCLUSION_COLUMNS, title="Conclusions about clauses of requirement profiles", limit=200)
    return [*([Paragraph(found)] if isinstance(found, str) else found), shown]


def _findings(inputs: CardInputs) -> list[Block] | str:
    required = ((inputs.policy or {}).get("validation") or {}).get("required", True)
    if inputs.validation is None and not required and inputs.findings is not None:
        none = "No independent validation was recorded when the card was issued; the policy of this tier requires none."
        return [Paragraph(none), table(inputs.findings, title="Findings")] if inputs.findings else none
    blocks: list[Block] = (
        leftovers(inputs.validation, ()) if inputs.validation is not None else [Missing("validation report")]
    )
    if inputs.findings is None:
        return [*blocks, Missing("findings")]
    if not inputs.findings:
        return [*blocks, Paragraph("No finding was recorded when the card was issued.")]
    return [*blocks, table(inputs.findings, title="Findings")]


def approvals(inputs: CardInputs) -> list[Block] | str:
    """Who approved, where that is known: approvals are signed over the digest of the card that was issued before."""
    if inputs.approvals is None:
        return "A card is issued before anybody signs, because approvals are signatures over its digest. See the model page."
    state = plain(inputs.approvals)
    status = str(state.get("status", "pending"))
    tone: Tone = "bad" if status == "rejected" else "plain"
    blocks: list[Block] = [Paragraph(f"Status of the approval: {status}.", tone=tone)]
    counted = [_named(c, ("person", "role", "seq")) for c in state.get("counted") or []]
    if counted:
        blocks.append(table(counted, title="Valid signatures", note="seq: number of the ledger record."))
    missing = [_named(c, ("role", "count")) for c in state.get("missing") or []]
    if missing:
        blocks.append(table(missing, title="Missing signatures"))
    refused = [_named(c, ("seq", "person", "why")) for c in state.get("refused") or []]
    if refused:
        blocks.append(table(refused, title="Void signatures"))
    return blocks


def _named(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else dict(zip(names, value, strict=False))


def changes(inputs: CardInputs) -> list[Block]:
    """The versions before this one."""
    if inputs.changes is None:
        return [Missing("change log")]
    return [table(inputs.changes)] if inputs.changes else [Paragraph("This is the first version.")]


def provenance(inputs: CardInputs) -> list[Block]:
    """Digests, lineage and environment, by which anybody can check what the card is about."""
    blocks: list[Block] = []
    if inputs.digests:
        rows = tuple((label(k), v) for k, v in sorted(inputs.digests.items()))
        blocks.append(Table(("What", "SHA-256"), rows, title="Digests"))
    else:
        blocks.append(Missing("digests of artifact, data and declaration"))
    blocks += leftovers(inputs.lineage, ()) if inputs.lineage else [Missing("lineage")]
    if inputs.environment:
        packages = inputs.environment.get("packages")
        blocks += leftovers(inputs.environment, ("packages",))
        if isinstance(packages, Mapping):
            rows = tuple((name, str(version)) for name, version in sorted(packages.items()))
            blocks.append(Table(("Package", "Version"), rows, title="Packages"))
    else:
        blocks.append(Missing("environment"))
    return blocks
