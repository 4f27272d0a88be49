"""`mlops discover` on a project of its own: what it prints, keeps, writes and signs."""

import pickle
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets import clock
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.platform import Platform
from mlops_assets.project import read_declaration
from mlops_assets_tests.commands.conftest import Answer, Call, call_in
from mlops_assets_tests.integration.small_project import SNAPSHOT, write_project

FIELDS = {"id", "name", "form", "where", "modified", "size", "why", "confidence", "standing", "governed_by"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one declared model, a pickle and a script."""
    for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    write_project(tmp_path, SNAPSHOT, rows=10)
    work = tmp_path / "work"
    work.mkdir()
    (work / "scores.sas").write_text("proc logistic; run;")
    (work / "scorer.lgb").write_text("tree\nversion=v4\nobjective=regression\nfeature_names=age income\n\n")
    return tmp_path


@pytest.fixture
def mlops(root: Path) -> Call:
    return lambda *arguments: call_in(root, *arguments)


def registry(path: Path, *models: str) -> str:
    """A database with the tables of an MLflow registry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE registered_models (name TEXT, last_updated_time INTEGER, description TEXT);"
            "CREATE TABLE model_versions (name TEXT, version INTEGER, last_updated_time INTEGER, source TEXT, run_id TEXT);"
        )
        for name in models:
            connection.execute(
                "INSERT INTO registered_models VALUES (?, 1700000000000, 'What it predicts, in words')", (name,)
            )
            connection.execute("INSERT INTO model_versions VALUES (?, 3, 1700000000000, 's3://x', 'r')", (name,))
    return f"sqlite:///{path}"


def key_of(root: Path, person: str, role: str) -> Path:
    """The key file of somebody who is enrolled now."""
    defs = next(root.glob("*/defs"))
    platform, key, head = Platform.load(defs), SigningKey.generate(), SigningKey.generate()
    if not platform.ledger.people().periods:
        enrol(platform.ledger, head, "root", head.public, ["root"])
        head.save(root / "root.pem")
    enrol(platform.ledger, SigningKey.load(root / "root.pem"), person, key.public, [role])
    key.save(root / f"{person}.pem")
    return root / f"{person}.pem"


def refused(answer: Answer, message: str, code: int = 2) -> None:
    assert (answer.code, message in answer.err) == (code, True), answer


def test_a_search_lists_and_keeps_what_is_not_governed(mlops: Call, root: Path) -> None:
    assert "No data: no source was searched" in mlops("inventory").out
    answer = mlops("discover", root / "work", "--json")
    assert (answer.code, [set(row) for row in answer.json]) == (1, [FIELDS, FIELDS])
    again = mlops("discover", root / "work")
    assert "2 found: nothing new." in again.out
    assert "0 of 2 known models are governed (0%); 0 ignored with a signed reason, 2 open." in again.out
    listed = mlops("discover", "list", "--json")
    assert [row["place"] for row in listed.json] == ["work/scorer.lgb", "work/scores.sas"]
    assert listed.code == 1
    found = mlops("inventory", "--json").json
    assert {row["model"] for row in found["models"]} == {SNAPSHOT}
    assert found["coverage"].items() >= {"known": 2, "governed": 0, "ignored": 0, "open": 2, "share": 0.0}.items()
    assert mlops("inventory", "--at", "2020-01-01", "--json").json["coverage"] is None
    assert "2 known models are not governed" in mlops("status").out


def test_starters_say_what_the_file_shows_and_leave_alone_what_somebody_wrote(mlops: Call, root: Path) -> None:
    folder = root / "starters"
    answer = mlops("discover", root / "work", "--scaffold", folder, "--json")
    starters = {row["name"]: Path(row["starter"]) for row in answer.json}
    assert set(starters) == {"scorer", "scores"}
    declaration = read_declaration(starters["scorer"])
    assert (declaration.task, list(declaration.features)) == ("regression", ["age", "income"])
    assert declaration.imported is not None
    assert (declaration.imported.artifact, len(declaration.imported.sha256)) == ("work/scorer.lgb", 64)
    starters["scorer"].write_text("mine")
    assert mlops("discover", root / "work", "--scaffold", folder).code == 1
    assert starters["scorer"].read_text() == "mine"


def test_a_starter_says_what_an_inventory_says(mlops: Call, root: Path) -> None:
    path = root / "models.csv"
    path.write_text(
        "Model;Owner;Risk tier;Purpose;Vendor\nAML alerts;Financial Crime;High (1);Payments to look at: # odd ones;ACME\n"
    )
    (row,) = mlops("discover", path, "--scaffold", root / "starters", "--json").json
    declaration = read_declaration(Path(row["starter"]))
    assert (declaration.owner, declaration.tier, declaration.name) == ("team:financial-crime", "high", "aml_alerts")
    assert declaration.purpose == "Payments to look at: # odd ones"
    assert "# It says: supplier ACME." in Path(row["starter"]).read_text(encoding="utf-8")


def test_registered_models_become_declared_ones_and_are_governed(mlops: Call, root: Path, tmp_path: Path) -> None:
    address = registry(tmp_path / "theirs" / "mlflow.db", "Churn (EU)", SNAPSHOT)
    before = (tmp_path / "theirs" / "mlflow.db").read_bytes()
    answer = mlops("discover", address, "--declare", "--json")
    assert (answer.code, {row["standing"] for row in answer.json}) == (0, {"governed"})
    declaration = read_declaration(Path(answer.json[0]["starter"]))
    assert (declaration.name, declaration.purpose) == ("churn_eu", "What it predicts, in words")
    assert declaration.external is not None
    assert declaration.external.version == "3"
    assert declaration.external.registry is not None
    assert declaration.external.registry.name == "Churn (EU)"
    assert {row["governed_by"] for row in answer.json} == {"churn_eu", f"{SNAPSHOT}_2"}, "the name was taken"
    assert (tmp_path / "theirs" / "mlflow.db").read_bytes() == before
    assert mlops("check").code == 0
    assert mlops("discover", address).code == 0
    own = registry(root / ".mlops" / "mlflow" / "mlflow.db", SNAPSHOT)
    assert mlops("discover", own).code == 0, "a declared model in the project's own registry"


def test_a_signature_ignores_or_assigns_what_was_found(mlops: Call, root: Path) -> None:
    mlops("discover", root / "work")
    first, second = (row["id"] for row in mlops("discover", "list", "--json").json)
    risk, developer = key_of(root, "risk", "model-risk"), key_of(root, "dev", "developer")
    day = f"{clock.now() + timedelta(days=30):%Y-%m-%d}"
    signed = ("--reason", "an experiment", "--key")
    refused(mlops("discover", "ignore", first, "--until", day, *signed, developer), "needs model-risk", 1)
    refused(mlops("discover", "ignore", first, "--until", "2020-01-01", *signed, risk), "not after now")
    refused(mlops("discover", "ignore", "D-0", "--until", day, *signed, risk), "`mlops discover list` shows")
    refused(mlops("discover", "assign", first, "nosuch", *signed, risk), "nosuch: no such model")
    assert mlops("discover", "ignore", first, "--until", day, *signed, risk).code == 0
    assert mlops("discover", "assign", second, SNAPSHOT, *signed, risk).code == 0
    answer = mlops("discover", "list")
    assert answer.code == 0
    assert "1 of 2 known models are governed (50%); 1 ignored" in answer.out
    assert "risk (model-risk): an experiment" in " ".join(answer.out.split())
    assert {row["standing"] for row in mlops("discover", "list", "--all", "--json").json} == {"ignored", "governed"}


def test_declared_sources_are_searched_and_one_that_fails_stops_no_other(mlops: Call, root: Path) -> None:
    refused(mlops("discover"), "found no SOURCE, and none is declared in")
    file = next(root.glob("*/defs")).parent / "config" / "discovery.yaml"
    file.write_text("every: minute\nsources: [{folder: work, mlflow: x}]")
    wrong = mlops("check")
    assert wrong.code == 1
    assert "discovery.yaml:1: every" in wrong.err
    assert "discovery.yaml:2: sources.0: found folder and mlflow, expected one of" in wrong.err
    file.write_text("sources: [{folder: nowhere}, {folder: work, leave_out: [old]}]")
    assert mlops("check").code == 0
    answer = mlops("discover", "--json")
    assert answer.code == 1
    assert "nowhere: no such folder" in answer.err
    assert len(answer.json) == 2


def test_outside_of_a_project_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps([1]))
    answer = call_in(tmp_path, "discover", tmp_path)
    assert answer.code == 1
    assert "Nothing was kept" in answer.out
    assert [path.name for path in tmp_path.iterdir()] == ["m.pkl"]
    refused(call_in(tmp_path, "discover", tmp_path, "--declare"), "found no project here")


def test_a_policy_that_cannot_be_read_hides_no_figure(mlops: Call, root: Path) -> None:
    mlops("discover", root / "work")
    (next(root.glob("*/defs")).parent / "config" / "policy" / "high.yaml").write_text("tier: high\nteir: low\n")
    assert "0 of 2 known models are governed" in mlops("inventory").out
    assert "2 known models are not governed" in mlops("status").out
    refused(mlops("discover", "assign", "D-0", SNAPSHOT, "--reason", "x", "--key", "none.pem"), "cannot be read")
