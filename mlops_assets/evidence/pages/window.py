"""One window of one model on a page: the verdict, its causes, and what was measured. One self-contained HTML file.

Belongs here: the page behind each square of the model page and the fleet page. Not here: the drawings of distributions,
which are Evidently's page: linked from here where somebody asked for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.evidence.blocks import Block, Paragraph
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.plots import Interval
from mlops_assets.evidence.reading import as_sentence, label, minute, number, table
from mlops_assets.evidence.window_evidence import OutcomeReports, WindowEvidence
from mlops_assets.ledger.events.windows import HealthVerdict, WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.monitoring.wording import column_name

COLUMNS = (
    ("name", "Column"),
    ("severity", "Severity"),
    ("statistic", "Statistic"),
    ("value", "Value"),
    ("p_value", "p-value, adjusted"),
    ("null_share", "Missing"),
    ("reference_null_share", "Missing in the reference"),
    ("reason", "Reason"),
)
PLACES = {
    "counts": "the outcome of their row",
    "open": "without a value yet",
    "repeated": "say again what an earlier one said",
    "superseded": "corrected or withdrawn by a later one",
    "withdrawn": "withdraw an outcome",
    "quarantined": "in quarantine",
}
"""What a report of an outcome is, by its place."""
GROUP_COLUMNS = (
    ("attribute", "Attribute"),
    ("group", "Group"),
    ("rows", "Rows"),
    ("rate", "Favourable rate"),
    ("measure", "Compared with the other groups by"),
    ("then", "Gap in the reference"),
    ("now", "Gap in the window"),
    ("least", "Smallest detectable change"),
)


@dataclass(frozen=True)
class WindowLinks:
    """Relative addresses from the window's page.

    Attributes:
        fleet: the fleet page.
        model: the model's page.
        before: the page of the window before; empty where there is none.
        after: the page of the next window; empty where there is none.
        reports: text and address of the files the verdict rests on, and of Evidently's page where it was drawn.
        draw: the command that draws Evidently's page; empty where it is drawn.
    """

    fleet: str
    model: str
    before: str = ""
    after: str = ""
    reports: tuple[tuple[str, str], ...] = ()
    draw: str = ""


def render(
    model: str,
    record: Record[HealthVerdict],
    evidence: WindowEvidence,
    drift: Mapping[str, Any] | None,
    links: WindowLinks,
    scored: WindowScored | None = None,
) -> str:
    """The page as HTML text.

    Args:
        model: name.
        record: of the last verdict on the window.
        evidence: what was measured.
        drift: the content of `drift.json`, None where there is none.
        links: to other pages.
        scored: the last scoring of the window, None where it was not recorded.
    """
    return render_template(
        "window.html.j2",
        model=model,
        window=record.subject,
        record=record.seq,
        verdict=record.event,
        judged_at=record.recorded_at,
        fleet=links.fleet,
        page=links.model,
        before=links.before,
        after=links.after,
        links=links.reports,
        draw=links.draw if drift else "",
        parts=parts(model, record.event, evidence, drift, scored),
        minute=minute,
    )


def parts(
    model: str,
    verdict: HealthVerdict,
    evidence: WindowEvidence,
    drift: Mapping[str, Any] | None,
    scored: WindowScored | None = None,
) -> list[tuple[str, list[Block]]]:
    """Headings and their content; a part without content is left out."""
    found = [
        ("Causes", _causes(verdict)),
        ("Rows", _rows(model, scored) if scored else []),
        ("Performance", _performance(evidence)),
        ("Outcomes", _outcomes(model, evidence)),
        ("Columns", _columns(evidence, drift)),
        ("Groups of protected attributes", _groups(evidence)),
    ]
    return [(heading, blocks) for heading, blocks in found if blocks]


def _causes(verdict: HealthVerdict) -> list[Block]:
    rows = [
        {
            "cause": label(cause.kind),
            "severity": cause.severity.replace("_", " "),
            "columns": [column_name(name) for name in cause.columns],
            "evidence": cause.evidence,
        }
        for cause in verdict.causes
    ]
    if not rows:
        return []
    lower = [cause for cause in verdict.causes if _rank(cause.severity) < _rank(verdict.severity)]
    note = "Severity is that of this window alone. The verdict is lower until the change is seen in enough windows."
    return [table(rows, note=note if lower else "")]


def _rows(model: str, scored: WindowScored) -> list[Block]:
    """What became of the rows that were delivered for the window, and how its source was read."""
    delivered = scored.rows + scored.quarantined + scored.copies
    refused = [
        f"{number(count)} {said}"
        for count, said in (
            (scored.quarantined - scored.outside_restrictions, f"in quarantine (table {model}/scoring_quarantine)"),
            (scored.outside_restrictions, "in quarantine because a restriction of use does not allow them"),
            (scored.copies, "copies of another row"),
        )
        if count > 0
    ]
    text = f"{number(scored.rows)} of {number(delivered)} rows were scored"
    blocks: list[Block] = [Paragraph(f"{text}; {', '.join(refused)}." if refused else f"{text}.")]
    if scored.paused:
        count = sum(scored.paused.values())
        records = ", ".join(f"record {seq}" for seq in scored.paused)
        text = f"Nothing was decided about {number(count)} of them, whose segment is paused ({records})."
        blocks.append(Paragraph(text, "warn"))
    if scored.reasons:
        rows = [{"reason": reason, "rows": count} for reason, count in sorted(scored.reasons.items(), key=_most)]
        blocks.append(table(rows, (("reason", "Reason of the quarantine"), ("rows", "Rows"))))
    # Outcomes are read again after the scoring: how they were read for the verdict is under Outcomes.
    read = [line for line in scored.reading if not (line.startswith("outcomes: ") and "are quarantined" in line)]
    return [*blocks, *(Paragraph(as_sentence(line), "muted") for line in (*scored.problems, *read))]


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _performance(evidence: WindowEvidence) -> list[Block]:
    metrics: Mapping[str, Interval] = evidence.metrics or evidence.estimated
    rows = [
        {"metric": label(name), "value": _interval(found), "reference": evidence.references.get(name)}
        for name, found in metrics.items()
    ]
    matured = f"{number(evidence.outcomes)} outcomes have" if evidence.outcomes else "no outcome has"
    matured += " matured, too few to measure" if evidence.outcomes else " matured"
    if not rows:
        why = "no row was scored" if evidence.rows == 0 else matured
        return [Paragraph(f"Nothing was measured: {why}.", "muted")]
    note = f"{number(evidence.outcomes)} matured outcomes." if evidence.metrics else f"Estimated: {matured}."
    blocks: list[Block] = [table(rows, note=f"{note} Reference: held-out rows of the version.", limit=60)]
    if evidence.estimates and not evidence.estimates.startswith("no estimate"):
        blocks.append(Paragraph(as_sentence(f"estimates made before outcomes were known: {evidence.estimates}")))
    return blocks


def _outcomes(model: str, evidence: WindowEvidence) -> list[Block]:
    """Which predictions have an outcome, and what became of the reports where outcomes have a source of their own."""
    blocks: list[Block] = []
    joined = evidence.joined
    if joined.get("predictions"):
        of_those = [f"{number(joined['matured'])} have an outcome", f"{number(joined['missing'])} have none"]
        of_those += [
            f"{number(joined[name])} {said}"
            for name, said in (
                ("late", "came after they were due"),
                ("corrected", "were changed by a later report"),
            )
            if joined.get(name)
        ]
        text = f"Of {number(joined['predictions'])} predictions, {number(joined['due'])} have an outcome that is due: {', '.join(of_those)}."
        if taken := joined.get("withdrawn"):
            text += f" {number(taken)} recorded outcome{' was' if taken == 1 else 's were'} withdrawn."
        blocks.append(Paragraph(text))
    if evidence.reports is not None:
        rows = [{"reports": evidence.reports.places.get(place, 0), "place": said} for place, said in PLACES.items()]
        blocks.append(
            table(
                [row for row in rows if row["reports"]],
                (("place", "Reports"), ("reports", "Number")),
                title="Reports of outcomes, of all windows",
                note=quarantine_note(model, evidence.reports),
            )
        )
    return blocks


def quarantine_note(model: str, reports: OutcomeReports) -> str:
    """Which reports of outcomes could not be used, why, and where they are; empty where all could."""
    if not reports.quarantined:
        return ""
    return f"In quarantine: {reports.why}. They are in the table {model}/outcome_quarantine."


def _columns(evidence: WindowEvidence, drift: Mapping[str, Any] | None) -> list[Block]:
    rows = [dict(column) for column in (drift or {}).get("columns") or []]
    if not rows:
        return [Paragraph("The drift report of this window is missing.", "muted")]
    rows.sort(key=lambda column: _rank(str(column.get("severity"))))
    for row in rows:
        row["name"] = column_name(str(row.get("name", "")))
        row["severity"] = str(row.get("severity", "")).replace("_", " ")
    note = f"{number(evidence.rows)} rows in the window." if evidence.rows is not None else ""
    blocks: list[Block] = [table(rows, COLUMNS, note=note, limit=500)]
    if evidence.drivers:
        blocks.append(Paragraph(as_sentence(f"attribution: {evidence.drivers}")))
    return blocks


def _groups(evidence: WindowEvidence) -> list[Block]:
    rows = [
        {
            "attribute": group.attribute,
            "group": group.group,
            "rows": group.rows,
            "rate": _interval(group.rate) if group.rate else None,
            "measure": group.note or (label(group.measure) if group.measure else "see the other group"),
            "then": group.gap_then,
            "now": group.gap_now,
            "least": group.least,
        }
        for group in evidence.groups
    ]
    return [table(rows, GROUP_COLUMNS, limit=200)] if rows else []


def _interval(found: Interval) -> dict[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _rank(severity: str) -> int:
    order = ("critical", "act", "watch", "not_measurable", "none")
    return order.index(severity) if severity in order else len(order)
