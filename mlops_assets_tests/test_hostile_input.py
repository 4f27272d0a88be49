"""Whatever is put into a declaration, a policy, a packet, a prediction id or a command line is taken or refused in a sentence.

Drawn with Hypothesis: some in `make test`, thousands in `make soak`. What was ever found stands among the examples.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_assets.cli import cli
from mlops_assets.commands.common import one_line
from mlops_assets.evidence.packet.packet import write_packet
from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.policy.policy import Policy
from mlops_assets.policy.reading import PolicyError, read_document
from mlops_assets.project import DeclarationError, read_declaration
from mlops_assets.scoring.prediction_id import parse
from mlops_assets_tests.effort import share
from mlops_assets_tests.evidence.packet.made import contents, find, live, pack, parts, rechained, resealed, rows_of
from mlops_assets_tests.governance.world import MODEL

PACKAGE = Path(__file__).parents[1] / "mlops_assets"
DECLARED = (PACKAGE / "defs/models/sba_loan_default/defs.yaml").read_text(encoding="utf-8")
RULES = (PACKAGE / "config/policy/high.yaml").read_text(encoding="utf-8")

TEXTS = (
    "", " ", "[", "*", "a.b", "None", "1e999", "../../etc/passwd", "</script><script>alert(1)</script>", "=cmd()", "\x1b[2J",
    "\u202eabc", "\ud800", "\0", "e\u0301", "x" * 30_000, "os.system", "${HOME}", "{{ x }}", "2026-02-30", "-3d", "99999999999d",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 10**30, 10**400, 1e-300, 1e300, float("nan"), float("inf"), 0.5)
CONTAINERS = (
    [],
    [[]],
    [None],
    ["a", "a"],
    {},
    {"a": 1},
    {None: 1},
    {1: 2},
    {"": ""},
    {"[": 1},
    {"a": {"a": {"a": {}}}},
)
VALUES = st.sampled_from([None, True, False, *TEXTS, *NUMBERS, *CONTAINERS]) | st.text(max_size=8)
FRAGMENTS = (
    "{", "}", "[", "]", ": ", "- ", "&a ", "*a", "!!python/object:os.system ", "!!int x", "!!float x", "!!timestamp x", "!!binary x",
    "!!set {", "!!omap [", "<<: ", "? ", "|", "> ", "%", "@", "`", "\t", "\0", "\x85", "\ufeff", "---\n", "...\n", "'", '"', "#",
    "2026-02-30", "99999-01-01", ".inf", "=", "~", "1:99:99.9",
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands inside of a value, the value itself left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*at, name)
        yield from places(part, (*at, name))


@st.composite
def changed(draw: st.DrawFn, of: Any) -> Any:
    """The value with one to three of its parts replaced, left out or put elsewhere."""
    found = copy.deepcopy(of)
    for _ in range(draw(st.integers(1, 3))):
        here = list(places(found))
        if not here:
            break
        *way, last = draw(st.sampled_from(here))
        holder = found
        for name in way:
            holder = holder[name]
        kept = holder.pop(last)
        if isinstance(holder, list):
            holder.insert(last, draw(VALUES))
        elif draw(st.booleans()):
            holder[last] = draw(VALUES)
        elif draw(st.booleans()):
            holder[draw(st.sampled_from(TEXTS))] = kept
    return found


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """The text with pieces cut out, repeated or put in."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 30))
        text = text[:at] + draw(st.sampled_from(("", text[at : at + cut] * 2, *FRAGMENTS))) + text[at + cut :]
    return text


def yaml_of(text: str) -> st.SearchStrategy[str]:
    written = changed(yaml.safe_load(text)).map(lambda value: yaml.safe_dump(value, allow_unicode=True))
    return written | edited(text)


def one_place(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def says(error: Exception, part: str) -> None:
    """The error has a message that can be printed, with `part` in it."""
    assert part in str(error)
    assert one_line(error).encode()


@given(yaml_of(DECLARED))
@example(one_place(DECLARED, "task: binary", "task: 2026-02-30"))
@example("attributes: {purpose: !!int ten}")
@example("attributes: {purpose: !!timestamp x}")
@example('attributes: {purpose: "\\ud800"}')
@example('attributes: {"[": 1}')
@example('attributes: {"a\\e[2J": 1}')
def test_a_declaration(folder: Path, text: str):
    path = folder / "model" / "defs.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        canonical_json(read_declaration(path).model_dump(mode="json"))
    except DeclarationError as error:
        says(error, str(path))


@given(yaml_of(RULES))
@example("tier: !!float x")
@example('tier: "high\\0"')
@example('"[": 1')
@example(one_place(RULES, "forbidden_columns: []", 'forbidden_columns: ["a\\0"]'))
def test_a_policy(folder: Path, text: str):
    path = folder / "high.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert len(read_document(path, Policy).digest) == 64
    except PolicyError as error:
        says(error, str(path))


@given(st.text(max_size=120) | st.from_regex(r"[a-z_]{1,5}:[0-9०-९-]{10}:v[0-9A-Za-z.]{0,3}:[0-9a-f]{31,33}\s?"))
@example("loans:२०२६-01-01:v1:" + "0" * 32)
@example("loans:2026-01-01:v1:" + "0" * 32 + "\n")
def test_a_prediction_id(text: str):
    try:
        found = parse(text)
    except ValueError as error:
        says(error, "expected a prediction id")
    else:
        assert str(found) == text.strip()
        assert str(found).isascii()


@pytest.fixture(scope="module")
def whole(folder: Path) -> tuple[dict[str, bytes], Any]:
    """Files of a packet that is whole, and the head key that sealed it."""
    world, rules = live(folder)
    write_packet(folder / "packet.zip", world.ledger, MODEL, "1", parts(rules))
    return contents(folder / "packet.zip"), world.keys["head"]


def answered(path: Path) -> dict[str, Any]:
    """What the verifier says: always something, and never an error of Python's without a sentence."""
    found = verify(path)
    assert found["ok"] or found["problem"]
    return found


@given(st.data())
def test_the_bytes_of_a_packet(folder: Path, whole: tuple[dict[str, bytes], Any], data: st.DataObject):
    """Some bytes of the ZIP are other ones."""
    content = bytearray((folder / "packet.zip").read_bytes())
    directory = content.rindex(b"PK\x05\x06")
    ends = st.integers(0, 60) | st.integers(directory - 60, len(content) - 1) | st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(ends, min_size=1, max_size=3)):
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=4))
    (folder / "bytes.zip").write_bytes(bytes(content))
    found = answered(folder / "bytes.zip")
    assert not found["ok"] or bytes(content) == (folder / "packet.zip").read_bytes() or same_files(folder, whole[0])


def same_files(folder: Path, files: dict[str, bytes]) -> bool:
    """Whether only what no file is made of was changed, such as the time that a ZIP notes of one."""
    return contents(folder / "bytes.zip") == files


KINDS = (
    "gate_decision",
    "approval",
    "promotion",
    "version_registered",
    "card_issued",
    "health_verdict",
    "person_enrolled",
)


@settings(max_examples=share(15, 1_000))
@given(st.data())
def test_the_records_of_a_packet(folder: Path, whole: tuple[dict[str, bytes], Any], data: st.DataObject):
    """A record holds something else, and the packet was sealed again with the head key."""
    files, key = whole
    rows = rows_of(files)
    row = find(rows, data.draw(st.sampled_from(KINDS)))
    body = data.draw(changed(json.loads(row[7])) | VALUES)
    row[7] = json.dumps(body, sort_keys=True, separators=(",", ":"))
    pack(folder / "records.zip", resealed(files, rechained(rows), key))
    answered(folder / "records.zip")


def leaves(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is no group of commands."""
    if not isinstance(command, click.Group):
        yield names, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*names, name))


@pytest.fixture(scope="module")
def commands() -> list[tuple[tuple[str, ...], click.Command]]:
    return list(leaves(cli))


# What a shell cannot hand over is left out: NUL, and halves of characters that stand for no byte.
WORDS = st.sampled_from([t for t in TEXTS if "\0" not in t and "\ud800" not in t] + ["-", "--", "-1", "nan", "2026-01-01", "/dev/null", "a=b"])  # fmt: skip


@given(st.data())
def test_a_command_line(commands: list[tuple[tuple[str, ...], click.Command]], data: st.DataObject):
    """Only read, not run."""
    names, command = data.draw(st.sampled_from(commands))
    arguments: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            arguments += data.draw(st.lists(WORDS, max_size=2))
        elif parameter.required or data.draw(st.booleans()):
            name = data.draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts]))
            arguments += [name] if getattr(parameter, "is_flag", False) else [name, data.draw(WORDS)]
    try:
        with command.make_context(" ".join(names), arguments):
            pass
    except click.ClickException as error:
        says(error, "")
    except click.exceptions.Exit:
        pass
