"""The sections of a card that rest on the declaration and the data: purpose, limits, rows, features, monitoring, risks.

Not here: measurements (`measurements`), and what gates and people decided (`decided`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.declaration.columns import Feature
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.external import External
from mlops_assets.declaration.imported import Imported
from mlops_assets.evidence.blocks import Block, Bullets, Facts, Missing, Paragraph
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

SNAPSHOT_FACTS = (
    ("rows", "Training rows accepted"),
    ("quarantined", "Rows quarantined"),
    ("since", "From"),
    ("until", "Before"),
    ("history", "Length of the history"),
    ("fit_rows", "Rows fitted on"),
    ("holdout_rows", "Rows held out"),
    ("holdout_method", "Holdout method"),
    ("data_digest", "Data digest"),
    ("delta_version", "Table version"),
    ("table", "Table"),
)
"""What a snapshot is known by, and its name on the card."""
_SNAPSHOT_TEXTS = {"since": day, "until": day, "data_digest": lambda value: short(value, 16)}


def summary(inputs: CardInputs) -> list[Block]:
    """Purpose, identity, and the main figures of the version."""
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
        for outcome in ("failed", "not_measurable", "not_applicable"):
            if outcome in outcomes:
                text += f", {outcomes.count(outcome)} {outcome.replace('_', ' ')}"
        facts.append(("Gates", text))
    if inputs.exceptions is not None:
        facts.append(("Exceptions in force", number(len(inputs.exceptions))))
    blocks: list[Block] = [Paragraph(d.purpose), Facts(tuple(facts))]
    blocks += [Paragraph(text, tone="warn") for text in d.card.simplifications]
    return blocks


def intended_use(inputs: CardInputs) -> list[Block]:
    """Intended use, uses out of scope, and human oversight."""
    d = inputs.declaration
    blocks: list[Block] = [
        Paragraph(d.intended_use) if d.intended_use else Missing("intended use (`intended_use` in the declaration)")
    ]
    blocks.append(
        Bullets(d.card.out_of_scope, "Out of scope")
        if d.card.out_of_scope
        else Missing("uses out of scope (`card.out_of_scope`)")
    )
    blocks.append(
        Facts((("Human oversight", d.card.human_oversight),))
        if d.card.human_oversight
        else Missing("human oversight of decisions (`card.human_oversight`)")
    )
    return blocks


def limitations(inputs: CardInputs) -> list[Block]:
    """Assumptions, limitations and ethical considerations, as declared."""
    card = inputs.declaration.card
    blocks: list[Block] = []
    for items, title, field in (
        (card.assumptions, "Assumptions", "assumptions"),
        (card.limitations, "Limitations", "limitations"),
        (card.ethical_considerations, "Ethical considerations", "ethical_considerations"),
    ):
        blocks.append(Bullets(items, title) if items else Missing(f"{title.lower()} (`card.{field}`)"))
    if card.simplifications:
        blocks.append(Bullets(card.simplifications, "Simplifications made because of the data"))
    return blocks


def supplier(inputs: CardInputs) -> list[Block] | str:
    """Who runs or has trained a model that is not trained here, and what is declared of the agreement and of the supplier's
    documents."""
    declaration = inputs.declaration
    supplied = declaration.supplied
    if supplied is None:
        return "The model is trained here."
    audit = {True: "yes", False: "no", None: NOTHING}[supplied.right_to_audit]
    facts = (
        ("Supplier", supplied.supplier),
        ("Agreement", supplied.contract or NOTHING),
        ("Agreement ends", day(supplied.contract_until) if supplied.contract_until else NOTHING),
        ("Right to audit", audit),
        ("Notices of new versions", supplied.version_notices or NOTHING),
        *(_given(declaration.external) if declaration.external else ()),
        *(_imported(declaration.imported, inputs.candidates) if declaration.imported else ()),
    )
    blocks: list[Block] = [Facts(facts)]
    if declaration.imported is not None and declaration.imported.trained_until is None:
        blocks.append(
            Paragraph(
                "Which rows trained the model is not declared (`imported.trained_until`). Where they are among those that it is "
                "evaluated on, the figures are better than the model.",
                tone="warn",
            )
        )
    if supplied.documents:
        rows = [
            {"title": d.title, "dated": day(d.dated) if d.dated else NOTHING, "sha256": d.sha256}
            for d in supplied.documents
        ]
        blocks.append(table(rows, (("title", "Document"), ("dated", "Dated"), ("sha256", "SHA-256"))))
    part = declaration.origin.value
    blocks += [Missing(f"{label(name).lower()} (`{part}.{name}`)") for name in supplied.missing_facts]
    return blocks


def _given(external: External) -> tuple[tuple[str, str], ...]:
    """How the predictions of a model that others run are read."""
    return (
        ("Supplier's version", external.version),
        ("Score is read from", external.score),
        ("Decision is read from", external.decision or "the score and the threshold"),
        ("Version is read from", external.version_column or NOTHING),
    )


def _imported(imported: Imported, candidates: Sequence[Mapping[str, Any]] | None) -> tuple[tuple[str, str], ...]:
    """Which file a model that others trained is, and what was found in it."""
    found = candidates[0].get("parameters", {}) if candidates else {}
    return (
        ("Kind of model", str(found.get("model", NOTHING))),
        ("Library that scores it", str(found.get("library", NOTHING))),
        ("Supplier's version", imported.version or NOTHING),
        ("Model file", imported.artifact),
        ("SHA-256 of the file", imported.sha256),
        ("Rows that trained it are before", day(imported.trained_until) if imported.trained_until else NOTHING),
    )


def data(inputs: CardInputs) -> list[Block]:
    """Source of the rows, and which of them were used."""
    d, snapshot = inputs.declaration, inputs.snapshot
    blocks: list[Block] = [Facts(tuple(_source(d)))]
    if snapshot is None:
        return [*blocks, Missing("training snapshot")]
    facts = [
        (
            name,
            _SNAPSHOT_TEXTS.get(key, cell)(
                (snapshot.get("history") or {}).get("reason") if key == "history" else snapshot.get(key)
            ),
        )
        for key, name in SNAPSHOT_FACTS
    ]
    blocks.append(Facts(tuple((name, text) for name, text in facts if text != NOTHING)))
    blocks += leftovers(snapshot, [*(key for key, _ in SNAPSHOT_FACTS), "account"])
    blocks += _account(snapshot.get("account") or {})
    if d.card.references:
        blocks.append(Bullets(d.card.references, "References"))
    return blocks


def _account(account: Mapping[str, Any]) -> list[Block]:
    """In which place each row of the source is; the last line is their sum."""
    counted = {place: rows for place, rows in account.items() if isinstance(rows, int) and rows and place != "rows"}
    if not counted:
        return []
    late = ", ".join(f"{window}: {count:,}" for window, count in sorted((account.get("late_by_window") or {}).items()))
    rows = [
        {"place": f"late (window {late})" if place == "late" and late else place.replace("_", " "), "rows": count}
        for place, count in counted.items()
    ]
    total = {"place": "in the source", "rows": account.get("rows")}
    columns = (("place", "Rows are"), ("rows", "Rows"))
    return [table([*rows, total], columns, title="Where each row of the source is")]


def _source(d: Declaration) -> list[tuple[str, str]]:
    origin = d.source.described
    facts = [("Source", origin), ("Asset", "/".join(d.source.key))]
    if d.card.licence:
        facts.append(("Licence", d.card.licence))
    facts.append(("Identifier", d.id))
    target = d.target.column
    if d.task.value == "binary":
        target += f" (event: {d.target.positive}; favourable prediction: {d.target.favourable})"
    facts.append(("Target", target))
    if d.event_time is not None:
        matures = str(d.target.matures_after) if d.target.matures_after else "at the end of the window"
        facts += [("Event time", d.event_time.column), ("Outcome known after", matures)]
    else:
        facts.append(("Event time", "none: one snapshot, so there are no windows and no drift is measured"))
    return facts


def features(inputs: CardInputs) -> list[Block]:
    """Each input as declared, with its values in the training data."""
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
                "phrase": feature.adverse_phrase or None,
                "accepted": _accepted(feature),
                "missing": None if nulls is None else percent(float(nulls)),
                "typical": _typical(seen),
            }
        )
    columns = (
        ("feature", "Feature"),
        ("role", "Role"),
        ("description", "Meaning"),
        ("phrase", "Phrase in adverse-action notices"),
        ("accepted", "Accepted values"),
        ("missing", "Missing"),
        ("typical", "In training"),
    )
    blocks: list[Block] = [table(rows, columns, limit=200)]
    outside = [p.column for p in d.protected if p.column not in d.features]
    if outside:
        blocks.append(Paragraph(f"Protected attributes that are not inputs: {', '.join(outside)}."))
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


def monitoring(inputs: CardInputs) -> list[Block] | str:
    """How the model is monitored after its release."""
    d = inputs.declaration
    if not d.has_time:
        return "The table has no event time, so there are no windows and no drift is measured."
    facts = [("Length of a window", d.monitoring.cadence.value), ("From", day(d.monitoring.start or d.training.until))]
    if d.monitoring.end is not None:
        facts.append(("To", day(d.monitoring.end)))
    blocks: list[Block] = [Facts(tuple(facts))]
    if inputs.monitoring_plan is None:
        return [*blocks, Missing("monitoring plan (thresholds and actions)")]
    return [*blocks, *leftovers(inputs.monitoring_plan, ())]


def risk_register(inputs: CardInputs) -> list[Block]:
    """Declared risks and their mitigation."""
    if inputs.risk_register is None:
        return [Missing("risk register")]
    return [table(inputs.risk_register)] if inputs.risk_register else [Paragraph("The register contains no risk.")]
