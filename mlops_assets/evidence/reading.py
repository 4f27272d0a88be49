"""Reading of evidence dicts: numbers with intervals, tables of unknown shape, and how both are written for people.

Evidence comes as JSON from many stages and, in a packet, from older releases. What is known by name is read by name;
what is not known is still shown, so that nothing that was recorded disappears from a card. Nothing is ever filled in.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from mlops_assets.evidence.blocks import Block, Facts, Paragraph, Table

NOTHING = "–"
LIST_SHOWN = 6

_VALUE_KEYS = ("value", "estimate", "point", "mean")
_LOW_KEYS = ("low", "lower", "ci_low", "lo")
_HIGH_KEYS = ("high", "upper", "ci_high", "hi")
_HOSTS = ("difference", "selection_rate", "observed", "importance", "rate", "mean_error", "accuracy")
_PAIR_KEYS = ("interval", "ci", "confidence_interval")

_NAMES = {
    "auc": "AUC",
    "auc_pr": "AUC (precision-recall)",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "f1": "F1",
    "id": "Id",
    "ks": "Kolmogorov-Smirnov",
    "log_loss": "Log loss",
    "mae": "Mean absolute error",
    "cv_rows": "Rows in cross-validation",
    "fit_rows": "Rows of the final fit",
    "is_input": "Is an input",
    "mlflow_run": "MLflow run",
    "n": "Rows",
    "overall": "All rows together",
    "rarest": "Rows of the rarest outcome",
    "searched": "Segments searched",
    "std": "Standard deviation",
    "undamaged": "Without damage",
    "p_value": "p-value",
    "pr_auc": "AUC (precision-recall)",
    "psi": "PSI",
    "bias_p_value": "Bias, p-value",
    "ece_expected": "Calibration error expected by chance",
    "ece_net": "Calibration error net of chance",
    "ece_low": "Calibration error net of chance, from",
    "ece_high": "Calibration error net of chance, to",
    "p_adjusted": "p-value, adjusted",
    "p_underestimated": "p-value, underestimated",
    "p_overestimated": "p-value, overestimated",
    "brier_skill": "Brier skill",
    "r2": "R²",
    "rmse": "RMSE",
    "roc_auc": "ROC AUC",
    "fpr": "False positive rate",
    "fnr": "False negative rate",
    "tpr": "True positive rate",
    "ppv": "Positive predictive value",
    "tnr": "True negative rate",
}

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Estimate:
    """A number, with the bounds of its confidence interval where they are known."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def text(self) -> str:
        """`0.713 (0.702 to 0.724)`."""
        if self.low is None or self.high is None:
            return number(self.value)
        return f"{number(self.value)} ({number(self.low)} to {number(self.high)})"


def moment(value: object) -> datetime | None:
    """A UTC instant from ISO text, a date or a datetime; None where there is none to read."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str) and value:
        try:
            return moment(datetime.fromisoformat(value))
        except ValueError:
            return None
    return None


def day(value: object) -> str:
    """The day of an instant, or a dash."""
    found = moment(value)
    return found.astimezone(UTC).strftime("%Y-%m-%d") if found else NOTHING


def minute(value: object) -> str:
    """The minute of an instant in UTC, or a dash."""
    found = moment(value)
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if found else NOTHING


def number(value: object) -> str:
    """A number for people: thousands separated, three or four significant places, a dash for nothing."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return NOTHING
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:,.1f}"
    if size >= 0.01:
        return f"{value:.3f}"
    if size >= 0.0001:
        return f"{value:.4f}"
    return f"{value:.1e}"


def percent(value: object) -> str:
    """A share as a percentage with one place."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return NOTHING
    return f"{100 * value:.1f}%"


def label(key: str) -> str:
    """`equal_opportunity` as `Equal opportunity`; terms of the field by their usual name."""
    known = _NAMES.get(key.lower())
    if known:
        return known
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def short(digest: object, places: int = 12) -> str:
    """First places of a digest, for reading; the whole one is in the evidence."""
    return digest[:places] if isinstance(digest, str) and digest else NOTHING


def estimate(value: object) -> Estimate | None:
    """Read a number with or without interval from any of the shapes evidence uses; None where there is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return Estimate(float(value)) if math.isfinite(value) else None
    if not isinstance(value, Mapping):
        return None
    point = next((value[k] for k in _VALUE_KEYS if is_number(value.get(k))), None)
    if point is None:
        return None
    low = next((value[k] for k in _LOW_KEYS if is_number(value.get(k))), None)
    high = next((value[k] for k in _HIGH_KEYS if is_number(value.get(k))), None)
    for key in _PAIR_KEYS:
        pair = value.get(key)
        if low is None and isinstance(pair, Sequence) and len(pair) == 2 and all(is_number(p) for p in pair):
            low, high = pair
        elif low is None and isinstance(pair, Mapping):
            low = next((pair[k] for k in _LOW_KEYS if is_number(pair.get(k))), None)
            high = next((pair[k] for k in _HIGH_KEYS if is_number(pair.get(k))), None)
    return Estimate(float(point), None if low is None else float(low), None if high is None else float(high))


def is_number(value: object) -> bool:
    """Whether `value` is a finite number (a truth value is none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def first(evidence: Mapping[str, Any], *keys: str) -> Any:
    """The first of `keys` that holds something."""
    return next((evidence[k] for k in keys if evidence.get(k) is not None), None)


def text(row: Mapping[str, Any], *keys: str) -> str:
    """The first of `keys` that holds something, as text; the parts of a list are joined."""
    value = first(row, *keys)
    if isinstance(value, (list, tuple)):
        return "; ".join(str(part) for part in value)
    return "" if value is None else str(value)


def records_of(value: object, key: str = "name") -> list[dict[str, Any]]:
    """A table of mappings from a list of mappings, or from a mapping of mappings or numbers (its keys under `key`)."""
    if isinstance(value, Mapping):
        return [{key: name, **(dict(v) if isinstance(v, Mapping) else {"value": v})} for name, v in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [dict(item) for item in value if isinstance(item, Mapping)]
    return []


def merged(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with each value and its bounds in one place: `slope`, `slope_low`, `slope_high` become one estimate.

    Bounds without a name (`low`, `high`) belong to the first of the usual names of a value.
    """
    hosts = {f"{key}_low": key for key in row if f"{key}_low" in row and f"{key}_high" in row}
    bare = next((k for k in (*_VALUE_KEYS, *_HOSTS) if k in row), None)
    if bare is not None and "low" in row and "high" in row:
        hosts["low"] = bare
    found = dict(row)
    for low, host in hosts.items():
        bounds = found.pop(low), found.pop(low[: -len("low")] + "high")
        if is_number(found[host]):
            found[host] = {"value": found[host], "low": bounds[0], "high": bounds[1]}
    return found


def cell(value: object) -> str:
    """Any evidence value in one table cell."""
    if isinstance(value, Mapping):
        found = estimate(value)
        if found is not None:
            return found.text
        return "; ".join(f"{label(str(k))}: {cell(v)}" for k, v in value.items()) or NOTHING
    if isinstance(value, str):
        return minute(value) if _INSTANT.match(value) and moment(value) else value or NOTHING
    if isinstance(value, Iterable):
        parts = [cell(v) for v in value]
        rest = f" and {len(parts) - LIST_SHOWN} more" if len(parts) > LIST_SHOWN + 1 else ""
        return ", ".join(parts[:LIST_SHOWN] if rest else parts) + rest or NOTHING
    return number(value)


ABOUT = frozenset(("algorithm", "attribute", "column", "feature", "grade", "group", "name", "probe", "slice", "varied"))
"""Keys that say what a row of a table is about."""


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]] | None = None,
    *,
    title: str = "",
    note: str = "",
    limit: int = 40,
) -> Table:
    """A table block from records.

    Args:
        rows: One mapping per row.
        columns: Key and heading of each column; None takes every key in order of appearance, those in `ABOUT` first.
        title: Heading of the table.
        note: Sentence below it.
        limit: Rows shown; how many are left out is said in the note.
    """
    rows = [merged(row) for row in rows]
    if columns is None:
        keys = dict.fromkeys(k for row in rows for k in row)
        # Evidence is stored with its keys in alphabetical order: what a row is about comes first.
        columns = [(k, label(k)) for k in sorted(keys, key=lambda k: k not in ABOUT)]
    columns = [(k, h) for k, h in columns if any(row.get(k) not in (None, "") for row in rows)] or list(columns)
    shown = rows[:limit]
    if len(rows) > limit:
        note = " ".join(filter(None, [note, f"{len(rows) - limit} more rows are in the evidence."]))
    numeric = tuple(
        i
        for i, (k, _) in enumerate(columns)
        if any(estimate(row.get(k)) is not None for row in shown)
        and not any(isinstance(row.get(k), str) for row in shown)
    )
    cells = tuple(tuple(cell(row.get(k)) for k, _ in columns) for row in shown)
    return Table(tuple(h for _, h in columns), cells, title=title, note=note, numeric=numeric)


def leftovers(evidence: Mapping[str, Any], known: Iterable[str]) -> list[Block]:
    """What a section does not know by name, shown all the same: scalars as facts, lists of mappings as tables."""
    taken = {*known, "seed", "task"}
    facts: list[tuple[str, str]] = []
    tables: list[Block] = []
    for key, value in merged(evidence).items():
        if key in taken or value is None or value == "" or value == [] or value == {}:
            continue
        if (
            isinstance(value, Mapping)
            and estimate(value) is None
            and not any(isinstance(v, Mapping) for v in value.values())
        ):
            facts += [(f"{label(key)}: {label(str(k)).lower()}", cell(v)) for k, v in value.items() if not _is_curve(v)]
            continue
        rows = records_of(value) if estimate(value) is None else []
        if rows and len(rows) == len(value):
            tables.append(table(rows, title=label(key), limit=20))
        elif not _is_curve(value):
            facts.append((label(key), label(value) if key == "metric" and isinstance(value, str) else cell(value)))
    return [*([Facts(tuple(facts))] if facts else []), *tables]


def _is_curve(value: object) -> bool:
    """Points of a curve are drawn, not listed."""
    return isinstance(value, (list, tuple)) and len(value) > 12 and all(is_number(v) for v in value)


def sentences(value: object) -> list[Block]:
    """Reasons given as text or as a list of texts."""
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else []
    return [Paragraph(as_sentence(str(t))) for t in texts if t]


def as_sentence(text: str) -> str:
    """A text with a capital first letter (a name such as `roc_auc` or `a.csv` keeps its own) and a full stop at the end."""
    head = text.split(" ", 1)[0]
    text = text if "_" in head or "." in head.rstrip(".:") else text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
