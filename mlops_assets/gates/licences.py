"""Whether a policy's patterns forbid a licence, which may be an SPDX expression.

Does not belong here: which licence a package has (`evaluation/software/licences.py`).
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

UNKNOWN = "unknown"
"""Licence of a package whose metadata states none; a policy can forbid it like any other."""

_TOKENS = re.compile(r"\(|\)|[^\s()]+")


def is_expression(licence: str) -> bool:
    """Whether the text has the form of an SPDX expression (ids are not looked up)."""
    try:
        _Reader(licence, ()).read()
    except ValueError:
        return False
    return licence != UNKNOWN


def forbidden(licence: str, patterns: Sequence[str]) -> bool:
    """Whether the patterns (`AGPL-*`, case ignored) leave no way to use something under this licence.

    Of an SPDX expression, OR leaves a choice and AND does not; a text that is none is compared as a whole.
    """
    try:
        return _Reader(licence, patterns).read()
    except ValueError:
        return _matches(licence, patterns)


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text.lower(), pattern.lower()) for pattern in patterns)


class _Reader:
    """SPDX licence expressions (SPDX 2.3, annex D): AND binds before OR, WITH names an exception to the id before it."""

    def __init__(self, text: str, patterns: Sequence[str]) -> None:
        self.tokens = _TOKENS.findall(text)
        self.patterns = patterns

    def read(self) -> bool:
        barred = self._either()
        if self.tokens:
            raise ValueError(f"found {self.tokens[0]!r}, expected the end of the expression")
        return barred

    def _either(self) -> bool:
        barred = self._both()
        while self._taken("OR"):
            # Each side has to be read, whatever the other says.
            other = self._both()
            barred = barred and other
        return barred

    def _both(self) -> bool:
        barred = self._one()
        while self._taken("AND"):
            other = self._one()
            barred = barred or other
        return barred

    def _one(self) -> bool:
        if self._taken("("):
            barred = self._either()
            if not self._taken(")"):
                raise ValueError("found no closing bracket")
            return barred
        name = self._name()
        if self._taken("WITH"):
            name = f"{name} WITH {self._name()}"
        return _matches(name, self.patterns)

    def _taken(self, word: str) -> bool:
        if self.tokens and self.tokens[0].upper() == word:
            self.tokens.pop(0)
            return True
        return False

    def _name(self) -> str:
        if not self.tokens or not re.fullmatch(r"[A-Za-z0-9.+:-]+", self.tokens[0]) or self._keyword():
            raise ValueError("found no licence id")
        return self.tokens.pop(0)

    def _keyword(self) -> bool:
        return self.tokens[0].upper() in ("AND", "OR", "WITH")
