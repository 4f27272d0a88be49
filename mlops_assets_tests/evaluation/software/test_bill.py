import json
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mlops_assets.evaluation.software.bill import bill_of_materials
from mlops_assets.evaluation.software.installed import Component, installed
from mlops_assets.evaluation.software.lock import Pin
from mlops_assets.evaluation.software.report import components_of, software_report

SOME = (
    Component("B_b", "1.0+local", "MIT", "ab" * 32, requires=("a", "gone")),
    Component("a", "2", "own words", local=True),
    Component("c", "3", "unknown"),
)


def test_the_bill_of_this_environment_is_valid_and_the_same_twice() -> None:
    text = json.dumps(bill_of_materials(installed()))
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(text) is None
    assert text == json.dumps(bill_of_materials(reversed(installed())))
    assert {c.key for c in components_of(json.loads(text))} == {c.key for c in installed()}


def test_what_is_in_an_entry() -> None:
    pins = {"b-b": Pin("1.0+local", ("sha256:" + "cd" * 32,)), "c": Pin("3", ("sha256:1", "sha256:2"))}
    bill = bill_of_materials(SOME, pins)
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(json.dumps(bill)) is None
    by_name = {entry["name"]: entry for entry in bill["components"]}
    assert by_name["B_b"]["purl"] == "pkg:pypi/b-b@1.0%2Blocal"
    assert by_name["B_b"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert by_name["B_b"]["licenses"] == [{"expression": "MIT"}]
    assert by_name["a"]["licenses"] == [{"license": {"name": "own words"}}]
    assert "licenses" not in by_name["c"]
    assert "hashes" not in by_name["c"], "which of two files was installed is not known"
    edges = {edge["ref"]: edge.get("dependsOn") for edge in bill["dependencies"]}
    assert edges["pkg:pypi/b-b@1.0%2Blocal"] == ["pkg:pypi/a@2"]
    assert edges["environment"] == ["python", "pkg:pypi/b-b@1.0%2Blocal", "pkg:pypi/c@3"]


def test_a_digest_of_another_version_is_not_taken_over() -> None:
    bill = bill_of_materials(SOME, {"c": Pin("2", ("sha256:" + "cd" * 32,))})
    assert not any("hashes" in entry for entry in bill["components"])


def test_another_environment_has_another_serial_number() -> None:
    assert bill_of_materials(SOME)["serialNumber"] == bill_of_materials(SOME)["serialNumber"]
    assert bill_of_materials(SOME)["serialNumber"] != bill_of_materials(SOME[:2])["serialNumber"]


def test_packages_come_back_from_a_bill_as_the_gate_needs_them() -> None:
    found = components_of(bill_of_materials(SOME))
    assert [(c.name, c.version, c.licence, c.local) for c in found] == [
        ("a", "2", "own words", True),
        ("B_b", "1.0+local", "MIT", False),
        ("c", "3", "unknown", False),
    ]


def test_a_report_says_what_is_not_there_and_what_cannot_be_read(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    found = software_report(SOME, lock, None)
    assert found == {"licences": {"MIT": ["B_b"], "unknown": ["c"]}, "lock": None, "advisories": None}
    lock.write_text("c>=1")
    broken = software_report(SOME, lock, tmp_path / "gone.json")
    assert "c has no exact version" in broken["lock"]["error"]
    assert "gone.json" in broken["advisories"]["error"]
    lock.write_text("c==4\nb-b==1.0+local")
    assert software_report(SOME, lock, None)["lock"] == {
        "source": "requirements.lock",
        "different": ["c 3 (pinned 4)"],
        "unpinned": [],
        "pinned": 1,
    }
