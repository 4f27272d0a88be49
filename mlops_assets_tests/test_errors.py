"""One base class for all errors, found in the code itself, and one place that turns an error into an exit code."""

import ast
import builtins
from importlib import import_module
from pathlib import Path

import pytest

import mlops_assets
from mlops_assets import cli
from mlops_assets.errors import MlopsAssetsError, exit_code_of

ROOT = Path(mlops_assets.__file__).parent
BUILTIN = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}
STANDS_ALONE = ROOT / "evidence" / "packet" / "verifier_signatures.py"
"""Part of the program inside an audit packet, which runs without this package."""


def exception_classes() -> list[tuple[str, str]]:
    """Module and name of every class that derives from an exception, directly or by another one of the package."""
    classes = [
        (path, node.name, {base.id for base in node.bases if isinstance(base, ast.Name)})
        for path in sorted(ROOT.rglob("*.py"))
        if path != STANDS_ALONE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    known, found = BUILTIN | {"MlopsAssetsError"}, []
    while new := [one for one in classes if one[2] & known and one not in found]:
        found += new
        known |= {name for _, name, _ in new}
    return [
        (".".join(path.relative_to(ROOT.parent).with_suffix("").parts), name)
        for path, name, _ in found
        if name != "MlopsAssetsError"
    ]


def test_every_error_has_the_base_class():
    classes = exception_classes()
    assert ("mlops_assets.training.candidates", "_FinalFitError") in classes, "errors of errors are found as well"
    assert len(classes) > 40
    others = [
        f"{module}.{name}"
        for module, name in classes
        if not issubclass(getattr(import_module(module), name), MlopsAssetsError)
    ]
    assert others == []


class Refused(MlopsAssetsError):
    exit_code = 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MlopsAssetsError("two lines\n  of text"), 1),
        (Refused("no such thing"), 2),
        (FileNotFoundError("x"), 2),
        (ValueError("x"), 2),
        (RuntimeError("the ledger is not whole"), 1),
        (LookupError("not found"), 1),
    ],
)
def test_a_command_ends_with_the_code_of_its_error_and_one_line(monkeypatch, capsys, error: Exception, code: int):
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == code == exit_code_of(error)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"mlops: {' '.join(str(error).split())}\n")
