"""The command line called in this process, as a shell would call it."""

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.cli import main
from mlops_assets.ledger.keys import key_path


@dataclass(frozen=True)
class Answer:
    """What a call left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Answer]


def call_in(root: Path, *arguments: object) -> Answer:
    """`mlops --project ROOT …`."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["--project", str(root), *map(str, arguments)])
    return Answer(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def mlops(lived) -> Call:
    """Calls that only read, on the shared project."""
    return lambda *arguments: call_in(lived.platform.project.root, *arguments)


@dataclass(frozen=True)
class Own:
    """A copy of the project with all it left behind, to be changed by the tests of one file."""

    root: Path

    def __call__(self, *arguments: object) -> Answer:
        return call_in(self.root, *arguments)

    def key(self, name: str) -> Path:
        return key_path(name, self.root / ".mlops" / "keys")


@pytest.fixture(scope="module")
def own(lived, tmp_path_factory) -> Iterator[Own]:
    root = tmp_path_factory.mktemp("own") / "project"
    shutil.copytree(lived.platform.project.root, root)
    sys.path.insert(0, str(root))
    yield Own(root)
    sys.path.remove(str(root))


def refused(answer: Answer, code: int, message: str) -> None:
    """The call was refused: that exit code, nothing on standard output, one line on standard error that says why."""
    assert answer.code == code, answer
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert answer.err.startswith("mlops: ")
    assert message in answer.err
