"""The examples of `docs/how-to/extending.md`, as the page has them."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import yaml

from mlops_assets.registration import Extension
from mlops_assets_tests.documentation.imported import importing_from

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "extending.md"
_TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"^File `(.+?)`:\n\n```python\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE))
"""Path to text."""
LINES, POINTS = re.findall(r"^```toml\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
"""The registration: of a project, and by entry points."""
RULES, LIMITS, SOURCE, CANDIDATES = (
    yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
)
"""Parts of policies and declarations that name the examples."""
(TRIAL,) = re.findall(
    r"^```python\n(from mlops_assets\.extensions import registered.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE
)


def write_files(folder: Path) -> None:
    """Write the files of the page, as a package, into a folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")


@contextmanager
def examples(folder: Path) -> Iterator[list[Extension]]:
    """The objects that the page registers for a project; while the block runs, they are imported from files in a folder."""
    write_files(folder)
    targets = [t for kind in tomllib.loads(LINES)["tool"]["mlops_assets"].values() for t in kind.values()]
    with importing_from(folder, targets[0].split(".")[0]):
        yield [getattr(import_module(target.split(":")[0]), target.split(":")[1]) for target in targets]
