"""What a package may be used under, as its own metadata says, and whether a policy's patterns forbid that.

Metadata is a statement of the package's author, not a legal opinion; a package that states nothing has the licence
`unknown`, which a policy can forbid like any other.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

UNKNOWN = "unknown"
LONGEST = 80
"""A longer `License` field is the text of a licence, not its name."""

TROVE = {
    "Academic Free License (AFL)": "AFL-3.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License (GPL)": "GPL-1.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
"""Trove classifiers to SPDX ids; where a classifier leaves the version open, the most usual one."""

_TOKENS = re.compile(r"\(|\)|[^\s()]+")


def licence_of(metadata: Any) -> str:
    """The licence in a distribution's metadata: an SPDX expression where it can be told, else the words found.

    `License-Expression` (PEP 639) before a short `License` field that is an SPDX id already, before the classifiers,
    before any other short `License` field. Several classifiers are alternatives in practice as often as not, so they
    are joined by AND, which is the stricter reading.
    """
    expression = (metadata.get("License-Expression") or "").strip()
    if expression:
        return expression
    written = " ".join((metadata.get("License") or "").split())
    written = "" if len(written) > LONGEST or written.upper() == "UNKNOWN" else written
    if re.fullmatch(r"[A-Za-z]+-\d[\w.+-]*|MIT|ISC|Unlicense", written):
        return written
    classifiers = [c.rsplit(" :: ", 1)[-1] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    found = sorted({TROVE[name] for name in classifiers if name in TROVE})
    if found:
        return " AND ".join(found)
    named = [name for name in classifiers if name not in ("OSI Approved", "DFSG approved")]
    return written or (named[0] if named else UNKNOWN)


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
