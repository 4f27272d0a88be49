import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

import pytest

from mlops_assets.evidence import plots
from mlops_assets.evidence.plots import Interval, Picture

ROWS = [Interval(f"group {i}", 0.6 + 0.01 * i, 0.58 + 0.01 * i, 0.62 + 0.01 * i, 100 * i) for i in range(30)]
WINDOWS = [datetime(2004, month, 1, tzinfo=UTC) for month in (1, 4, 7, 10)]
PICTURES = {
    "roc": lambda: plots.roc([0, 0.2, 1], [0, 0.7, 1], Interval("AUC", 0.71, 0.69, 0.73), ([0, 1], [0, 1])),
    "residuals": lambda: plots.residuals([1.0, 2.0, 3.0], [0.1, -0.2, 0.0]),
    "calibration": lambda: plots.calibration([(0.1, 0.12, 0.1, 0.14, 50), (0.4, 0.38, None, None, 50)]),
    "score": lambda: plots.score_distribution([0, 0.5, 1], [90, 10], [20, 30], 0.4),
    "intervals": lambda: plots.intervals(ROWS, name="slices", title="Segments", axis="AUC", reference=0.7),
    "importance": lambda: plots.importance(ROWS[:5]),
    "metric": lambda: plots.metric_over_windows(
        WINDOWS, [ROWS[1], None, ROWS[2], ROWS[3]], metric="AUC", reference=0.7, changes=[(WINDOWS[2], "3")]
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_svg_is_well_formed_equal_and_stands_alone(name: str):
    picture: Picture = PICTURES[name]()
    svg = picture.svg()
    ElementTree.fromstring(svg)
    assert svg == PICTURES[name]().svg()
    assert "<style" not in svg, "a style inside would reach the whole page"
    assert "currentColor" in svg
    assert picture.alt.endswith(".")
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert all(name.startswith(f"{picture.name}-") for name in ids), "ids of two pictures on a page must differ"
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(ids)


def test_png():
    png = PICTURES["roc"]().png()
    assert png.startswith(b"\x89PNG")
    assert PICTURES["roc"]().data_uri().startswith("data:image/png;base64,")


def test_many_rows_keep_both_ends():
    svg = PICTURES["intervals"]().svg()
    assert "group 0 " in svg
    assert "group 29 " in svg
    assert "group 14 " not in svg


def test_names_are_text_not_markup():
    svg = plots.importance([Interval("<script>x</script>", 1.0), Interval("b", 0.5)]).svg()
    assert "<script" not in svg


def test_the_readers_settings_stay_as_they_are():
    import matplotlib

    before = dict(matplotlib.rcParams)
    PICTURES["score"]().svg()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "value",
    ["x_$^{$", "$$\\undefined$$", "a$b$c", "a\x1b[2Jb", "a\x00b", "--></svg><script>alert(1)</script>", "<b>&amp;"],
)
def test_a_label_out_of_the_data_is_text_and_nothing_else(value):
    """A category may hold what a formula, a terminal or a page would read as its own."""
    drawn = ElementTree.fromstring(plots.importance([plots.Interval(value, 0.5, 0.4, 0.6, 100)]).svg())
    assert not [e for e in drawn.iter() if e.tag.endswith("script")]
