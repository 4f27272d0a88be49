"""Draws the flowcharts of the pages (the part of Mermaid's notation that they use) as SVG, so that no script is needed."""

import html
import itertools
import re
from collections import defaultdict

BOX_HEIGHT, ROW, COLUMN_GAP, CHARACTER = 28, 46, 34, 7.4


def edges(source: str) -> list[tuple[str, str]]:
    """Edges of a flowchart: `a --> b & c --> d` is a-b, a-c, b-d and c-d.

    Raises:
        ValueError: a line is in a part of the notation that is not drawn here.
    """
    found = []
    for line in source.splitlines():
        text = line.strip()
        if not text or text.startswith("flowchart"):
            continue
        steps = [[name.strip() for name in step.split("&")] for step in text.split("-->")]
        if len(steps) < 2 or not all(re.fullmatch(r"\w+", name) for step in steps for name in step):
            raise ValueError(f"found {text!r} in a flowchart, expected names joined by --> and &")
        for before, after in itertools.pairwise(steps):
            found += [(a, b) for a in before for b in after]
    return found


def columns(arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Nodes by column: each stands right of everything that leads to it."""
    names = list(dict.fromkeys(name for arrow in arrows for name in arrow))
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in arrows:
            depth[b] = max(depth[b], depth[a] + 1)
    if max(depth.values()) >= len(names):
        raise ValueError("found a circle in a flowchart, expected none")
    by_depth: dict[int, list[str]] = defaultdict(list)
    for name in names:
        by_depth[depth[name]].append(name)
    return [by_depth[level] for level in sorted(by_depth)]


def svg(source: str, per_row: int = 7) -> str:
    """The flowchart as an SVG element; its columns wrap after `per_row`, as words do on a page."""
    arrows = edges(source)
    levels = columns(arrows)
    place: dict[str, tuple[float, float, float]] = {}
    top, width = 10.0, 0.0
    for start in range(0, len(levels), per_row):
        bands = levels[start : start + per_row]
        x, tallest = 10.0, max(len(names) for names in bands)
        for names in bands:
            box = max(len(name) for name in names) * CHARACTER + 16
            for i, name in enumerate(names):
                place[name] = (x, top + (tallest - len(names)) * ROW / 2 + i * ROW, box)
            x += box + COLUMN_GAP
        width = max(width, x)
        top += tallest * ROW + 22
    shapes = [_arrow(place[a], place[b]) for a, b in arrows]
    shapes += [_box(name, *place[name]) for name in place]
    marker = '<marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 6 3 0 6z"/></marker>'
    label = "Flowchart: " + "; ".join(f"{a} to {b}" for a, b in arrows)
    return (
        f'<div class="graph"><svg role="img" aria-label="{html.escape(label)}" viewBox="0 0 {width:.0f} {top:.0f}">'
        f"<defs>{marker}</defs>{''.join(shapes)}</svg></div>\n"
    )


def _box(name: str, x: float, y: float, width: float) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="4"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + BOX_HEIGHT / 2 + 4:.0f}" text-anchor="middle">{html.escape(name)}</text>'
    )


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    x1, y1 = start[0] + start[2], start[1] + BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT / 2
    if x2 > x1:
        bend = COLUMN_GAP / 2
        return f'<path marker-end="url(#tip)" d="M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2 - 2:.0f} {y2:.0f}"/>'
    # To the next band: down from the middle of the box to the top of the other.
    x1, y1 = start[0] + start[2] / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + end[2] / 2, end[1]
    middle = y2 - 12
    return f'<path marker-end="url(#tip)" d="M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle - 20:.0f} {x2:.0f} {y2 - 2:.0f}"/>'
