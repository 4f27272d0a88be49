"""The report on an incident as Markdown, filled in from the records: what a post-mortem begins with.

What records cannot say (why it happened, what is to be changed) stands as questions under the last heading; people answer them in the
file and sign it. Not here: the facts (`incident_facts.py`), and the signature (`response/incident_acts.py`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mlops_assets.evidence.card.markdown import escaped
from mlops_assets.evidence.incident_facts import Concerned, IncidentFacts
from mlops_assets.evidence.reading import minute, number
from mlops_assets.ledger.state.response import Incident

OPEN = "## Questions for people"
"""Heading of what no record can answer."""


def incident_report(facts: IncidentFacts, ended: datetime | None, runbook: str = "") -> str:
    """The report.

    Args:
        facts: of the incident.
        ended: when it could be detected first: the end of its window, or the model's first promotion where that came later; None
            where it is about no window.
        runbook: address or file of the runbook for its kind.
    """
    incident = facts.incident
    parts = [
        f"# Incident {escaped(incident.id)}: {incident.kind.replace('_', ' ')}",
        escaped(incident.summary),
        _table(("", ""), _head(facts, runbook)),
        "## Times",
        _table(("opening", "step", "by", "at", "after"), _times(incident, ended)),
        "## Models and predictions",
        _concerned(facts),
        "## What happened",
        _table(("recorded", "what"), ((minute(when), escaped(what)) for when, what in facts.events)),
        "## What was done",
        _done(incident),
        OPEN,
        _questions(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(facts: IncidentFacts, runbook: str) -> list[tuple[str, str]]:
    incident, life = facts.incident, facts.life
    return [
        (name, escaped(text))
        for name, text in (
            ("State", incident.state),
            ("Severity", life.worst),
            ("Windows", life.text.rstrip(".") or incident.window),
            ("Cause", incident.cause),
            ("Raised by", incident.rule),
            ("Columns", ", ".join(incident.columns)),
            ("Ticket", ", ".join(incident.tickets)),
            ("Former incident", incident.former),
            ("Goes on in", incident.merged_into),
            ("Includes", ", ".join(facts.merged)),
            ("Runbook", runbook),
        )
        if text
    ]


def _times(incident: Incident, ended: datetime | None) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for count, spell in enumerate(incident.spells, 1):
        begun = spell.recorded_at
        detected = _span(begun - ended) + " after it could be seen" if ended is not None and count == 1 else "–"
        rows.append((str(count), "opened" if count == 1 else "opened again", "the system", minute(begun), detected))
        for step, by, at in (
            ("acknowledged", spell.acknowledged_by, spell.acknowledged_at),
            ("mitigated", spell.mitigated_by, spell.mitigated_at),
            ("merged" if spell.merged_into else "closed", spell.closed_by or spell.merged_by or "the system", spell.closed_at),
        ):  # fmt: skip
            rows.append((str(count), step, escaped(by), minute(at), _span(at - begun)) if at else (str(count), step, "–", "not yet", "–"))  # fmt: skip
    return rows


def _concerned(facts: IncidentFacts) -> str:
    if not facts.concerned:
        return "No single model: it concerns the project as a whole."
    rows = [
        (one.model, _windows(one), ", ".join(one.versions) or "–", number(one.predictions), number(one.quarantined), escaped(", ".join(one.columns)) or "–")
        for one in facts.concerned
    ]  # fmt: skip
    table = _table(("model", "windows", "version", "predictions", "rows refused", "columns"), rows)
    total = f"{number(facts.predictions)} predictions were made in the windows that show it."
    return f"{table}\n\n{total}"


def _windows(one: Concerned) -> str:
    return ", ".join(f"{window} ({severity})" for window, severity in one.windows.items()) or "none"


def _done(incident: Incident) -> str:
    said = []
    for spell in incident.spells:
        if spell.mitigated_by:
            said.append(f"- Mitigated by {escaped(spell.mitigated_by)}: {escaped(spell.mitigation)}")
        if spell.merged_into:
            said.append(f"- Goes on in {escaped(spell.merged_into)}: {escaped(spell.note)}")
        elif spell.disposition:
            disposition = spell.disposition.replace("_", " ")
            said.append(f"- Closed as {disposition} by {escaped(spell.closed_by)}: {escaped(spell.note)}")
    return "\n".join(said) or "Nothing is recorded yet."


def _questions(facts: IncidentFacts) -> str:
    incident = facts.incident
    asked = [
        "What was the root cause, and how is that known?",
        f"Were the {number(facts.predictions)} predictions used, and must any decision be made again?"
        if facts.predictions
        else "Which decisions rested on it?",
        "Why was it not noticed earlier, and what would have shown it?",
        "What will be changed, by whom, until when?",
    ]
    if incident.is_open:
        asked.insert(0, "The incident is open: what is missing until it can be closed?")
    if incident.earlier:
        asked.append("It was closed before and came back: why was it not solved then?")
    if not incident.acknowledged_by:
        asked.append("Nobody acknowledged it: who should have, and were they told?")
    return "\n\n".join(f"**{question}**\n\n_To be answered._" for question in asked)


def _span(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if abs(hours) >= 48 else f"{hours:.1f} hours" if abs(hours) >= 1 else f"{hours * 60:.0f} minutes"  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
