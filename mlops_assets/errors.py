"""The base class of every error that this package raises on purpose, and the exit codes of the command line.

Not here: the errors themselves, which are defined beside the code that raises them.
"""

from typing import ClassVar

NOT_WELL = 1
"""Exit code: what the command reports on is not in order."""
WRONG_CALL = 2
"""Exit code: the call asks for something that does not exist or cannot be read."""


class MlopsAssetsError(Exception):
    """Something was found that the package refuses; the text says what it is, what was expected and what to do.

    A subclass is a `ValueError`, `LookupError`, `RuntimeError` or `TimeoutError` as well where that says more.

    Attributes:
        exit_code: with which a command ends that raises it.
    """

    exit_code: ClassVar[int] = NOT_WELL


def exit_code_of(error: BaseException) -> int:
    """With which exit code a command ends that raised `error`, one of this package or of a library."""
    if isinstance(error, MlopsAssetsError):
        return error.exit_code
    # YAML's by name, so that no library is imported just to compare a type.
    unreadable = type(error) is ValueError or type(error).__name__ in ("ParserError", "ScannerError")
    return WRONG_CALL if unreadable or isinstance(error, FileNotFoundError) else NOT_WELL
