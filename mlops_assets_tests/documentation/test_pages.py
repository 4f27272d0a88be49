"""The pages name files and packages that exist, the glossary lists each term once, and the site has no dead link."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mlops_assets
from docs_tools.reference import PAGES as PAGES_FROM_CODE

PACKAGE = Path(mlops_assets.__file__).parent
ROOT = PACKAGE.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GENERATED = frozenset(PAGES_FROM_CODE)
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def paths_in(text: str) -> set[str]:
    """Paths between backticks: what ends in a known suffix or in a slash, without placeholders."""
    found = re.findall(r"`([\w./-]+(?:\.py|\.yaml|\.md|\.sql|/))`", text)
    return {
        name
        for name in found
        if "/" in name and not name.startswith(("reports/", "lake/", "mlflow/", "dagster/", "keys/"))
    }


@pytest.mark.parametrize("name", ["explanation/architecture.md", "explanation/statistics.md", "reference/glossary.md"])
def test_every_path_that_a_page_names_exists(name: str) -> None:
    named = paths_in((DOCS / name).read_text(encoding="utf-8"))
    assert len(named) > 15
    roots = (PACKAGE, ROOT, ROOT / "mlops_assets_tests")
    assert sorted(p for p in named if not any((root / p).exists() for root in roots)) == []


def test_the_page_of_statistics_names_every_module_of_statistics() -> None:
    text = (DOCS / "explanation" / "statistics.md").read_text(encoding="utf-8")
    modules = {f"statistics/{p.name}" for p in (PACKAGE / "statistics").glob("*.py") if p.name != "__init__.py"}
    assert {name for name in modules if name not in text} == set()


def test_every_test_that_the_attacks_name_exists() -> None:
    text = (DOCS / "explanation" / "attacks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / "mlops_assets_tests" / name).exists()) == []


def test_the_architecture_lists_every_package() -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## Packages")[1].split("## One row")[0]
    packages = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {name for name in packages if f"`{name}/`" not in table} == set()


def test_the_glossary_has_each_term_once_in_alphabetical_order() -> None:
    text = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
    terms = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(terms) > 60
    assert terms == sorted(set(terms), key=lambda term: term.casefold().replace("-", " "))


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere_in_the_repository_too(page: Path) -> None:
    """The site checks its own links; this is for readers of the files."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)", text):
        file = (page.parent / target).resolve() if target else page
        if is_generated(file):
            continue
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}#{anchor}"


def is_generated(file: Path) -> bool:
    """Whether the page is written by the build of the site."""
    return file.is_relative_to(DOCS) and file.relative_to(DOCS).as_posix() in GENERATED


def anchors(file: Path) -> set[str]:
    """Anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    answer = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return folder


class Links(HTMLParser):
    """What a page loads, where it leads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if "src" in found or (tag == "link" and found.get("rel") != "canonical"):
            self.loaded.append(found.get("src") or found.get("href", ""))
        if tag == "a" and "href" in found:
            self.targets.append(found["href"])


def test_the_site_loads_nothing_from_elsewhere_and_no_link_in_it_is_dead(site: Path) -> None:
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    assert len(pages) > 8
    for path, links in pages.items():
        if path.name == "404.html":  # its links are absolute, because it is shown in any folder
            continue
        here = path.relative_to(site)
        assert [url for url in links.loaded if re.match(r"(https?:)?//", url)] == [], here
        for url in [*links.loaded, *links.targets]:
            if re.match(r"(https?|mailto|data|javascript):", url):
                continue
            name, _, anchor = url.partition("#")
            target = (path.parent / name.split("?")[0]).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{here}: {url}"
            if anchor and target in pages and anchor != "__skip":
                assert anchor in pages[target].ids, f"{here}: {url}"
