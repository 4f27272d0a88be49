"""Evidently's page for a window: pictures of the columns, from bounded samples, with pinned methods.

The page draws; the verdict is ours (`drift.py`), and no number is read back from it. Evidently raises on columns that
hold nothing to draw; those are left out here, and the page says so.
"""

import html
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mlops_assets.statistics.profile import as_number, category_text, kind_of

METHOD = "psi"
THRESHOLD = 0.1
MOST_CATEGORIES = 30
OTHERS = "(others)"
POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:\">"
)
"""The page brings its scripts with it. It may fetch nothing and send nothing."""


def draw(reference: pl.DataFrame, current: pl.DataFrame, roles: Mapping[str, str], path: Path) -> Path:
    """Write the page.

    Args:
        reference, current: samples; a thousand rows each make a page in about a second.
        roles: by column; numeric, ordinal, date and score are drawn as numbers, everything else by value.
        path: of the HTML file; its folder is made when it is not there.

    Returns:
        The path. Where no column can be drawn, the page is a note that says why.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    numeric, categorical, left_out = _drawable(reference, current, roles)
    if numeric or categorical:
        _report(reference, current, numeric, categorical, path)
    else:
        path.write_text("<!doctype html><html><head><title>Drift</title></head><body></body></html>", encoding="utf-8")
    _insert(path, "<head", POLICY)
    if left_out:
        _insert(path, "<body", _note(left_out))
    return path


def _report(
    reference: pl.DataFrame, current: pl.DataFrame, numeric: list[str], categorical: list[str], path: Path
) -> None:
    # Evidently looks at this when it is imported, and sends usage data otherwise.
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount, ValueDrift

    definition = DataDefinition(
        numerical_columns=list(map(_escaped, numeric)), categorical_columns=list(map(_escaped, categorical))
    )
    before = Dataset.from_pandas(_frame(reference, reference, numeric, categorical), definition)
    now = Dataset.from_pandas(_frame(current, reference, numeric, categorical), definition)
    # Column by column: the preset draws every distribution twice.
    columns = [
        ValueDrift(column=_escaped(name), method=METHOD, threshold=THRESHOLD) for name in [*numeric, *categorical]
    ]
    count = DriftedColumnsCount(num_method=METHOD, cat_method=METHOD, num_threshold=THRESHOLD, cat_threshold=THRESHOLD)
    partial = path.with_suffix(".partial")
    with warnings.catch_warnings():
        # It correlates columns on its way, those without spread too.
        warnings.simplefilter("ignore")
        Report([count, *columns]).run(now, before).save_html(str(partial))
    partial.replace(path)


def _frame(rows: pl.DataFrame, reference: pl.DataFrame, numeric: list[str], categorical: list[str]):
    columns = [_finite(rows[name]).alias(_escaped(name)) for name in numeric]
    for name in categorical:
        values = _capped(rows[name], reference[name])
        escaped = {value: _escaped(value) for value in values.drop_nulls().unique()}
        columns.append(values.replace_strict(escaped, return_dtype=pl.String).alias(_escaped(name)))
    return pl.DataFrame(columns).to_pandas()


def _escaped(text: str) -> str:
    # Evidently writes names and values into a script element as they are: `</script>` in a value would end it.
    return html.escape(text, quote=False)


def _drawable(
    reference: pl.DataFrame, current: pl.DataFrame, roles: Mapping[str, str]
) -> tuple[list[str], list[str], dict[str, str]]:
    """Numeric and categorical columns that can be drawn, and why the others cannot."""
    numeric: list[str] = []
    categorical: list[str] = []
    left_out: dict[str, str] = {}
    for name, role in roles.items():
        absent = [side for side, rows in (("reference", reference), ("window", current)) if name not in rows.columns]
        if absent:
            left_out[name] = f"not in the {absent[0]}"
            continue
        is_number = kind_of(role, reference[name].dtype) == "numeric"
        if is_number and kind_of(role, current[name].dtype) != "numeric":
            left_out[name] = f"{current[name].dtype} in the window, {reference[name].dtype} in the reference"
            continue
        sides = [_finite(rows[name]) if is_number else rows[name] for rows in (reference, current)]
        if any(side.drop_nulls().is_empty() for side in sides):
            left_out[name] = "without a finite value on one side"
        elif is_number and sides[0].drop_nulls().append(sides[1].drop_nulls()).n_unique() == 1:
            left_out[name] = "one and the same value on both sides"
        else:
            (numeric if is_number else categorical).append(name)
    return numeric, categorical, left_out


def _finite(series: pl.Series) -> pl.Series:
    numbers = as_number(series)
    return numbers.set(~numbers.is_finite().fill_null(False), None)


def _capped(series: pl.Series, reference: pl.Series) -> pl.Series:
    """Text with the reference's rarer values under one name: a bar for each of thousands is no picture."""
    kept = category_text(reference).drop_nulls().value_counts(sort=True).head(MOST_CATEGORIES)[reference.name]
    text = category_text(series)
    new = ~text.is_in(category_text(reference).drop_nulls().unique().implode())
    most_new = text.filter(new.fill_null(False)).value_counts(sort=True).head(5)[series.name]
    shown = pl.concat([kept, most_new])
    return text.set(~text.is_in(shown.implode()).fill_null(True), OTHERS)


def _note(left_out: Mapping[str, str]) -> str:
    items = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in left_out.items())
    return f'<div style="font-family: sans-serif; margin: 1em"><p>Not drawn:</p><ul>{items}</ul></div>'


def _insert(path: Path, tag: str, text: str) -> None:
    """Put `text` behind the first opening tag of that name."""
    page = path.read_text(encoding="utf-8")
    start = page.find(tag)
    after = page.find(">", start) + 1 if start >= 0 else 0
    path.write_text(page[:after] + text + page[after:], encoding="utf-8")
