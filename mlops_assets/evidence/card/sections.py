"""The sections of a card, from what is declared to what was decided; what was measured is in `card_measurements`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_assets.declaration.columns import Feature
from mlops_assets.evidence.blocks import Block, Bullets, Facts, Missing, Paragraph, Section, SectionStatus, Table, Tone
from mlops_assets.evidence.card import measurements as measured
from mlops_assets.evidence.card import production as running
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.reading import (
    NOTHING,
    cell,
    day,
    estimate,
    first,
    label,
    leftovers,
    minute,
    number,
    percent,
    records_of,
    short,
    table,
)
from mlops_assets.ledger.canonical import plain

OUTCOME_TONES: dict[str, Tone] = {"passed": "plain", "failed": "bad", "not_measurable": "warn"}


def sections_of(inputs: CardInputs) -> tuple[Section, ...]:
    """Every section, in the order in which a reader asks."""
    parts: tuple[tuple[str, str, Callable[[CardInputs], list[Block] | str]], ...] = (
        ("summary", "At a glance", summary),
        ("intended_use", "Intended use", intended_use),
        ("limitations", "Assumptions and limitations", limitations),
        ("data", "Data", data),
        ("features", "Features", features),
        ("screening", "Screening of the data", measured.screening),
        ("candidates", "Alternatives considered", measured.candidates),
        ("performance", "Performance", measured.performance),
        ("comparison", "Comparison with the champion", measured.comparison),
        ("slices", "Segments", measured.slices),
        ("calibration", "Calibration", measured.calibration),
        ("robustness", "Robustness", measured.robustness),
        ("stability", "Stability of the training", running.stability),
        ("fairness", "Fairness", measured.fairness),
        ("explanations", "Explanations", measured.explanations),
        ("cost", "Cost", running.cost),
        ("software", "Software", running.software),
        ("decisions", "Gate decisions", decisions),
        ("exceptions", "Exceptions", exceptions),
        ("findings", "Validation and findings", findings),
        ("approvals", "Approvals", approvals),
        ("monitoring", "Monitoring plan", monitoring),
        ("changes", "Changes", changes),
        ("risk_register", "Risk register", risk_register),
        ("provenance", "Provenance", provenance),
    )
    return tuple(_section(key, title, build(inputs)) for key, title, build in parts)


def _section(key: str, title: str, content: list[Block] | str) -> Section:
    """A text in place of blocks says why the section does not apply."""
    if isinstance(content, str):
        return Section(key, title, "not_applicable", (Paragraph(content, tone="muted"),))
    status: SectionStatus = "missing" if any(isinstance(b, Missing) for b in content) else "present"
    return Section(key, title, status, tuple(content))


def summary(inputs: CardInputs) -> list[Block]:
    """The first thing a reader sees."""
    d = inputs.declaration
    facts = [
        ("Model", d.name),
        ("Version", inputs.version),
        ("Task", d.task.value),
        ("Algorithm", label(inputs.algorithm) if inputs.algorithm else NOTHING),
        ("Risk tier", d.tier.value),
        ("Owner", d.owner),
        ("Developers", ", ".join(d.developers)),
        ("Card issued", minute(inputs.issued_at)),
    ]
    if inputs.performance:
        metric = inputs.performance.get("main_metric")
        value = estimate((inputs.performance.get("metrics") or {}).get(metric))
        if metric and value:
            facts.append((f"{label(metric)} on held-out rows", value.text))
    if inputs.decisions is not None:
        outcomes = [str(x.get("outcome")) for x in inputs.decisions]
        text = f"{outcomes.count('passed')} of {len(outcomes)} passed"
        for outcome in ("failed", "not_measurable"):
            if outcome in outcomes:
                text += f", {outcomes.count(outcome)} {outcome.replace('_', ' ')}"
        facts.append(("Gates", text))
    if inputs.exceptions is not None:
        facts.append(("Exceptions in force", number(len(inputs.exceptions))))
    blocks: list[Block] = [Paragraph(d.purpose), Facts(tuple(facts))]
    blocks += [Paragraph(text, tone="warn") for text in d.card.simplifications]
    return blocks


def intended_use(inputs: CardInputs) -> list[Block]:
    """Purpose, use, what it is not for, and who watches."""
    d = inputs.declaration
    blocks: list[Block] = [
        Paragraph(d.intended_use) if d.intended_use else Missing("intended use (`intended_use` in the declaration)")
    ]
    blocks.append(
        Bullets(d.card.out_of_scope, "Out of scope")
        if d.card.out_of_scope
        else Missing("what the model is not for (`card.out_of_scope`)")
    )
    blocks.append(
        Facts((("Human oversight", d.card.human_oversight),))
        if d.card.human_oversight
        else Missing("who oversees decisions, and how (`card.human_oversight`)")
    )
    return blocks


def limitations(inputs: CardInputs) -> list[Block]:
    """What people know that no metric says."""
    card = inputs.declaration.card
    blocks: list[Block] = []
    for items, title, field in (
        (card.assumptions, "Assumptions", "assumptions"),
        (card.limitations, "Limitations", "limitations"),
        (card.ethical_considerations, "Ethical considerations", "ethical_considerations"),
    ):
        blocks.append(Bullets(items, title) if items else Missing(f"{title.lower()} (`card.{field}`)"))
    if card.simplifications:
        blocks.append(Bullets(card.simplifications, "Simplifications forced by the data"))
    return blocks


def data(inputs: CardInputs) -> list[Block]:
    """Where the rows come from and which of them were used."""
    d = inputs.declaration
    origin = d.source.path or f"query on {d.source.connection}"
    facts = [("Source", origin), ("Asset", "/".join(d.source.key))]
    if d.card.licence:
        facts.append(("Licence", d.card.licence))
    facts.append(("Identifier", d.id))
    target = d.target.column
    if d.task.value == "binary":
        target += f" (event: {d.target.positive}; favourable prediction: {d.target.favourable})"
    facts.append(("Target", target))
    if d.event_time is not None:
        matures = str(d.target.matures_after) if d.target.matures_after else "when its window ends"
        facts += [("Event time", d.event_time.column), ("Outcome known after", matures)]
    else:
        facts.append(("Event time", "none: one snapshot, so no windows and no drift are claimed"))
    blocks: list[Block] = [Facts(tuple(facts))]
    s = inputs.snapshot
    if s is None:
        return [*blocks, Missing("training snapshot")]
    known = (
        "rows",
        "quarantined",
        "since",
        "until",
        "fit_rows",
        "holdout_rows",
        "holdout_method",
        "data_digest",
        "delta_version",
        "table",
        "history",
    )
    found = [
        ("Training rows accepted", number(s.get("rows"))),
        ("Rows quarantined", number(s.get("quarantined"))),
        ("From", day(s.get("since"))),
        ("Before", day(s.get("until"))),
        ("How far back", cell((s.get("history") or {}).get("reason"))),
        ("Rows fitted on", number(s.get("fit_rows"))),
        ("Rows held out", number(s.get("holdout_rows"))),
        ("Held out by", cell(s.get("holdout_method"))),
        ("Data digest", short(s.get("data_digest"), 16)),
        ("Table version", cell(s.get("delta_version"))),
    ]
    blocks.append(Facts(tuple((k, v) for k, v in found if v != NOTHING)))
    blocks += leftovers(s, known)
    if d.card.references:
        blocks.append(Bullets(d.card.references, "References"))
    return blocks


def features(inputs: CardInputs) -> list[Block]:
    """Each input as declared, with what the profile found."""
    d = inputs.declaration
    profile = {str(first(r, "name", "column")): r for r in records_of((inputs.profile or {}).get("columns") or [])}
    protected = {p.column for p in d.protected}
    rows = []
    for name, feature in d.features.items():
        seen = profile.get(name, {})
        nulls = first(seen, "null_share", "nulls_share", "missing_share")
        if nulls is None and seen.get("rows") and seen.get("nulls") is not None:
            nulls = seen["nulls"] / seen["rows"]
        rows.append(
            {
                "feature": name + (" (protected)" if name in protected else ""),
                "role": feature.role.value,
                "description": feature.description or None,
                "accepted": _accepted(feature),
                "missing": None if nulls is None else percent(float(nulls)),
                "typical": _typical(seen),
            }
        )
    columns = (
        ("feature", "Feature"),
        ("role", "Role"),
        ("description", "Meaning"),
        ("accepted", "Accepted values"),
        ("missing", "Missing"),
        ("typical", "In training"),
    )
    blocks: list[Block] = [table(rows, columns, limit=200)]
    outside = [p.column for p in d.protected if p.column not in d.features]
    if outside:
        blocks.append(Paragraph(f"Protected attributes kept out of the inputs: {', '.join(outside)}."))
    if inputs.profile is None:
        blocks.append(Missing("profile of the training data"))
    return blocks


def _accepted(feature: Feature) -> str | None:
    if feature.allowed is not None:
        return ", ".join(str(a) for a in feature.allowed)
    if feature.minimum is None and feature.maximum is None:
        return None
    if feature.maximum is None:
        return f"from {number(feature.minimum)}"
    if feature.minimum is None:
        return f"up to {number(feature.maximum)}"
    return f"{number(feature.minimum)} to {number(feature.maximum)}"


def _typical(seen: Mapping[str, Any]) -> str | None:
    """The most frequent values with their shares, or smallest, mean and largest."""
    categories = seen.get("categories")
    if isinstance(categories, Mapping) and categories:
        total = seen.get("rows") or sum(categories.values())
        top = sorted(categories.items(), key=lambda item: -item[1])[:3]
        rest = f", … ({number(seen['distinct'])} values)" if (seen.get("distinct") or 0) > len(top) else ""
        return ", ".join(f"{value or 'empty'} {percent(count / total)}" for value, count in top) + rest
    low, middle, high = first(seen, "minimum", "min"), first(seen, "mean", "median"), first(seen, "maximum", "max")
    if middle is None and low is None:
        return None
    return f"{number(low)} … {number(middle)} … {number(high)}"


def decisions(inputs: CardInputs) -> list[Block]:
    """Every gate, its value against its threshold, and why."""
    policy = inputs.policy or {}
    facts = [("Policy tier", cell(policy.get("tier"))), ("Policy digest", short(policy.get("digest"), 16))]
    blocks: list[Block] = [Facts(tuple(facts))] if inputs.policy is not None else [Missing("policy")]
    if inputs.decisions is None:
        return [*blocks, Missing("gate decisions")]
    if not inputs.decisions:
        return [*blocks, Missing("gate decisions: none is recorded for this version")]
    rows = [
        (
            label(str(x.get("gate"))),
            str(x.get("outcome")).replace("_", " "),
            number(x.get("value")),
            number(x.get("threshold")),
            cell(x.get("rule")),
            cell(x.get("reason")),
        )
        for x in inputs.decisions
    ]
    tones: list[Tone] = [OUTCOME_TONES.get(str(x.get("outcome")), "warn") for x in inputs.decisions]
    columns = ("Gate", "Outcome", "Value", "Threshold", "Rule", "Reason")
    return [*blocks, Table(columns, tuple(rows), numeric=(2, 3), tones=tuple(tones))]


def exceptions(inputs: CardInputs) -> list[Block]:
    """Signed permissions to pass a gate that was not passed."""
    if inputs.exceptions is None:
        return [Missing("exceptions")]
    if not inputs.exceptions:
        return [Paragraph("No exception is in force.")]
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


def findings(inputs: CardInputs) -> list[Block] | str:
    """What independent validation said, and what is still open."""
    asked = ((inputs.policy or {}).get("validation") or {}).get("required", True)
    if inputs.validation is None and not asked and inputs.findings is not None:
        none = "No independent validation is recorded, and the policy of this tier asks for none."
        return [Paragraph(none), table(inputs.findings, title="Findings")] if inputs.findings else none
    blocks: list[Block] = (
        leftovers(inputs.validation, ()) if inputs.validation is not None else [Missing("validation report")]
    )
    if inputs.findings is None:
        return [*blocks, Missing("findings")]
    if not inputs.findings:
        return [*blocks, Paragraph("No finding is recorded.")]
    return [*blocks, table(inputs.findings, title="Findings")]


def approvals(inputs: CardInputs) -> list[Block]:
    """Who approved; approvals sign this card's digest and are not part of it."""
    state = inputs.approvals
    if state is None:
        return [Missing("approvals")]
    state = plain(state)
    status = str(state.get("status", "pending"))
    tone: Tone = "bad" if status == "rejected" else "plain"
    blocks: list[Block] = [Paragraph(f"The decision is {status}.", tone=tone)]
    counted = [_named(c, ("person", "role", "seq")) for c in state.get("counted") or []]
    if counted:
        blocks.append(table(counted, title="Signatures that count", note="seq is the ledger's record number."))
    lacking = [_named(c, ("role", "count")) for c in state.get("missing") or []]
    if lacking:
        blocks.append(table(lacking, title="Signatures still needed"))
    refused = [_named(c, ("seq", "person", "why")) for c in state.get("refused") or []]
    if refused:
        blocks.append(table(refused, title="Signatures that do not count"))
    return blocks


def _named(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else dict(zip(names, value, strict=False))


def monitoring(inputs: CardInputs) -> list[Block] | str:
    """How the model is watched once it decides."""
    d = inputs.declaration
    if not d.has_time:
        return "The table has no event time: there are no windows, and no drift is claimed."
    facts = [("Window", d.monitoring.cadence.value), ("From", day(d.monitoring.start or d.training.until))]
    if d.monitoring.end is not None:
        facts.append(("To", day(d.monitoring.end)))
    blocks: list[Block] = [Facts(tuple(facts))]
    if inputs.monitoring_plan is None:
        return [*blocks, Missing("monitoring plan (thresholds and actions)")]
    return [*blocks, *leftovers(inputs.monitoring_plan, ())]


def changes(inputs: CardInputs) -> list[Block]:
    """What came before this version."""
    if inputs.changes is None:
        return [Missing("change log")]
    return [table(inputs.changes)] if inputs.changes else [Paragraph("This is the first version.")]


def risk_register(inputs: CardInputs) -> list[Block]:
    """Risks that people have written down."""
    if inputs.risk_register is None:
        return [Missing("risk register")]
    return [table(inputs.risk_register)] if inputs.risk_register else [Paragraph("The register holds no risk.")]


def provenance(inputs: CardInputs) -> list[Block]:
    """What lets anyone check that this card is about that model."""
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
