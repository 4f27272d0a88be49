"""Advisories as databases really write them: affected, fixed, withdrawn, several names for one flaw, and broken files."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.evaluation.software.advisories import AdvisoryError, read_advisories
from mlops_assets.evaluation.software.cvss import base_score, level
from mlops_assets.evaluation.software.installed import Component
from mlops_assets.evaluation.software.report import software_report
from mlops_assets.gates.artifact import ArtifactRule
from mlops_assets.gates.registry import GATES

HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:H/I:N/A:N"


def record(name: str = "PYSEC-2099-1", package: str = "jinja2", events: Any = None, **changes: Any) -> dict[str, Any]:
    """One OSV record in the form of the PyPA advisory database."""
    bounds = events if events is not None else [{"introduced": "0"}, {"fixed": "3.1.3"}]
    part = {
        "package": {"ecosystem": "PyPI", "name": package, "purl": f"pkg:pypi/{package}"},
        "ranges": [
            {"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]},
            {"type": "ECOSYSTEM", "events": bounds},
        ],
        "versions": changes.pop("versions", []),
    }
    return {"id": name, "modified": "2099-01-20T08:00:00Z", "affected": [part], **changes}


def written(tmp_path: Path, content: Any, name: str = "osv.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def found(tmp_path: Path, content: Any, version: str = "3.1.2", package: str = "Jinja2") -> list[dict[str, Any]]:
    about = read_advisories(written(tmp_path, content)).about([Component(package, version), Component("other", "1")])
    return about["vulnerabilities"]


@pytest.mark.parametrize(
    ("events", "version", "affected", "why"),
    [
        ([{"introduced": "0"}, {"fixed": "3.1.3"}], "3.1.2", True, "before the fix"),
        ([{"introduced": "0"}, {"fixed": "3.1.3"}], "3.1.3", False, "the fix itself"),
        ([{"introduced": "0"}, {"fixed": "3.1.3"}], "3.1.3rc1", True, "a candidate of the fix comes before it"),
        ([{"introduced": "3.0"}, {"fixed": "3.1.3"}], "2.9", False, "before it was introduced"),
        ([{"introduced": "3.1.2"}], "3.1.2", True, "introduced by this version, and never fixed"),
        ([{"introduced": "0"}, {"last_affected": "3.1.2"}], "3.1.2", True, "the last one that is affected"),
        ([{"introduced": "0"}, {"last_affected": "3.1.2"}], "3.1.2.post1", False, "after the last one"),
        ([{"fixed": "3.1.3"}, {"introduced": "0"}], "3.1.2", True, "events in another order"),
        (
            [{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "3.0"}, {"fixed": "3.2"}],
            "2.0",
            False,
            "between two intervals",
        ),
        (
            [{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "3.0"}, {"fixed": "3.2"}],
            "3.1",
            True,
            "in the second interval",
        ),
        ([{"introduced": "0"}, {"fixed": "3.10"}], "3.9", True, "versions are compared, not texts"),
    ],
)
def test_ranges(tmp_path: Path, events: list[dict[str, str]], version: str, affected: bool, why: str) -> None:
    assert bool(found(tmp_path, record(events=events), version)) is affected, why


@pytest.mark.parametrize(
    ("content", "hits", "why"),
    [
        (record(withdrawn="2099-02-01T00:00:00Z"), 0, "withdrawn"),
        (record(package="jinja"), 0, "another package"),
        (record(events=[], versions=["3.1.2"]), 1, "listed by its version"),
        (record(events=[], versions=["3.1.2.0"]), 1, "listed by an equal version"),
        (record(events=[], versions=["3.1.1", "1.0-weird version"]), 0, "listed are others, one of them unreadable"),
        ({**record(), "affected": [{"package": {"ecosystem": "npm", "name": "jinja2"}}]}, 0, "another ecosystem"),
        ({**record(), "affected": []}, 0, "about no package"),
        ({"vulns": [record()]}, 1, "an answer of OSV's API"),
        ({"results": [{"packages": [{"package": {}, "vulnerabilities": [record()]}]}]}, 1, "osv-scanner"),
        ([record("GHSA-x", aliases=["CVE-1"]), record("PYSEC-1", aliases=["CVE-1"])], 1, "one flaw, two databases"),
        ([record("A", aliases=["B"]), record("C", aliases=["D"]), record("B", aliases=["C"])], 1, "joined by a third"),
        ([record("A"), record("B")], 2, "two flaws"),
        ([], 0, "an empty database"),
        ({"results": None}, 0, "osv-scanner, nothing found"),
    ],
)
def test_what_counts_as_one_vulnerability(tmp_path: Path, content: Any, hits: int, why: str) -> None:
    assert len(found(tmp_path, content)) == hits, why


def test_an_advisory_that_names_no_version_or_an_unreadable_one_counts_and_says_so(tmp_path: Path) -> None:
    nothing = found(tmp_path, {**record(), "affected": [{"package": {"ecosystem": "PyPI", "name": "Jinja2"}}]})
    assert nothing[0]["note"] == "the advisory names no versions"
    odd = found(tmp_path, record(events=[{"introduced": "0"}, {"fixed": "soon"}]))
    assert "cannot be compared" in odd[0]["note"]


@pytest.mark.parametrize(
    ("changes", "severity", "why"),
    [
        ({}, "unknown", "nobody rated it"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium", "GitHub's word"),
        ({"severity": [{"type": "CVSS_V3", "score": HIGH}]}, "high", "a vector"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, "unknown", "a vector that is not read"),
        (
            {"database_specific": {"severity": "LOW"}, "severity": [{"type": "CVSS_V3", "score": HIGH}]},
            "low",
            "the word of the database before the vector",
        ),
    ],
)
def test_severity(tmp_path: Path, changes: dict[str, Any], severity: str, why: str) -> None:
    assert found(tmp_path, record(**changes))[0]["severity"] == severity, why


def test_of_two_databases_the_gravest_known_severity_counts(tmp_path: Path) -> None:
    pair = [
        record("PYSEC-1", aliases=["CVE-1"]),
        record("GHSA-1", aliases=["CVE-1"], database_specific={"severity": "LOW"}),
        record("OTHER-1", aliases=["CVE-1"], severity=[{"type": "CVSS_V3", "score": HIGH}]),
    ]
    only = found(tmp_path, pair)
    assert [(v["severity"], v["id"], v["fixed"]) for v in only] == [("high", "GHSA-1", ["3.1.3"])]
    assert set(only[0]["aliases"]) == {"CVE-1", "PYSEC-1", "OTHER-1"}


@pytest.mark.parametrize(
    ("vector", "score", "word"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, "critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, "critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "medium"),
        ("CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.8, "low"),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9, "critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, "none"),
        (HIGH, 7.4, "high"),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N/E:P", 6.1, "medium"),
    ],
)
def test_base_scores_are_those_of_the_specifications_calculator(vector: str, score: float, word: str) -> None:
    assert base_score(vector) == score
    assert level(score) == word


@pytest.mark.parametrize(
    "vector", ["CVSS:2.0/AV:N", "CVSS:3.1/AV:N/AC:L", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"]
)
def test_a_vector_that_cannot_be_read_is_refused(vector: str) -> None:
    with pytest.raises(ValueError, match="found 'CVSS"):
        base_score(vector)


AUDIT = {
    "dependencies": [
        {
            "name": "jinja2",
            "version": "3.1.2",
            "vulns": [{"id": "PYSEC-9", "fix_versions": ["3.1.3"], "aliases": ["CVE-9"], "description": "…"}],
        },
        {"name": "other", "version": "1", "vulns": []},
        {"name": "private", "skip_reason": "not on the index"},
    ],
    "fixes": [],
}


def test_a_pip_audit_report_covers_what_it_looked_at(tmp_path: Path) -> None:
    packages = [
        Component("Jinja2", "3.1.2"),
        Component("other", "2"),
        Component("private", "1"),
        Component("new", "1"),
        Component("the-project", "0", local=True),
    ]
    for content in (AUDIT, [*AUDIT["dependencies"][:2], {**AUDIT["dependencies"][2], "vulns": []}]):
        about = read_advisories(written(tmp_path, content)).about(packages)
        assert [(v["id"], v["severity"], v["fixed"]) for v in about["vulnerabilities"]] == [
            ("PYSEC-9", "unknown", ["3.1.3"])
        ]
        assert about["unchecked"] == ["other 2", "private 1", "new 1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "found no JSON"),
        ("", "found no JSON"),
        ('"text"', "other than objects"),
        ("[1]", "other than objects"),
        ('{"id": "X"}', "record 1 has no modified"),
        ('[{"modified": "2099"}]', "record 1 has no id"),
        ('{"dependencies": {"name": 1}}', "expected a list of records"),
        ('{"vulns": [{"id": "X", "modified": "2099", "affected": {"a": 1}}]}', "no list where"),
        ('{"components": []}', "record 1 has no id, modified"),
    ],
)
def test_a_malformed_file_is_refused_by_name_and_never_passes(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(AdvisoryError, match=rf"osv\.json.*{message}"):
        read_advisories(path)
    report = software_report([Component("a", "1")], tmp_path / "no.lock", path)
    evidence = {"signature": "valid", "pickles": [], "foreign_types": [], "bytes": 1, "sbom": None, **report}
    decision = GATES["artifact"].result(evidence, ArtifactRule())
    assert decision.outcome == "not_measurable"
    assert message in decision.reason


def test_a_folder_and_a_zip_are_read_whole_and_kinds_are_not_mixed(tmp_path: Path) -> None:
    folder = tmp_path / "pypi"
    folder.mkdir()
    written(folder, record("A"), "A.json")
    written(folder, record("B", modified="2099-03-01T00:00:00Z"), "B.json")
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in folder.iterdir():
            zipped.write(path, path.name)
    for source in (folder, archive):
        read = read_advisories(source)
        assert (len(read.records), read.as_of, read.source) == (2, "2099-03-01T00:00:00Z", source.name)
        assert len(read.about([Component("jinja2", "1")])["vulnerabilities"]) == 2
    assert read_advisories(folder).digest == read_advisories(archive).digest
    written(folder, AUDIT, "C.json")
    with pytest.raises(AdvisoryError, match="together"):
        read_advisories(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdvisoryError, match=r"no \.json file"):
        read_advisories(tmp_path / "empty")
    with pytest.raises(AdvisoryError, match="cannot be read"):
        read_advisories(tmp_path / "nowhere.json")
