"""Every block of every page is run, or goes through the parser that would read it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from docs_tools.blocks import Block, blocks_of, commands_of, logical_lines, missing_lines
from mlops_assets.cli import cli
from mlops_assets.commands.common import GroupWithDefault
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.discovery.settings import DiscoverySettings
from mlops_assets.notification.routes import Settings as NotificationSettings
from mlops_assets.policy.policy import Policy, read_policy
from mlops_assets.policy.tiering import Answers
from mlops_assets.registration import Extension, registered
from mlops_assets_tests.documentation.conftest import DOCS
from mlops_assets_tests.documentation.extending import PAGE, examples
from mlops_assets_tests.governance.assessments import TIERING

ROOT = DOCS.parent
BLOCKS = [block for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))] for block in blocks_of(page)]
PLACEHOLDERS = {"VERSION": "1", "N": "30", "DATE": "2026-01-31", "OUTCOME": "approved", "SEVERITY": "high"}
"""What a word in capitals stands for where the parser wants a number, a date or a choice."""
PROGRAMS = frozenset(
    [
        "export",
        "cd",
        "cp",
        "mv",
        "mkdir",
        "read",
        "sed",
        "git",
        "pip",
        "python",
        "python3",
        "unzip",
        "psql",
        "pg_dump",
        "mlflow",
        "dagster",
        "dagster-webserver",
        "dagster-daemon",
        "docker",
        ".",
    ]
)
"""Programs of others that a page may name."""
LANGUAGES = ("sh", "yaml", "python", "text", "sql", "mermaid", "json", "toml")


def of(*languages: str) -> list[Any]:
    return [pytest.param(b, id=b.place) for b in BLOCKS if b.language in languages]


@pytest.mark.parametrize("block", [p for p in of("sh") if not p.values[0].tag.startswith("run")])
def test_every_command_is_one_that_the_real_parser_accepts(block: Block) -> None:
    for words in commands_of(block):
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
            words = words[1:]
        if not words:
            continue
        program = words[0].removeprefix(".venv/bin/")
        if program == "mlops":
            parse_mlops(words[1:])
        elif program == "dg":
            parse_dg(words[1:])
        elif program == "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert words[1] in targets
        else:
            assert program in PROGRAMS, f"{block.place}: {program}"


def parse_mlops(words: list[str]) -> None:
    """Let the command's own parser read the words, placeholders replaced by a value of the right kind.

    Raises:
        click.UsageError: there is no such command or option, one is missing, or a value is of the wrong kind.
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="mlops")
    rest = [plain(word) for word in words]
    while isinstance(command, click.Group):
        if rest and rest[0] == "--project":
            rest = rest[2:]
        if isinstance(command, GroupWithDefault):
            rest = command.with_default(rest)
        name, command_found, rest = command.resolve_command(context, rest)
        assert command_found is not None
        command = command_found
        context = click.Context(command, info_name=name, parent=context)
    # The files are the reader's. The commands are those of every other test too, so they are left as they were.
    paths = [p.type for p in command.params if isinstance(p.type, click.Path)]
    with pytest.MonkeyPatch.context() as patched:
        for path in paths:
            patched.setattr(path, "exists", False)
        command.make_context(context.info_name, rest, parent=context.parent)


def plain(word: str) -> str:
    """A value for a placeholder: one of `true|false|expected`, a date for `$(date …)`, a number for VERSION."""
    if word.startswith("$(date"):
        return PLACEHOLDERS["DATE"]
    return PLACEHOLDERS.get(word, word.split("|")[0] if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else word)


def parse_dg(words: list[str]) -> None:
    """The same for the two `dg` commands that the pages use beside `dg scaffold defs`, whose options are the project's own."""
    from dagster_dg_cli.cli import create_dg_cli

    if words[:2] == ["scaffold", "defs"]:
        from mlops_assets.orchestration.component import GovernedModel

        assert words[2] == f"mlops_assets.{GovernedModel.__name__}"
        assert {word for word in words[4:] if word.startswith("--")} <= {"--source", "--target"}
        return
    group = create_dg_cli()
    context = click.Context(group, info_name="dg")
    command: Any = group
    rest = words
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(context, rest)
    command.make_context("dg", list(rest), parent=context)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Extension]]:
    """What the page on extending registers, and its blocks name."""
    with examples(tmp_path_factory.mktemp("extending")) as found:
        yield found


@pytest.mark.parametrize("block", of("yaml"))
def test_every_yaml_is_valid_for_the_real_model(block: Block, own: list[Extension]) -> None:
    with registered(*(own if block.page == PAGE else ())):
        _check_yaml(block)


def _check_yaml(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if block.tag == "policy":
        tier = read_policy(ROOT / "mlops_assets" / "config" / "policy" / "medium.yaml").model_dump(mode="json")
        Policy.model_validate(merged(tier, content))
    elif set(content) == set(Answers.model_fields):
        given = Answers.model_validate(content).answers
        TIERING.tier({name: one.answer for name, one in given.items()})
    elif "channels" in content:
        NotificationSettings.model_validate(content)
    elif "sources" in content:
        DiscoverySettings.model_validate(content)
    elif "attributes" in content:
        Declaration.model_validate({"name": "a_model", **content["attributes"]})
    else:
        # A reader takes the place of a path.
        base = {**BASE, "source": {}} if "reader" in content.get("source", {}) else BASE
        Declaration.model_validate(merged(base, content))


BASE = {
    "name": "a_model",
    "purpose": "Probability that something happens.",
    "owner": "team:one",
    "developers": ["ada"],
    "tier": "medium",
    "task": "binary",
    "source": {"path": "data/rows.csv"},
    "id": "row",
    "event_time": "booked",
    "target": "happened",
    "features": {"amount": "numeric"},
    "training": {"until": "2025-01-01"},
}
"""What a part of a declaration is put into."""


def merged(base: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in part.items()
    }
    return {**base, **both}


@pytest.mark.parametrize("block", of("python"))
def test_every_script_compiles(block: Block) -> None:
    ast.parse(block.text)


def test_every_block_is_of_a_language_that_is_tested_and_every_tag_is_known() -> None:
    odd = [b.place for b in BLOCKS if b.language not in LANGUAGES]
    assert odd == []
    known = r"(run(, exit \d)?|output|file \S+|policy|declaration|not run, .{10,})?"
    assert [f"{b.place}: {b.tag}" for b in BLOCKS if not re.fullmatch(known, b.tag)] == []
    assert len(BLOCKS) > 40


def page(tmp_path: Path, text: str) -> list[Block]:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return blocks_of(path)


def test_blocks_are_found_with_their_tags_also_in_lists(tmp_path: Path) -> None:
    first, second = page(
        tmp_path, "<!-- test: run -->\n```sh\nmlops status\n```\n\n1. x\n\n   ```sql\n   A;\n     B;\n   ```\n"
    )
    assert (first.tag, first.language, first.text, first.line) == ("run", "sh", "mlops status\n", 3)
    assert (second.tag, second.text) == ("", "A;\n  B;\n")


def test_commands_are_split_at_pipes_and_joined_over_lines(tmp_path: Path) -> None:
    (block,) = page(tmp_path, "```sh\nmlops status | head  # first\nmlops \\\n  verify && mlops asof DATE\n```\n")
    assert list(commands_of(block)) == [["mlops", "status"], ["head"], ["mlops", "verify"], ["mlops", "asof", "DATE"]]


def test_a_backslash_joins_lines_as_a_shell_does() -> None:
    assert logical_lines("dg launch \\\n  --job a\nnext\n") == ["dg launch --job a", "next"]


def test_an_open_quote_goes_on_to_the_next_line_and_must_be_closed() -> None:
    assert logical_lines("# note\necho 'a\nb'\n") == ["echo 'a\nb'"]
    with pytest.raises(ValueError, match="open quote"):
        logical_lines("echo 'a\n")


@pytest.mark.parametrize(
    ("expected", "missing"),
    [("a 1\nc", []), ("a …\n…\nc", []), ("c\na 1", ["a 1"]), ("a", ["a"]), ("b", ["b"])],
)
def test_what_a_page_shows_is_compared_line_by_line_in_order(expected: str, missing: list[str]) -> None:
    assert missing_lines(expected, "a  1\nb x\nc\n") == missing


@pytest.mark.parametrize(
    "words", [["approve", "m"], ["approve", "m", "x", "--key", "k", "--rationale", "r"], ["verify", "--nothing"], ["none"]]
)  # fmt: skip
def test_a_wrong_command_on_a_page_would_be_noticed(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse_mlops(words)
