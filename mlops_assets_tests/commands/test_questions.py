"""Commands that only read: the table, the shape of the JSON, and the exit code of each."""

import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets_tests.commands.conftest import Call, Own, call_in, refused
from mlops_assets_tests.integration.small_project import FAULTY_COLUMN, FAULTY_WINDOW, MODELS, NUMBER, SNAPSHOT, TIMED

pytestmark = pytest.mark.integration
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def prediction(lived) -> str:
    """Id of one prediction."""
    table = f"{TIMED}/predictions"
    return lived.platform.lake.read(table, window=lived.platform.lake.windows(table)[0])["prediction_id"][0]


@pytest.fixture(scope="module")
def packet(lived, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("packet") / "audit.zip"
    answer = call_in(lived.platform.project.root, "packet", TIMED, 1, "-o", path)
    assert answer.code == 0, answer.err
    return path


LISTS = [
    (
        ("status",),
        {"model", "tier", "owner", "champion", "window", "severity", "kind", "open_incidents", "exceptions"}
        | {"evidence_missing", "error", "lifecycle", "open_findings", "unjudged_windows", "needs_attention"},
    ),
    (
        ("asof", TODAY),
        {"model", "champion", "since", "lifecycle", "policy_digest", "decisions", "approvers", "open_incidents"},
    ),
    (("incident", "list"), {"id", "model", "kind", "severity", "state", "window", "columns", "summary", "opened_at"}),
    (("incident", "list", TIMED, "--all"), {"id", "disposition"}),
    (("people", "list"), {"person", "roles", "models", "key_id", "valid_from", "valid_until", "state"}),
    (("validation", "list", TIMED), {"version", "outcome", "summary", "conditions", "person", "valid_until"}),
    (("requirements",), {"model", "profile", "clause", "evidence", "verdict", "lacking"}),
]


@pytest.mark.parametrize(
    ("arguments", "fields"), LISTS, ids=lambda v: " ".join(map(str, v)) if type(v) is tuple else ""
)
def test_a_list_is_a_list_of_objects_with_these_fields(mlops: Call, arguments: tuple, fields: set[str]) -> None:
    answer = mlops(*arguments, "--json")
    assert answer.err == ""
    assert answer.code in (0, 1)
    assert answer.json, "the project has lived: there is something to list"
    for row in answer.json:
        assert fields <= set(row)


@pytest.mark.parametrize("arguments", [a for a, _ in LISTS], ids=lambda v: " ".join(map(str, v)))
def test_a_list_is_a_table_for_people_with_the_same_exit_code(mlops: Call, arguments: tuple) -> None:
    shown, data = mlops(*arguments), mlops(*arguments, "--json")
    assert shown.code == data.code
    with pytest.raises(json.JSONDecodeError):
        json.loads(shown.out)
    first = data.json[0]
    name = first.get("model") or first.get("person") or str(first["version"])
    assert name in shown.out


@pytest.mark.parametrize("what", ["finding", "exception"])
def test_a_list_of_nothing_is_an_empty_list(mlops: Call, what: str) -> None:
    answer = mlops(what, "list", "--json")
    assert (answer.code, answer.json) == (0, [])
    assert mlops(what, "list").code == 0


def test_status_of_one_model_is_one_object(mlops: Call) -> None:
    answer = mlops("status", TIMED, "--json")
    assert (answer.code, answer.json["model"], answer.json["tier"]) == (0, TIMED, "medium")
    assert answer.json["open_incidents"], "the changed relation of the last windows is an incident"
    snapshot = mlops("status", SNAPSHOT, "--json").json
    assert snapshot["window"] is None, "a table without time has no windows"


def test_the_fleet_as_it_stood_is_asked_by_the_day(mlops: Call) -> None:
    known = {row["model"]: row for row in mlops("asof", TODAY, "--json").json}
    assert set(known) >= set(MODELS)
    assert known[TIMED]["champion"] in ("1", "2", "3")
    assert {a["role"] for a in known[TIMED]["approvers"]} == {"validator", "model-risk"}
    one = mlops("asof", TODAY, NUMBER)
    assert one.code == 0
    assert TIMED not in one.out


def test_before_anything_was_recorded_there_is_nothing_and_that_is_an_answer(mlops: Call) -> None:
    answer = mlops("asof", "1999-01-01")
    assert answer.code == 1
    assert "No model had any record by then" in answer.out


def test_a_day_to_come_is_refused(mlops: Call) -> None:
    refused(mlops("asof", TODAY + timedelta(days=2)), 2, "is in the future")


def test_the_incident_names_window_and_column_of_the_broken_feed(mlops: Call) -> None:
    faults = [i for i in mlops("incident", "list", TIMED, "--all", "--json").json if i["kind"] == "data_quality"]
    assert (FAULTY_WINDOW, [FAULTY_COLUMN]) in [(i["window"], i["columns"]) for i in faults]


def test_a_prediction_is_traced_to_what_it_rests_on(mlops: Call, prediction: str) -> None:
    found = mlops("trace", prediction, "--json").json
    assert (found["model"], found["version"], found["decided"]) == (TIMED, "1", True)
    assert {"gates", "approvals", "health"} <= set(found)
    assert {gate["gate"] for gate in found["gates"]} >= {"leakage", "performance", "artifact"}
    assert found["health"]["severity"]
    shown = mlops("trace", prediction)
    assert shown.code == 0
    assert prediction in shown.out


def test_a_prediction_is_scored_again(mlops: Call, prediction: str) -> None:
    answer = mlops("replay", prediction)
    assert answer.code == 0
    assert "equal        True" in answer.out


def test_a_prediction_that_is_not_there_is_not_found(mlops: Call, prediction: str) -> None:
    model, window, version, _ = prediction.split(":")
    refused(mlops("trace", f"{model}:{window}:{version}:{'0' * 32}"), 1, "has no such prediction")


def test_the_policy_in_force_is_shown_with_its_digest(mlops: Call, lived) -> None:
    assert mlops("policy", "show", TIMED, "--json").json["digest"] == lived.platform.policy(TIMED).digest


def test_the_same_policy_would_have_decided_the_same(mlops: Call, lived) -> None:
    folder = lived.platform.project.config / "policy"
    answer = mlops("policy", "diff", folder, "--json")
    assert (answer.code, answer.json) == (0, [])


def test_a_policy_under_which_a_version_would_be_blocked_is_exit_code_one(mlops: Call, lived, tmp_path: Path) -> None:
    for path in (lived.platform.project.config / "policy").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(
            re.sub(r"(?m)^    min_rows: \d+", "    min_rows: 1000000", text), encoding="utf-8"
        )
    answer = mlops("policy", "diff", tmp_path, "--json")
    assert answer.code == 1
    assert ("volume", "blocks") in {(row.get("gate"), row["effect"]) for row in answer.json}


@pytest.mark.parametrize(
    ("when", "code", "message"),
    [
        (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M"), 0, ""),
        ("1999-01-01T12:00:00Z", 1, ""),
        ("2999-01-01T00:00", 2, "is in the future"),
        ("noon", 2, "expected a day such as"),
    ],
    ids=["a minute", "before anything", "the future", "no time"],
)
def test_the_fleet_is_shown_at_a_time_of_day(mlops: Call, when: str, code: int, message: str) -> None:
    answer = mlops("asof", when)
    assert (answer.code, message in answer.err) == (code, True)


def test_requirements_of_one_profile_and_model(mlops: Call) -> None:
    every = mlops("requirements", "--json")
    profile = every.json[0]["profile"]
    one = mlops("requirements", profile, TIMED, "--json")
    assert {(row["profile"], row["model"]) for row in one.json} == {(profile, TIMED)}
    assert {row["verdict"] for row in every.json} <= {"present", "missing", "stale", "not_applicable"}
    for answer in (every, one):
        well = all(row["answered"] for row in answer.json)
        assert answer.code == (0 if well else 1)


def test_a_packet_is_intact_and_says_how_it_is_checked(mlops: Call, packet: Path) -> None:
    answer = mlops("verify", packet, "--json")
    assert (answer.code, answer.json["ok"]) == (0, True)
    assert answer.json["root_compared_with"] == "that of this project's ledger"
    assert mlops("verify", packet).out.startswith(f"{packet}: intact")


def test_a_packet_of_another_bank_is_not_taken_for_one_of_this_project(mlops: Call, tmp_path: Path) -> None:
    foreign = Path(__file__).parents[1] / "golden" / "packet.zip"
    answer = mlops("verify", foreign)
    assert answer.code == 1
    assert "root" in answer.out
    # Outside any project there is nothing to compare with, and the answer says so.
    alone = call_in(tmp_path, "verify", foreign)
    assert (alone.code, "was compared with none" in alone.out) == (0, True)


def test_a_packet_checks_with_python_alone(packet: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packet) as archive:
        archive.extract("verify.py", tmp_path)
    command = [sys.executable, "-I", str(tmp_path / "verify.py"), str(packet)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=600).returncode == 0


def test_a_changed_packet_is_named(mlops: Call, packet: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(packet) as before, zipfile.ZipFile(changed, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            after.writestr(info.filename, content + b" " if info.filename == "declaration.json" else content)
    answer = mlops("verify", changed)
    assert answer.code == 1
    assert "declaration.json" in answer.out


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"], ids=["empty", "text", "cut"])
def test_a_packet_that_cannot_be_read_is_an_error(mlops: Call, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audit.zip"
    path.write_bytes(content)
    refused(mlops("verify", path), 2, str(path))


def test_the_live_system_is_intact(mlops: Call) -> None:
    answer = mlops("verify", "--json")
    assert (answer.code, answer.json) == (0, [])
    assert "are intact" in mlops("verify").out


def test_an_empty_ledger_is_not_called_intact(mlops, monkeypatch, tmp_path):
    """As when `MLOPS_HOME` names another folder than the one that is meant."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    answer = mlops("verify", "--json")
    assert answer.code == 1
    assert [p["where"] for p in answer.json] == ["ledger"]
    assert "nothing was ever recorded" in answer.json[0]["what"]


def test_verify_names_the_ledger_and_its_last_record(mlops):
    assert "ledger.db; digest of the last one: " in mlops("verify").out


def test_tampering_is_named_and_the_exit_code_says_so(own: Own) -> None:
    rows = sorted((own.root / ".mlops" / "lake" / SNAPSHOT / "training_data").glob("*.parquet"))[0]
    kept = rows.read_bytes()
    frame = pl.read_parquet(rows)
    frame.with_columns(pl.col("weight") + 1).write_parquet(rows)
    answer, shown = own("verify", "--json"), own("verify")
    rows.write_bytes(kept)
    assert (answer.code, shown.code) == (1, 1)
    assert answer.json[0]["where"] == "lake"
    assert f"{SNAPSHOT}/training_data" in answer.json[0]["what"]
    assert f"{SNAPSHOT}/training_data" in shown.out


def test_lineage_is_written_a_line_an_event(mlops: Call, tmp_path: Path) -> None:
    path = tmp_path / "lineage.ndjson"
    answer = mlops("lineage", TIMED, "--version", 1, "--format", "openlineage", "-o", path)
    assert answer.code == 0, answer.err
    written = path.read_text(encoding="utf-8")
    assert {json.loads(line)["job"]["name"] for line in written.splitlines()} >= {
        f"{TIMED}.{stage}" for stage in ("training_data", "challenger", "champion", "predictions", "health")
    }
    assert mlops("lineage", TIMED, "--version", 1).out == written
    refused(mlops("lineage", TIMED, "--version", 99), 1, "found no training")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("lineage", "nosuch"), 2, "nosuch: no such model"),
        (("status", "nosuch"), 2, "nosuch: no such model"),
        (("asof", "yesterday"), 2, "yesterday"),
        (("asof", "2020-01-01", "nosuch"), 2, "nosuch: no such model"),
        (("nosuch",), 2, "No such command"),
        (("status", "--nosuch"), 2, "No such option"),
        (("incident", "list", "nosuch"), 2, "nosuch: no such model"),
        (("finding", "list", "nosuch"), 2, "nosuch: no such model"),
        (("validation", "list", "nosuch"), 2, "nosuch: no such model"),
        (("exception", "list", "nosuch"), 2, "nosuch: no such model"),
        (("trace", "no-id"), 2, "expected a prediction id"),
        (("replay", "no-id"), 2, "expected a prediction id"),
        (("replay", TIMED, "99"), 2, "99"),
        (("packet", TIMED, "99", "-o", "/tmp/never-written.zip"), 2, "99"),
        (("packet", TIMED, "1"), 2, "Missing option"),
        (("verify", "/nowhere.zip"), 2, "does not exist"),
        (("policy", "show", "nosuch"), 2, "nosuch: no such model"),
        (("policy", "diff", "/nowhere"), 2, "does not exist"),
        (("requirements", "nosuch"), 2, "no such requirement profile"),
        (("discover", "/nowhere"), 2, "no such folder"),
        (("discover", "sqlite:////nowhere.db"), 2, "file not found"),
        (("calibrate", "nosuch"), 2, "nosuch"),
        (("keys", "new"), 2, "Missing argument"),
    ],
    ids=lambda v: " ".join(v) if type(v) is tuple else "",
)
def test_a_wrong_call_is_one_line_and_exit_code_two(mlops: Call, arguments: tuple, code: int, message: str) -> None:
    refused(mlops(*arguments), code, message)


def test_outside_of_a_project_there_is_nothing_to_ask_about(tmp_path: Path) -> None:
    refused(call_in(tmp_path, "status"), 2, "no pyproject.toml with [tool.dg.project]")


def test_proof_counts_what_the_project_has_lived_through(mlops: Call, tmp_path: Path) -> None:
    answer = mlops("proof", "--json")
    figures = {metric["name"]: metric for metric in answer.json["metrics"]}
    assert figures["lineage_complete"]["share"] == 1, figures["lineage_complete"]["cases"]
    assert figures["windows_in_time"]["of"] > 0
    assert answer.code == int(any(case["met"] is False for metric in figures.values() for case in metric["cases"]))
    page = tmp_path / "proof.html"
    said = mlops("proof", "--since", TODAY, "--html", page)
    assert (said.err, f"From {TODAY} to {TODAY}" in said.out) == ("", True)
    assert "Proof metrics" in page.read_text(encoding="utf-8")
    refused(mlops("proof", "--since", TODAY + timedelta(days=1)), 2, "expected a day that is not after today")
