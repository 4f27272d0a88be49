"""What `mlops demo` prints at its end, and that what it names can be typed."""

import re

import pytest

from mlops_assets.commands.demo import as_called, next_commands, summary
from mlops_assets_tests.commands.conftest import Call
from mlops_assets_tests.integration.small_project import FAULTY_COLUMN, MODELS, TIMED

pytestmark = pytest.mark.integration


def test_the_summary_says_who_decides_what_happened_and_where_the_pages_are(lived, capsys) -> None:
    summary(lived.platform)
    printed = capsys.readouterr().out
    reports = lived.platform.home.reports
    for model in MODELS:
        assert model in printed
    assert re.search(rf"{TIMED} +Retraining requested by policy", printed)
    assert FAULTY_COLUMN in printed
    for place in (reports / "fleet.html", reports / "models", reports / "cards"):
        assert str(place) in printed
        assert place.exists()
    commands = re.findall(r"^  mlops (.+)$", printed, flags=re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["dev", "verify", "trace", "draw"]


def test_the_commands_of_the_summary_work(lived, mlops: Call) -> None:
    commands = dict(next_commands(lived.platform))
    trace = next(command for command in commands if command.startswith("trace "))
    answer = mlops(*trace.split())
    assert answer.code == 0, answer
    assert trace.removeprefix("trace ").split(":")[0] in answer.out


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (".venv/bin/mlops", ".venv/bin/mlops status"),
        ("{here}/env/bin/mlops", "env/bin/mlops status"),
        ("/usr/local/bin/mlops", "mlops status"),
    ],
    ids=["as typed", "of an environment in the project", "of the machine"],
)
def test_what_to_type_next_can_be_typed_here(monkeypatch, tmp_path, program: str, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [program.format(here=tmp_path), "demo"])
    assert as_called("status") == line
