"""What mkdocs calls while it builds the site: pages generated from the code, pictures, and links out of `docs/`.

Nothing here reads the network. Not here: what the generated pages say (`reference.py`).
"""

import logging
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

LOG = logging.getLogger("mkdocs.docs_tools")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[\w-]*)?\)")
MERMAID = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are generated from the code."""
    from mkdocs.structure.files import File

    from docs_tools.reference import PAGES

    for path, write in PAGES.items():
        files.append(File.generated(config, path, content=write()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Draw diagrams, and turn links to files outside of `docs/` into text: the site does not hold these files."""
    from docs_tools.graph import svg

    text = MERMAID.sub(lambda match: svg(match[1]), markdown)
    return LINK.sub(lambda match: _within_site(match, page.file.src_uri), text)


def _within_site(link: re.Match[str], source: str) -> str:
    target = (ROOT / "docs" / PurePosixPath(source).parent / link[3]).resolve()
    if target.is_relative_to(ROOT / "docs"):
        return link[0]
    if not target.exists():
        LOG.warning("%s: found a link to %s, expected a file of the repository", source, link[3])
    text = link[2].strip("`")
    return f"`{text}`" if "/" in text or re.search(r"\.\w{2,4}$", text) else text
