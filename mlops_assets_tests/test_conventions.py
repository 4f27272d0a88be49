"""Rules of the code that no linter knows: each is stated in CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_assets
from mlops_assets.ledger.events.registry import BY_KIND

PACKAGE = Path(mlops_assets.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py"))
EVENTS = PACKAGE / "ledger" / "events"
HEAVY = (
    "evidently",
    "mlflow",
    "shap",
    "sklearn",
    "fairlearn",
    "pyspark",
    "matplotlib",
    "plotly",
    "lightgbm",
    "xgboost",
    "onnxruntime",
)
READS_OF_CONTENT = re.compile(r"\.body(\[|\.get\()")
STAND_ALONE = PACKAGE / "evidence" / "packet"
"""The verifier of a packet reads records by itself, without the package: that is what it is for."""
RUN_BY_MLFLOW = PACKAGE / "stores" / "plain_model.py"
"""Copied beside a stored model and run by MLflow; the package itself never imports it."""
LONGEST_FUNCTION = 80
MOST_PARAMETERS = 7


def of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether click makes a command of it: its parameters are the command's options."""
    return any("option" in ast.unparse(d) or "argument" in ast.unparse(d) for d in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=of)
def test_records_are_read_as_typed_events(path):
    if path.is_relative_to(EVENTS) or path.is_relative_to(STAND_ALONE):
        return
    found = [
        n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if READS_OF_CONTENT.search(line)
    ]
    assert not found, f"{of(path)}:{found}: read `record.event`, whose class has the fields"


@pytest.mark.parametrize("path", FILES, ids=of)
def test_kinds_of_records_are_named_by_their_class(path):
    if path.is_relative_to(EVENTS) or path.is_relative_to(STAND_ALONE):
        return
    # A word that is also the name of a gate, a stage or a command is no kind there.
    kinds = {kind for kind in BY_KIND if "_" in kind}
    text = path.read_text(encoding="utf-8")
    found = [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value in kinds
    ]
    assert not found, f"{of(path)}: {found}: write the event class's KIND"


@pytest.mark.parametrize("path", FILES, ids=of)
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if path == RUN_BY_MLFLOW:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names]
    named += [n.module or "" for n in tree.body if isinstance(n, ast.ImportFrom)]
    assert not [name for name in named if name.split(".")[0] in HEAVY]


@pytest.mark.parametrize("path", FILES, ids=of)
def test_functions_can_be_read_at_once(path):
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    many = [
        f"{node.name}: {len(node.args.args) + len(node.args.kwonlyargs)} parameters"
        for node in functions(path)
        if not is_command(node) and len([a for a in node.args.args if a.arg not in ("self", "cls")]) > MOST_PARAMETERS
    ]
    assert not [*long, *many], of(path)


ASKS_ANOTHER_CLOCK = {
    *("datetime.now", "datetime.today", "datetime.utcnow", "date.today", "dt.datetime.now", "dt.date.today"),
    *("time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.strftime"),
}


@pytest.mark.parametrize("path", FILES, ids=of)
def test_one_module_knows_what_time_it_is(path):
    if path == PACKAGE / "clock.py":
        return
    asked = [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ASKS_ANOTHER_CLOCK
    ]
    assert not asked, f"{of(path)}: {asked}: ask mlops_assets.clock, which can be simulated"
