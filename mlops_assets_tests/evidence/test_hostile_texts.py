"""What data and declarations carry is text in every output: no page runs it, no Markdown links it, no terminal obeys it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mlops_assets.commands.common import shown
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.as_of import as_of, as_of_text
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.html import card_html
from mlops_assets.evidence.card.markdown import card_markdown
from mlops_assets.evidence.card.model_card import build_card
from mlops_assets.evidence.packet.addendum import addendum, addendum_text
from mlops_assets.evidence.pages import fleet, model
from mlops_assets.evidence.pages import window as window_page
from mlops_assets.evidence.pages.window import WindowLinks
from mlops_assets.evidence.window_evidence import window_evidence
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.response.incidents import open_incident
from mlops_assets_tests.evidence.conftest import Declared, at, declaration_of
from mlops_assets_tests.evidence.life import Life
from mlops_assets_tests.ledger.made import health_verdict

DECLARED = """</script><script>mark()</script><img src=x onerror=mark()>\"'=cmd() [x](javascript:mark()) ![y](https://evil.example/y)"""
DATA = DECLARED + "\x1b[2J\u202e"
"""What a declaration and a signature refuse, and a category, a column or an error message may hold."""
SBA = Declared("sba_loan_default", declaration_of("sba_loan_default"))
NOW = at("2015-06-01")


class Page(HTMLParser):
    """What a browser would make of a page: the text that it shows, and whatever of it would run or load."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.inside, self.runs = "", "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        for name, value in attrs:
            loads = name in ("src", "href") and re.match(r"\s*(javascript:|https?://evil)", value or "")
            if name.startswith("on") or loads or (name == "src" and value == "x"):
                self.runs.append((tag, name, value))

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in ("script", "style"):
            self.runs += [data] if "mark()" in data else []
        else:
            self.text += data


def is_text(html: str) -> None:
    """The planted text is shown, letter by letter, and nothing of it runs or is hidden."""
    page = Page(html)
    assert page.runs == []
    assert "<img src=x onerror=mark()>" in page.text
    assert "\x1b" not in html
    assert "\u202e" not in html


def is_plain(markdown: str) -> None:
    """Without what is escaped, nothing in it is HTML, a link or a picture."""
    assert "mark()" in markdown
    assert "\x1b" not in markdown
    assert "\u202e" not in markdown
    bare = re.sub(r"\\.", "", markdown)
    assert not re.search(r"<(script|img|/script)", bare)
    assert not re.search(r"\]\((javascript|https?://evil)", bare)


@pytest.fixture
def planted(life: Life) -> Ledger:
    """A life in which every text that machines and people record is hostile."""
    life.adopt(when="2003-08-01")
    life.register("1", "2003-09-01", algorithm=DATA, declaration={**life.declaration, "purpose": DECLARED})
    life.decide("1", "leakage", "failed", reason=DATA, rule=DATA)
    life.release("2", "2003-10-01")
    life.grant("model-risk", "fairness", DECLARED, "2004-10-01", "2004-04-03")
    life.judge("2004-01-01", "2004-04-01", "act", "label_shift", reasons=(DATA,), action=("retrain",))
    open_incident(life.ledger, life.model, kind="drift", severity="act", summary=DATA)
    life.request("r-1", DATA, "2004-01-01", "2004-04-04")
    life.intervene("validator", champion.Suspension, "2", DECLARED, "2015-02-01")
    return life.ledger


def test_pages(planted: Ledger):
    broken = Declared("half_written", None, f"half_written/defs.yaml:3: {DATA}")
    seen = fleet.view(planted, [SBA, broken], {})
    is_text(fleet.render(seen))
    for one in seen.models:
        is_text(model.render(one, at=NOW))


def test_the_page_of_a_window(life: Life):
    found = health_verdict("2004-01-01", reasons=[DATA], causes=[{"kind": "covariate_shift", "evidence": DATA}])
    record = life.write(found, "2004-01-01")
    column = {"name": DATA, "severity": "act", "statistic": DATA, "value": 0.3, "p_value": 0.01, "effect": 0.2}
    drift = {"rows": 900, "columns": [column]}
    seen = window_evidence("2004-01-01", drift, {"performance": {"n": 0, "metrics": {}}, "estimate": None})
    is_text(
        window_page.render(
            life.model,
            record,
            seen,
            drift,
            WindowLinks("fleet.html", "model.html", reports=((DATA, "javascript:mark()"),), draw=DATA),
        )
    )


def test_the_addendum_and_the_terminal(planted: Ledger):
    state = planted.state()
    is_plain(addendum_text(addendum(planted, state, SBA.name, "1", NOW)))
    printed = shown(as_of_text(as_of(planted, NOW, SBA.name), NOW))
    assert "\x1b" not in printed
    assert "\u202e" not in printed


def test_the_card(card_inputs: CardInputs):
    said = card_inputs.declaration.model_dump(mode="json")
    said |= dict.fromkeys(("purpose", "intended_use", "owner"), DECLARED)
    said["card"] = {**said["card"], "limitations": [DECLARED], "human_oversight": DECLARED, "licence": DECLARED}
    for feature in said["features"].values():
        feature["description"] = DECLARED
    groups = [{"group": DATA, "n": 10, "selection_rate": 0.5}, {"group": "b", "n": 10, "selection_rate": 0.4}]
    inputs = replace(
        card_inputs,
        declaration=Declaration.model_validate(said),
        fairness={"attributes": [{"attribute": "female", "groups": groups}]},
        decisions=[{"gate": "performance", "outcome": "failed", "reason": DATA}],
    )
    card = build_card(inputs)
    is_text(card_html(card, links=((DECLARED, "javascript:mark()"),)))
    is_plain(card_markdown(card))
