"""Importing a package from a folder, where other tests import another package of the same name from another one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importing_from(folder: Path, package: str) -> Iterator[None]:
    """While the block runs, `package` is imported from `folder`, and before and after it nothing of that name is imported."""
    _forget(package)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _forget(package)


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
