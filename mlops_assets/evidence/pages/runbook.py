"""A runbook as a page: the part of Markdown that runbooks are written in, as HTML.

Headings, paragraphs, numbered and bulleted lists, code blocks, bold, code and links. Anything else is shown as it is written, and
everything is escaped: a runbook is a file that a bank edits.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.card.html import safe_address
from mlops_assets.plain_text import shown
from mlops_assets.response.runbooks import OF_NOTICES, RUNBOOK_OF

ITEM = re.compile(r"(?P<mark>\d+\.|[-*])\s+(?P<text>.*)")
FENCE = "```"
INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<text>[^\]]+)\]\((?P<address>[^)\s]+)\)")


def write(folder: Path, files: Mapping[str, Path]) -> None:
    """Write a page for each runbook.

    Args:
        folder: to write to.
        files: Markdown file by the name of the runbook.
    """
    kinds: dict[str, list[str]] = {}
    for kind, name in (RUNBOOK_OF | OF_NOTICES).items():
        kinds.setdefault(name, []).append(kind)
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        page = render(path.read_text(encoding="utf-8", errors="replace"), kinds.get(name, ()))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def render(text: str, kinds: Sequence[str], fleet: str = "../fleet.html") -> str:
    """The page as HTML text.

    Args:
        text: of the runbook, in Markdown; its first line is the title.
        kinds: of incidents and notices that it is about.
        fleet: relative address of the fleet page.
    """
    first, _, rest = shown(text).partition("\n")
    return render_template(
        "runbook.html.j2", title=first.lstrip("# ").strip(), kinds=kinds, content=markdown(rest), fleet=fleet
    )


def markdown(text: str) -> Markup:
    """The HTML of a text."""
    lines, parts, at = text.splitlines(), list[Markup](), 0
    while at < len(lines):
        line = lines[at]
        if line.startswith(FENCE):
            end = _fence_end(lines, at)
            parts.append(_code(lines[at + 1 : end]))
            at = end + 1
        elif line.startswith("#"):
            level = min(6, len(line) - len(line.lstrip("#")))
            parts.append(Markup("<h{0}>{1}</h{0}>").format(max(2, level), inline(line.lstrip("# "))))
            at += 1
        elif ITEM.match(line):
            end = _block_end(lines, at)
            parts.append(_list(lines[at:end]))
            at = end
        elif line.strip():
            end = next((n for n in range(at + 1, len(lines)) if not lines[n].strip() or _begins(lines[n])), len(lines))
            parts.append(Markup("<p>{}</p>").format(inline(" ".join(lines[at:end]))))
            at = end
        else:
            at += 1
    return Markup("\n").join(parts)


def inline(text: str) -> Markup:
    """The HTML of bold text, code and links within a line."""
    parts, at = list[Markup](), 0
    for found in INLINE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        if found["code"] is not None:
            parts.append(Markup("<code>{}</code>").format(found["code"]))
        elif found["bold"] is not None:
            parts.append(Markup("<strong>{}</strong>").format(found["bold"]))
        else:
            parts.append(Markup('<a href="{}">{}</a>').format(_address(found["address"]), found["text"]))
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def _address(address: str) -> str:
    """Runbooks link to each other by their files."""
    found = safe_address(address)
    return found if "://" in found else re.sub(r"\.md(?=$|#)", ".html", found)


def _begins(line: str) -> bool:
    return line.startswith(("#", FENCE)) or ITEM.match(line) is not None


def _fence_end(lines: Sequence[str], at: int) -> int:
    return next((n for n in range(at + 1, len(lines)) if lines[n].startswith(FENCE)), len(lines))


def _block_end(lines: Sequence[str], at: int) -> int:
    """First line after a list: its items, and what is indented below them."""
    for n in range(at + 1, len(lines)):
        line = lines[n]
        if line.strip() and not line.startswith(" ") and not ITEM.match(line):
            return n
    return len(lines)


def _list(lines: Sequence[str]) -> Markup:
    items: list[list[str]] = []
    numbered = lines[0][0].isdigit()
    for line in lines:
        found = ITEM.match(line)
        if found is not None:
            items.append([found["text"]])
        else:
            items[-1].append(line)
    width = 3 if numbered else 2
    inner = [markdown("\n".join([first, *(line[width:] if line[:width].isspace() else line for line in rest)])) for first, *rest in items]  # fmt: skip
    name = "ol" if numbered else "ul"
    content = Markup("").join(Markup("<li>{}</li>").format(one) for one in inner)
    return Markup("<{0}>{1}</{0}>").format(Markup(name), content)


def _code(lines: Sequence[str]) -> Markup:
    return Markup('<pre tabindex="0">{}</pre>').format("\n".join(lines))
