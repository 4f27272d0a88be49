"""The files that `mlops init` writes into an empty folder, to start a bank's own project.

Policies, the questions of tier assessments, requirement profiles and runbooks are copied from the example fleet and belong to the bank from then on; models are added
with `dg scaffold`. Not here: stores and keys, which `setup` creates.
"""

import re
import shutil
from pathlib import Path

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.policy.tiering import FILE as TIERING

PACKAGE = Path(__file__).parent
NAME_PATTERN = re.compile(r"^[a-z][a-z0-9_]*$")

PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["mlops_assets"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{name}"
"""
DEFINITIONS = '''\
"""The definitions that Dagster loads: the models in `defs/`, under the policies in `config/`."""

from pathlib import Path

import dagster as dg
from mlops_assets import code_locations, load_definitions

DEFS = Path(__file__).parent / "defs"
# In a large project: one code location for each folder of models, as `mlops locations` writes them.
__getattr__ = code_locations(DEFS)


@dg.definitions
def defs() -> dg.Definitions:
    """One asset graph for every governed model."""
    return load_definitions(DEFS)
'''
WORKSPACE = """\
load_from:
  - python_module:
      module_name: {name}.definitions
      location_name: {name}
"""
IGNORED = "# Stores and private keys\n.mlops/\n.venv/\n__pycache__/\n"


class NewProjectError(MlopsAssetsError, ValueError):
    """The folder cannot become a project; the message gives the reason and the remedy."""


def write_project(folder: Path, name: str) -> list[Path]:
    """Write a project without models.

    Args:
        folder: root of the project; created when missing.
        name: of the project's Python package.

    Returns:
        The files that were written.

    Raises:
        NewProjectError: the name is not a package name, or one of the files exists already; then nothing is written.
    """
    if not NAME_PATTERN.match(name):
        raise NewProjectError(
            f"found the name {name!r}, expected lower-case letters, digits and underscores, such as my_bank, "
            "because it names a Python package; choose one with --name"
        )
    package = folder / name
    texts = {
        folder / "pyproject.toml": PYPROJECT.format(name=name),
        folder / "workspace.yaml": WORKSPACE.format(name=name),
        folder / "dagster.yaml": instance_settings().read_text(encoding="utf-8"),
        folder / ".gitignore": IGNORED,
        package / "__init__.py": "",
        package / "definitions.py": DEFINITIONS,
        package / "defs" / "__init__.py": "",
        package / "defs" / "models" / "__init__.py": "",
    }
    copies = {
        package / "config" / kind / file.name: file
        for kind, files in (("policy", "*.yaml"), ("requirements", "*.yaml"), ("runbooks", "*.md"))
        for file in sorted((PACKAGE / "config" / kind).glob(files))
    }
    copies[package / "config" / TIERING] = PACKAGE / "config" / TIERING
    present = [str(path) for path in (*texts, *copies) if path.exists()]
    if present:
        raise NewProjectError(f"{folder}: found {present[0]} already, expected an empty folder; choose another folder")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path, origin in copies.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, path)
    (folder / "data").mkdir(exist_ok=True)
    return [*texts, *copies]


def instance_settings() -> Path:
    """The `dagster.yaml` of the example project: beside the package's files in a wheel, at the root in a checkout."""
    shipped = PACKAGE / "dagster.yaml"
    return shipped if shipped.is_file() else PACKAGE.parent / "dagster.yaml"
