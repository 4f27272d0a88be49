"""Does a notebook train or use a model? Its cells are parsed, never run."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.discovery.model_files import LIBRARIES, Signs

CALLS = ("fit", "predict", "predict_proba", "partial_fit", "fit_predict", "cross_validate", "cross_val_score")
"""Methods and functions that a model is trained or used with."""


def signs_of_notebook(path: Path) -> Signs | None:
    """Why the notebook is thought to hold a model; None when it calls nothing that would tell.

    Raises:
        OSError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [c for c in content["cells"] if c.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Signs("a notebook that cannot be read", "possible")
    found: dict[str, list[int]] = {}
    imported: dict[str, None] = {}
    for number, cell in enumerate(cells, start=1):
        tree = _parsed(cell.get("source", ""))
        for call in _calls(tree):
            found.setdefault(call, []).append(number)
        imported.update(dict.fromkeys(_libraries(tree)))
    if not found:
        return None
    called = ", ".join(f"{name} in cell {_numbers(where)}" for name, where in found.items())
    return Signs(
        f"a notebook that calls {called}" + (f", with {', '.join(imported)}" if imported else ""),
        # Many things have a method `fit`; with a library of models beside it there is little doubt.
        "likely" if imported else "possible",
    )


def _parsed(source: str | list[str]) -> ast.AST:
    """The cell's syntax tree; lines for the shell and magics are left out, and a cell that is no Python is empty."""
    text = source if isinstance(source, str) else "".join(source)
    lines = ["" if re.match(r"\s*[%!?]", line) else line for line in text.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A null byte, or values nested deeper than the parser goes.
        return ast.Module(body=[], type_ignores=[])


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CALLS:
                yield f".{name}" if isinstance(node.func, ast.Attribute) else name


def _libraries(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (top for name in names if (top := name.split(".")[0]) in LIBRARIES)


def _numbers(where: list[int]) -> str:
    unique = list(dict.fromkeys(where))
    return ", ".join(map(str, unique[:5])) + (" and more" if len(unique) > 5 else "")
