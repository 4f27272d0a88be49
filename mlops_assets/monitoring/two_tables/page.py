"""The page of `mlops drift --html`: one file that needs nothing but itself.

Belongs here: the drawing. What is drawn is found in `tables.py`.
"""

import html
from collections.abc import Sequence
from pathlib import Path

from mlops_assets.monitoring.two_tables.comparison import TableComparison
from mlops_assets.monitoring.two_tables.outcomes import TableOutcomes, metric_rows
from mlops_assets.plain_text import shown

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2733 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem }
td.n { text-align: right; font-variant-numeric: tabular-nums } tr { border-bottom: 1px solid #dde3e8 }
.act, .critical { color: #b3261e; font-weight: 600 } .watch { color: #8a5a00; font-weight: 600 }
.none, .not_measurable { color: #51606e }
"""


def say(text: str) -> str:
    """Text of a user's table for the page: marks of HTML escaped, control characters and direction marks as their codes."""
    return html.escape(shown(text))


def write_page(found: TableComparison, path: Path) -> Path:
    """Write the page; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page_of(found), encoding="utf-8")
    return path


def page_of(found: TableComparison) -> str:
    """The whole page."""
    rows = "".join(
        f"<tr><td>{say(c.name)}</td><td class='{c.severity}'>{c.severity.replace('_', ' ')}</td>"
        f"<td class='n'>{_number(c.value)}</td><td class='n'>{_number(c.effect)}</td>"
        f"<td class='n'>{_number(c.p_value)}</td><td class='n'>{c.null_share:.1%}</td>"
        f"<td>{say(c.fault.replace('_', ' '))}</td><td>{say(c.reason)}</td></tr>"
        for c in found.columns
    )
    notes = [f"{name}: {why}" for name, why in found.left_out.items()]
    notes += [f"{name}: the reference does not have it" for name in found.drift.extra]
    listed = "".join(f"<li>{say(note)}</li>" for note in notes)
    health = found.health
    reasons = "".join(f"<p>{say(reason)}</p>" for reason in (*health.reasons, *health.unknown))
    remarks = "".join(f"<p>Remark: {say(remark)}.</p>" for remark in found.remarks)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Drift</title><style>{STYLE}</style></head>"
        f"<body><h1 class='{health.severity}'>{health.severity.replace('_', ' ')}: {health.kind.replace('_', ' ')}</h1>"
        f"<p>{say(found.current)} ({found.drift.rows:,} rows) against {say(found.reference)} "
        f"({found.drift.reference_rows:,} rows)</p>{reasons}{remarks}"
        f"{_causes(found)}{_outcomes(found.outcomes)}<h2>Columns</h2>"
        "<table><thead><tr><th>column</th><th>severity</th><th>PSI</th><th>net of noise</th><th>p adjusted</th>"
        f"<th>missing</th><th>fault</th><th>why</th></tr></thead><tbody>{rows}</tbody></table>"
        + (f"<h2>Not compared</h2><ul>{listed}</ul>" if listed else "")
        + "</body></html>"
    )


def _causes(found: TableComparison) -> str:
    if not found.health.causes:
        return ""
    rows = "".join(
        f"<tr><td>{say(c.kind.replace('_', ' '))}</td><td class='{c.severity}'>{c.severity}</td>"
        f"<td>{say(', '.join(c.columns[:8]))}</td><td>{say(c.evidence)}</td></tr>"
        for c in found.health.causes
    )
    return _table("Causes, ranked", ("kind", "severity", "columns", "evidence"), rows)


def _outcomes(found: TableOutcomes | None) -> str:
    if found is None or found.performance is None:
        return ""
    rows = "".join(
        f"<tr><td>{say(row['metric'].replace('_', ' '))}</td>"
        + "".join(f"<td class='n'>{_number(row[key])}</td>" for key in ("reference", "value", "low", "high"))
        + "</tr>"
        for row in metric_rows(found)
    )
    title = f"Outcomes: {found.target}" + (f" against {found.score}" if found.score else ", a relation learned here")
    drawn = _table(title, ("metric", "reference", "current", "from", "to"), rows)
    grades = found.performance.calibration.grades if found.performance.calibration else ()
    if grades and found.score and found.task == "binary":
        by_grade = "".join(
            f"<tr><td class='n'>{_number(g['mean_score'])}</td><td class='n'>{g['n']:,}</td>"
            f"<td class='n'>{_number(g['observed'])}</td><td class='n'>{_number(g['p_adjusted'])}</td></tr>"
            for g in grades
        )
        columns = ("mean score", "rows", "share of outcomes", "p adjusted (Jeffreys)")
        drawn += _table("Calibration by grade", columns, by_grade)
    return drawn


def _table(title: str, columns: Sequence[str], rows: str) -> str:
    head = "".join(f"<th>{say(column)}</th>" for column in columns)
    return f"<h2>{say(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}" if abs(value) < 0.001 and value else f"{value:.3f}"
