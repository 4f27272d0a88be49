from email.message import Message

import pytest

from mlops_assets.evaluation.software.installed import installed
from mlops_assets.evaluation.software.licences import licence_of
from mlops_assets.gates.licences import forbidden, is_expression

COPYLEFT = ("AGPL-*", "GPL-*")


@pytest.mark.parametrize(
    ("licence", "barred", "why"),
    [
        ("AGPL-3.0-only", True, "the id itself"),
        ("agpl-3.0-only", True, "case makes no difference"),
        ("LGPL-3.0-only", False, "another id that ends alike"),
        ("MIT OR GPL-2.0-only", False, "a choice that is allowed"),
        ("GPL-2.0-only OR AGPL-3.0-only", True, "no allowed choice"),
        ("MIT AND GPL-2.0-only", True, "both bind"),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", False, "AND with a choice inside"),
        ("MIT OR BSD-3-Clause AND GPL-2.0-only", False, "AND binds before OR"),
        ("(MIT OR BSD-3-Clause) AND GPL-2.0-only", True, "brackets bind first"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True, "an exception does not change what the pattern names"),
        ("GPL-3 with own words", True, "no expression, but words that the pattern fits"),
        ("own words about GPL-3", False, "no expression, and no pattern for its words"),
        ("GPL-2.0-only OR", True, "a torn expression is compared as a whole"),
    ],
)
def test_what_a_policy_forbids(licence: str, barred: bool, why: str) -> None:
    assert forbidden(licence, COPYLEFT) is barred, why


def test_words_and_absence_can_be_named_in_a_policy() -> None:
    assert forbidden("Proprietary, all rights reserved", ("proprietary*",))
    assert forbidden("unknown", ("unknown",))
    assert not forbidden("AGPL-3.0-only", ())
    assert forbidden("GPL-2.0-only WITH Classpath-exception-2.0", ("* with classpath*",))


@pytest.mark.parametrize(
    ("fields", "licence", "why"),
    [
        ([("License-Expression", "MIT AND 0BSD"), ("License", "MIT")], "MIT AND 0BSD", "the newest field decides"),
        ([("License", "Apache-2.0"), ("Classifier", "License :: OSI Approved :: MIT License")], "Apache-2.0", "an id"),
        ([("License", "Apache 2"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT", "a classifier"),
        (
            [
                ("Classifier", "License :: OSI Approved :: MIT License"),
                ("Classifier", "License :: OSI Approved :: Apache Software License"),
            ],
            "Apache-2.0 AND MIT",
            "two classifiers, read strictly",
        ),
        ([("License", "Apache License,\n Version 2.0")], "Apache License, Version 2.0", "words"),
        ([("License", "x" * 200)], "unknown", "a whole licence text is no name"),
        ([("License", "UNKNOWN"), ("Classifier", "License :: OSI Approved")], "unknown", "nothing is said"),
        (
            [("Classifier", "License :: Other/Proprietary License")],
            "Other/Proprietary License",
            "a name that SPDX lacks",
        ),
    ],
)
def test_what_metadata_says(fields: list[tuple[str, str]], licence: str, why: str) -> None:
    message = Message()
    for name, value in fields:
        message[name] = value
    assert licence_of(message) == licence, why


def test_nearly_every_package_here_states_a_licence_that_can_be_read() -> None:
    packages = installed()
    assert len(packages) > 100
    readable = [c for c in packages if is_expression(c.licence)]
    assert len(readable) / len(packages) > 0.9
    licences = {c.key: c.licence for c in packages}
    assert licences["numpy"].startswith("BSD-3-Clause")
    assert licences["dagster"] == "Apache-2.0"
