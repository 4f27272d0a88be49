"""The reference pages say what the code says, and a public name without a description stops the build."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import pytest
from annotated_types import Ge
from pydantic import BaseModel, Field

from docs_tools.describe import Undescribed, attributes_of, fields_of, section, summary, table, type_text, yaml_text
from docs_tools.graph import columns, edges, svg
from docs_tools.reference import PAGES
from docs_tools.vocabulary import LISTS
from mlops_assets.cli import COMMANDS
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Tier
from mlops_assets.gates.registry import GATES
from mlops_assets.ledger.events.registry import EVENTS
from mlops_assets.pipeline.stage_table import STAGES
from mlops_assets.policy.policy import Policy


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("declaration", [f"| `{name}` |" for name in Declaration.model_fields]),
        (
            "policy",
            [f"## `{name}`" for name, f in Policy.model_fields.items() if f.default_factory and name != "gates"],
        ),
        ("gates", [f"\n## {name}\n" for name in GATES]),
        ("commands", [f"\n## mlops {name}\n" for name in COMMANDS]),
        ("records", [f"\n## {event.KIND}\n" for event in EVENTS]),
        ("assets", [f"| `{stage.name}` |" for stage in STAGES]),
        ("words", [f"| `{word}` |" for _, source, _ in LISTS for word in get_args(source)]),
        (
            "python",
            [f"\n## mlops_assets.{name}\n" for name in ("load", "status", "trace", "drift", "build_definitions")],
        ),
    ],
)
def test_each_page_names_everything_that_the_code_has(page: str, names: list[str]) -> None:
    text = PAGES[f"reference/{page}.md"]()
    assert len(names) >= 5
    assert [name for name in names if name not in text] == []


def test_the_rules_of_a_gate_show_each_tier_and_what_stricter_means() -> None:
    rows = PAGES["reference/gates.md"]().splitlines()
    (row,) = [r for r in rows if r.startswith("| `min_rows` | Fewest training rows.")]
    assert row.endswith("an override must be that value or a higher one* | `1000` | `500` | `200` |")


def test_a_command_shows_choices_and_defaults() -> None:
    text = PAGES["reference/commands.md"]()
    assert "| `--engine` | `polars`, `duckdb` or `spark`; default `polars` |" in text


class Described(BaseModel):
    """A model.

    Attributes:
        plain: says so here,
            and goes on.
        a, b: both.
    """

    plain: str
    a: int = 3
    b: Annotated[float | None, Ge(0)] = None
    own: Literal["x", "y"] = Field(default="x", description="Says so itself.")


@dataclass(frozen=True)
class Undocumented:
    """A class whose field nobody describes."""

    field: int


def test_a_field_without_a_description_is_named() -> None:
    with pytest.raises(Undescribed, match="Undocumented: no description of field"):
        fields_of(Undocumented)


def test_attributes_are_read_from_the_docstring() -> None:
    assert section(Described.__doc__ or "", "Attributes") == {
        "plain": "says so here, and goes on.",
        "a": "both.",
        "b": "both.",
    }
    # Only the project's own classes are described; this one is a test's.
    assert attributes_of(Described) == {}


def test_a_docstring_is_shown_up_to_its_first_section() -> None:
    assert summary(Described) == "A model."
    with pytest.raises(Undescribed):
        summary(dataclass(type("Bare", (), {})))


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (str, "text"),
        (Literal["x", "y", "z"], "`x`, `y` or `z`"),
        (float | None, "number or nothing"),
        (tuple[str, ...], "list of text"),
        (dict[str, int], "mapping of text to integer"),
        (Tier, "`high`, `medium` or `low`"),
        (Described, "`Described`"),
    ],
)
def test_types_in_words(hint: object, text: str) -> None:
    assert type_text(hint) == text


@pytest.mark.parametrize(
    ("value", "text"), [(True, "`true`"), (None, "no limit"), ((), "none"), ((1, 2), "`1`, `2`"), (0.5, "`0.5`"), ("", "empty")]
)  # fmt: skip
def test_values_as_yaml(value: object, text: str) -> None:
    assert yaml_text(value) == text


def test_bars_in_a_cell_do_not_end_it() -> None:
    assert table(["x"], [["a|b"]]).splitlines()[-1] == "| a\\|b |"


def test_a_flowchart_is_drawn_from_its_notation() -> None:
    arrows = edges("flowchart LR\n  a --> b & c --> d\n")
    assert arrows == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    assert columns(arrows) == [["a"], ["b", "c"], ["d"]]
    drawn = svg("a --> b --> c", per_row=2)
    assert drawn.count("<rect") == 3
    assert drawn.count('marker-end="url(#tip)"') == 2


@pytest.mark.parametrize(("source", "problem"), [("a -- b", "expected names joined"), ("a --> b\nb --> a", "circle")])
def test_a_flowchart_that_cannot_be_drawn_is_refused(source: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        svg(source)
