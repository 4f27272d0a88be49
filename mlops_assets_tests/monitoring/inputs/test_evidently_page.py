import math

import polars as pl
import pytest

from mlops_assets.monitoring.inputs.evidently_page import draw


def table(rows=200, shift=0.0):
    return pl.DataFrame(
        {
            "amount": [math.sin(i) * 10 + shift for i in range(rows)],
            "state": ["CA" if i % 3 else "NY" for i in range(rows)],
            "code": [f"c{i}" for i in range(rows)],
            "empty": pl.Series([None] * rows, dtype=pl.Float64),
            "constant": [1.0] * rows,
            "infinite": [math.inf] * rows,
            "some_infinite": [math.inf if i % 7 == 0 else math.nan if i % 11 == 0 else float(i) for i in range(rows)],
            "yes": [i % 2 == 0 for i in range(rows)],
        }
    )


ROLES = {
    "amount": "numeric",
    "state": "categorical",
    "code": "categorical",
    "empty": "numeric",
    "constant": "numeric",
    "infinite": "numeric",
    "some_infinite": "numeric",
    "yes": "boolean",
    "gone": "numeric",
}


def test_page_draws_what_can_be_drawn_and_names_the_rest(tmp_path):
    found = draw(table(), table(shift=5.0), ROLES, tmp_path / "new" / "page.html")
    text = found.read_text()
    assert "Not drawn" in text
    for name in ("empty", "constant", "infinite", "gone"):
        assert f"<li>{name}: " in text
    for name in ("amount", "state", "code", "some_infinite", "yes"):
        assert f"<li>{name}: " not in text
        assert name in text


def test_page_without_anything_to_draw_says_so(tmp_path):
    found = draw(table(), table(), {"gone": "numeric"}, tmp_path / "page.html")
    assert "gone: not in the reference" in found.read_text()


@pytest.mark.parametrize(
    ("window", "why"),
    [
        (pl.DataFrame({"amount": ["a", "b"]}), "String in the window"),
        (pl.DataFrame({"amount": [1.0]}).clear(), "without a finite value"),
    ],
)
def test_page_survives_broken_columns(tmp_path, window, why):
    assert why in draw(table(), window, {"amount": "numeric"}, tmp_path / "page.html").read_text()


def test_hostile_text_in_names_and_values_cannot_leave_the_script_that_holds_it(tmp_path):
    hostile = "</script><script>window.marked=1</script>"
    rows = pl.DataFrame({hostile: [hostile, "b"] * 30, "</script>x": [float(i) for i in range(60)]})
    path = draw(rows, rows, {hostile: "categorical", "</script>x": "numeric"}, tmp_path / "evidently.html")
    text = path.read_text(encoding="utf-8")
    assert "window.marked=1" in text, "the value is drawn"
    assert "<script>window.marked" not in text
    assert "</script>x" not in text
    assert "default-src 'none'" in text[: text.index("<script")]
