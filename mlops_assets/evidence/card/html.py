"""The card as one HTML file that needs no network, script or font; and the templates that all pages use.

Not here: the templates themselves (`pages/templates`).
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from mlops_assets.evidence.card.card import Card
from mlops_assets.plain_text import shown

if TYPE_CHECKING:
    from jinja2 import Environment


def card_html(card: Card, links: tuple[tuple[str, str], ...] = ()) -> str:
    """The page.

    Args:
        card: What to show.
        links: Text and relative address of related pages, shown at the top.
    """
    return render("card.html.j2", card=card, links=links)


def render(template: str, **values: Any) -> str:
    """A page from `templates/`; every value is escaped except the SVG that `plots` drew."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> "Environment":
    """The templates: compiling one takes a tenth of a second or more, filling it in a few milliseconds."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("mlops_assets.evidence.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        # Before escaping: control characters and direction marks that data carry are shown as their codes.
        finalize=lambda value: shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawn"] = Markup
    environment.globals["kind"] = _kind
    environment.globals["address"] = safe_address
    return environment


def safe_address(address: str) -> str:
    """An address that a page may link to: relative or http(s); anything else (such as `javascript:`) becomes `#`."""
    head = address.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    if ":" in head and not address.startswith(("http://", "https://")):
        return "#"
    return address


def _kind(block: object) -> str:
    return type(block).__name__
