from importlib import metadata
from pathlib import Path

import pytest

from mlops_assets.evaluation.software.installed import Component, installed
from mlops_assets.evaluation.software.lock import Deviation, LockError, Pin, compare, read_lock

ROOT = Path(__file__).parents[3]
HASH = "ab" * 32


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(text)
    return path


def test_a_lock_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    text = f"""\
# made by a tool
--index-url https://example.org/simple
-e .
Ruamel_yaml==0.18.6 ; python_version >= "3.9" \\
    --hash=sha256:{HASH} \\
    --hash=sha256:{"cd" * 32}
pywin32==306 ; sys_platform == "no such system"
plain==1.0  # why
own @ file:///somewhere/own.whl
"""
    assert read_lock(written(tmp_path, text)) == {
        "ruamel-yaml": Pin("0.18.6", (f"sha256:{HASH}", f"sha256:{'cd' * 32}")),
        "plain": Pin("1.0"),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [("numpy>=2", r"lock:2: numpy has no exact version"), ("%%%", r"lock:2: found '%%%', expected `name==version`")],
)
def test_a_line_that_pins_nothing_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(LockError, match=message):
        read_lock(written(tmp_path, f"plain==1.0\n{line}\n"))


def test_other_versions_are_told_from_packages_beside_the_project() -> None:
    packages = [
        Component("same", "1.0"),
        Component("Same.Too", "2.0.0"),
        Component("other", "1.1"),
        Component("tool", "5"),
        Component("pip", "26.1"),
        Component("the-project", "0.1", local=True),
        Component("odd", "no version"),
    ]
    pins = {"same": Pin("1.0"), "same-too": Pin("2.0"), "other": Pin("1.0"), "absent": Pin("3"), "odd": Pin("1")}
    assert compare(packages, pins) == Deviation(
        ("other 1.1 (pinned 1.0)", "odd no version (pinned 1)"), ("tool 5",), pinned=2
    )


def test_this_environment_is_held_against_the_shipped_lock() -> None:
    pins = read_lock(ROOT / "requirements.lock")
    assert pins["numpy"].version == metadata.version("numpy")
    assert all(pin.hashes for pin in pins.values())
    found = compare(installed(), pins)
    assert found.pinned > 100
    changed = compare(installed(), {**pins, "numpy": Pin("1.0")})
    assert len(changed.different) == len(found.different) + 1
