"""What tests of attacks share: asking `mlops verify` what it sees, and a pickle that tells when it was loaded."""

import json
from dataclasses import dataclass

import pytest

from mlops_assets.cli import main


@dataclass(frozen=True)
class Verified:
    """What `mlops verify --json` said."""

    code: int
    problems: list[dict[str, str]]


def verify(attacked, capsys) -> Verified:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["--project", str(attacked.platform.project.root), "verify", "--json"])
    return Verified(int(left.value.code or 0), json.loads(capsys.readouterr().out))


def _spring() -> None:
    Trap.sprung = True


class Trap:
    """Sets a mark when it is unpickled."""

    sprung = False

    def __reduce__(self):
        return _spring, ()
