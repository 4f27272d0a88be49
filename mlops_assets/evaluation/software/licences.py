"""What a package may be used under, as its own metadata says.

Metadata is a statement of the package's author, not a legal opinion; a package that states nothing has the licence
`unknown`, which a policy can forbid like any other. Whether a policy forbids a licence is not decided here
(`gates/licences.py`).
"""

import re
from typing import Any

from mlops_assets.gates.licences import UNKNOWN

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


def licence_of(metadata: Any) -> str:
    """The licence in a distribution's metadata: an SPDX expression where there is one, else the words found.

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
