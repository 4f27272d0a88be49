"""What `mlops` says about itself: every command is listed, explained and loadable, and exit codes follow the error."""

import re
from pathlib import Path

import click
import pytest

from mlops_assets.cli import COMMANDS, cli
from mlops_assets.commands.common import GroupWithDefault, cell, one_line, print_table
from mlops_assets_tests.commands.conftest import call_in

NAMES = (
    *("status", "drift", "approve", "finding", "exception", "rollback", "suspend", "resume", "retire", "retrain"),
    *("incident", "people", "keys", "trace", "asof", "replay", "packet", "verify", "requirements", "policy"),
    *("calibrate", "drill", "discover"),
)
"""Commands that people outside the code rely on."""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its words."""
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        member = command.get_command(context, name)
        assert member is not None
        found += leaves(member, (*path, name))
    return found


ALL = leaves(cli)


def test_the_commands_people_rely_on_are_there() -> None:
    assert set(NAMES) <= set(COMMANDS)


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_every_command_explains_itself(tmp_path, words: tuple[str, ...], command: click.Command) -> None:
    answer = call_in(tmp_path, *words, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert (command.help or "").strip()
    assert "Usage: mlops" in answer.out


@pytest.mark.parametrize(
    "words", [("status",), ("asof",), ("trace",), ("verify",), ("requirements", "show"), ("replay",), ("drift",), ("drill",), ("calibrate",), ("discover", "search"), ("discover", "list"), ("policy", "diff")],
    ids=" ".join,
)  # fmt: skip
def test_whatever_prints_a_table_prints_json(words: tuple[str, ...]) -> None:
    command = dict(ALL)[words]
    assert "--json" in {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_whatever_is_signed_says_why(words: tuple[str, ...], command: click.Command) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    if "--key" in options and words[0] not in ("people", "retention"):
        assert options & {"--rationale", "--reason", "--note", "--summary", "--response", "--answers"}


def test_an_error_is_one_line_even_when_it_says_nothing() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), ([], "–"), ("", "–"), (0.123456, "0.1235"), (0, "0"), ([1, None], "1, –"), ({"a": 0.5}, "a 0.5")],
)
def test_a_cell_shows_any_value(value: object, shown: str) -> None:
    assert cell(value) == shown


def lines_of_documents() -> list[tuple[str, str]]:
    """Every call of `mlops` that a document tells people to make, with where it stands."""
    root = Path(__file__).parents[2]
    documents = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    documents += [
        root / "mlops_assets" / "evidence" / name for name in ("attention.py", "attention_items.py", "pages/model.py")
    ]
    found = []
    for path in documents:
        text = path.read_text(encoding="utf-8")
        # In a block of code from the start of a line or after `&&`, in a sentence between backticks.
        for match in re.finditer(
            r"(?:^|[`\"&|(] ?)(?:\.venv/bin/)?mlops ([a-z](?:[^`\"\n#&|]|(?<=\w)\|)*)", text, flags=re.MULTILINE
        ):
            found.append((path.relative_to(root).as_posix(), match.group(1).strip()))
    return found


@pytest.mark.parametrize(("where", "line"), lines_of_documents())
def test_documents_tell_of_commands_and_options_that_there_are(where: str, line: str) -> None:
    words = line.replace("…", " ").split()
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"{where}: mlops {line}"
    if isinstance(command, click.Group) and len(words) > 1:
        named = command.with_default(words[1:])[0] if isinstance(command, GroupWithDefault) else words[1]
        command = command.get_command(click.Context(command), named)
        assert command is not None, f"{where}: mlops {line}"
    known = {"--help", *(name for parameter in command.params for name in parameter.opts)}
    asked = {word for word in words if re.fullmatch(r"--?[a-z-]+", word)}
    assert asked <= known, f"{where}: mlops {line}"


def test_brackets_in_a_table_are_shown_and_a_pipe_gets_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "late [bold]payment[/bold]", "severity": "critical"}], ["name", "severity"])
    assert "late [bold]payment[/bold]  critical" in capsys.readouterr().out
