"""The documents name files and packages that exist, and the glossary lists each term once, in order."""

import re
from pathlib import Path

import pytest

import mlops_assets

PACKAGE = Path(mlops_assets.__file__).parent
ROOT = PACKAGE.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def paths_in(text: str) -> set[str]:
    """Paths between backticks: what ends in a known suffix or in a slash, without placeholders."""
    found = re.findall(r"`([\w./-]+(?:\.py|\.yaml|\.md|\.sql|/))`", text)
    return {
        name
        for name in found
        if "/" in name and not name.startswith(("reports/", "lake/", "mlflow/", "dagster/", "keys/"))
    }


@pytest.mark.parametrize("name", ["architecture.md", "glossary.md"])
def test_every_path_that_a_page_names_exists(name: str) -> None:
    named = paths_in((DOCS / name).read_text(encoding="utf-8"))
    assert len(named) > 15
    roots = (PACKAGE, ROOT, ROOT / "mlops_assets_tests")
    assert sorted(p for p in named if not any((root / p).exists() for root in roots)) == []


def test_every_test_that_the_attacks_name_exists() -> None:
    text = (DOCS / "attacks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / "mlops_assets_tests" / name).exists()) == []


def test_the_architecture_lists_every_package() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## Packages")[1].split("## One row")[0]
    packages = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {name for name in packages if f"`{name}/`" not in table} == set()


def test_the_glossary_has_each_term_once_in_alphabetical_order() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(terms) > 60
    assert terms == sorted(set(terms), key=lambda term: term.casefold().replace("-", " "))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)", text):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"
