"""What of a search is kept: what is new, changed and gone, who governs it, who ignores it, and how much is covered."""

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.discovery.governed import Declared
from mlops_assets.discovery.recording import Kept, record_search
from mlops_assets.discovery.registries import Registered
from mlops_assets.discovery.search import Discovery, Found, discover
from mlops_assets.discovery.signs import Signs
from mlops_assets.evidence.attention import fleet_attention
from mlops_assets.evidence.coverage import Coverage, coverage
from mlops_assets.governance.discoveries import sign_assigned, sign_ignored
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.policy import ExceptionRule
from mlops_assets.project import DeclaredModel
from mlops_assets_tests.governance.world import World

RULE = ExceptionRule(roles=("model-risk",), max_days=90)
SERVER = "https://mlflow.bank.example"
CHURN = {
    "name": "churn", "purpose": "Whether a customer leaves.", "owner": "team:crm", "developers": ["ada"], "tier": "low",
    "task": "binary", "source": {"path": "data/churn.csv"}, "id": "id", "target": "left", "features": {"age": "numeric"},
}  # fmt: skip
EXTERNAL = {
    "origin": "external",
    "external": {
        "score": "score", "version": "1", "supplier": "CRM", "registry": {"tracking_uri": SERVER, "name": "churn"},
    },
}  # fmt: skip


def declared(root: Path, **changes: object) -> Declared:
    """A project with one model."""
    declaration = Declaration.model_validate(CHURN | changes)
    path = root / "defs" / "models" / "churn" / "defs.yaml"
    return Declared(root, "sqlite:///own.db", [DeclaredModel("churn", path, declaration)])


def nothing(root: Path) -> Declared:
    return Declared(root, "", [])


def covered(world: World, days: float = 0) -> Coverage:
    at = world.clock.now + timedelta(days=days)
    found = coverage(world.ledger.state().fleet, at, RULE)
    assert found is not None
    return found


def counts(found: Coverage) -> tuple[int, int, int]:
    return found.governed, found.ignored, found.open


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's root with a notebook, a script and a model file."""
    root = tmp_path / "bank"
    (root / "work").mkdir(parents=True)
    (root / "work" / "churn.py").write_text("import sklearn\nm.fit(x)")
    (root / "work" / "old.sas").write_text("proc logistic; run;")
    (root / "work" / "m.lgb").write_text("tree\nversion=v4\nobjective=binary\n\n")
    return root


def look(world: World, root: Path, of: Declared | None = None, where: str = "work") -> Kept:
    return record_search(world.ledger, of or nothing(root), discover(str(root / where), root=root))


def test_what_was_seen_before_is_not_recorded_again(world: World, folder: Path) -> None:
    assert coverage(world.ledger.state().fleet, world.clock.now) is None, "no data where nothing was searched"
    first = look(world, folder)
    assert (len(first.new), first.changed, first.gone) == (3, (), ())
    last = world.ledger.last()
    again = look(world, folder, where=".")
    assert (again.new, again.changed, again.gone) == ((), (), ()), "the same places, from another folder"
    assert last is not None
    assert [record.kind for record in world.ledger.records(after=last.seq)] == ["source_searched"]
    assert covered(world).text == "0 of 3 known models are governed (0%); 0 ignored with a signed reason, 3 open."


def test_changes_are_recorded_and_what_is_gone_may_come_back(world: World, folder: Path) -> None:
    look(world, folder)
    path = folder / "work" / "old.sas"
    text = path.read_text()
    path.write_text("proc reg; run;")
    assert len(look(world, folder).changed) == 1
    path.unlink()
    before = world.clock.now
    world.clock.pass_days(1)
    assert len(look(world, folder).gone) == 1
    assert covered(world).known == 2
    earlier = coverage(world.ledger.state(happened_until=before).fleet, before, RULE)
    assert earlier is not None
    assert earlier.known == 3, "as it was known then"
    path.write_text(text)
    assert len(look(world, folder).new) == 1
    assert covered(world).known == 3


def test_names_that_no_text_should_have_are_kept_by_their_codes(world: World, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in (b"\xff.py", "b\u202ec.py".encode(), b"d\x1b[2J.py", b"e\nf.py", b"g#h.py"):
        path = Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"/" + name))
        path.write_text("import openai\nc.responses.create(model='\\ud800')", encoding="utf-8")
    assert len(look(world, tmp_path, where="a").new) == 5
    assert look(world, tmp_path, where="a").changed == ()
    assert [row.place for row in covered(world).rows] == [
        "a/\\udcff.py#llm", "a/b\\u202ec.py#llm", "a/d\\u001b[2J.py#llm", "a/e\nf.py#llm", "a/g#h.py#llm",
    ]  # fmt: skip
    assert {row.why.rpartition(" ")[2] for row in covered(world).rows} == {"\\ud800"}
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").mkdir()
    assert len(look(world, tmp_path, where="a").gone) == 5


def test_only_what_a_search_would_have_seen_is_gone(world: World, folder: Path) -> None:
    look(world, folder)
    kept = world.ledger.state().fleet.discovered
    (folder / "empty").mkdir()
    assert look(world, folder, where="empty").gone == ()
    skipped = discover(str(folder), root=folder, leave_out=[folder / "work"])
    unread = Discovery(".", (), {"work": "Permission denied"})
    registered = Discovery(SERVER, ())
    for search in (skipped, unread, registered):
        assert record_search(world.ledger, nothing(folder), search).gone == ()
    assert world.ledger.state().fleet.discovered == kept
    assert len(record_search(world.ledger, nothing(folder), Discovery(".", ())).gone) == 3


def test_what_a_declaration_names_is_governed_and_says_how(world: World, folder: Path) -> None:
    imported = {"origin": "imported", "imported": {"artifact": "work/m.lgb", "supplier": "CRM"}}
    kept = look(world, folder, declared(folder, **imported))
    rows = {row.place: row for row in covered(world).rows}
    assert (rows["work/m.lgb"].governed_by, rows["work/m.lgb"].how) == ("churn", "the declaration imports this file")
    own = {"candidates": ["linear", "work.churn:make"]}
    assert len(look(world, folder, declared(folder, **own)).changed) == 2
    rows = {row.place: row for row in covered(world).rows}
    assert rows["work/churn.py"].how == "the declaration names its code"
    assert rows["work/m.lgb"].standing == "open", "no declaration names it any more"
    digest = next(one.digest for one in kept.search.found if one.place == "work/m.lgb")
    copy = {"origin": "imported", "imported": {"artifact": "elsewhere.lgb", "supplier": "CRM", "sha256": digest}}
    look(world, folder, declared(folder, **copy))
    assert {row.how for row in covered(world).rows} == {"", "the declaration imports a file of this digest"}


def test_an_inventory_entry_and_code_beside_the_declaration(world: World, folder: Path) -> None:
    beside = folder / "defs" / "models" / "churn"
    beside.mkdir(parents=True)
    (beside / "features.py").write_text("import sklearn\nm.fit(x)")
    (folder / "models.csv").write_text("model\nChurn\nOther\n")
    look(world, folder, declared(folder), "models.csv")
    look(world, folder, declared(folder), "defs")
    said = {row.place: row.how for row in covered(world).rows}
    assert said == {
        "models.csv#Other": "",
        "models.csv#Churn": "the inventory lists it under the model's name",
        "defs/models/churn/features.py": "it is in the folder of the model's declaration",
    }


def test_ignored_until_a_day_or_until_it_is_another_model(world: World, folder: Path) -> None:
    look(world, folder)
    ids = {row.place: row.id for row in covered(world).rows}
    until = world.clock.now + timedelta(days=20)
    for place in ("work/churn.py", "work/m.lgb"):
        sign_ignored(world.ledger, world.keys["risk"], RULE, ids[place], "an experiment", until)
    assert counts(covered(world)) == (0, 2, 1)
    found = covered(world)
    assert {row.how for row in found.rows if row.standing == "ignored"} == {"risk (model-risk): an experiment"}
    titles = [item.title for item in fleet_attention(world.ledger.state(), found, world.clock.now)]
    assert titles[0] == "1 known model is not governed"
    assert len(titles) == 3, "both signatures end soon"
    (folder / "work" / "churn.py").write_text("import sklearn\n\nm.fit(other)")
    (folder / "work" / "m.lgb").write_text("tree\nversion=v4\nobjective=regression\n\n")
    assert len(look(world, folder).changed) == 2
    assert counts(covered(world)) == (0, 1, 2), "code may be edited, another model file is another model"
    assert counts(covered(world, days=21)) == (0, 0, 3)
    row = next(row for row in covered(world, days=21).rows if row.place == "work/churn.py")
    assert row.how == f"ignored until {until:%Y-%m-%d}, which is over"


def test_who_may_ignore_and_for_how_long_is_what_policy_says_of_exceptions(world: World, folder: Path) -> None:
    look(world, folder)
    identity = covered(world).rows[0].id
    soon, risk = world.clock.now + timedelta(days=9), world.keys["risk"]
    for key, rule, about, reason, until, error in (
        ("validator", RULE, identity, "x", soon, "needs model-risk"),
        ("stranger", RULE, identity, "x", soon, "is not enrolled"),
        ("risk", RULE, "D-0", "x", soon, "found nothing with the id 'D-0'"),
        ("risk", RULE, identity, " ", soon, "needs a reason"),
        ("risk", RULE, identity, "x", world.clock.now, "not after now"),
        ("risk", RULE, identity, "x", world.clock.now + timedelta(days=91), "at most 90 days"),
        ("risk", RULE.model_copy(update={"roles": ()}), identity, "x", soon, "names no roles"),
    ):
        with pytest.raises((ValueError, NotAllowed), match=error):
            sign_ignored(world.ledger, world.keys[key], rule, about, reason, until)
    sign_ignored(world.ledger, risk, RULE, identity, "x", soon)
    assert counts(covered(world)) == (0, 1, 2)
    stricter = ExceptionRule(roles=("model-risk",), max_days=5)
    for rule, why in ((stricter, "longer than the 5 days"), (ExceptionRule(roles=("head",)), "may not sign it")):
        found = coverage(world.ledger.state().fleet, world.clock.now, rule)
        assert found is not None
        assert counts(found) == (0, 0, 3)
        assert why in next(row.how for row in found.rows if row.id == identity)


def test_an_assigned_model_governs_as_long_as_it_is_declared(world: World, folder: Path) -> None:
    look(world, folder, declared(folder))
    identity = next(row.id for row in covered(world).rows if row.place == "work/churn.py")
    sign_assigned(world.ledger, world.keys["risk"], RULE, identity, "churn", "developed there")
    assert counts(covered(world)) == (1, 0, 2)
    assert look(world, folder, declared(folder)).changed == (), "the same, as the signature says"
    (folder / "work" / "churn.py").write_text("import sklearn\nm.fit(x)\nm.predict(x)")
    look(world, folder, declared(folder))
    assert counts(covered(world)) == (1, 0, 2), "its development goes on"
    look(world, folder)
    assert counts(covered(world)) == (0, 0, 3), "nobody declares the model any more"


def registered(*versions: str, **aliases: str) -> Discovery:
    """A search of the server."""
    model = Registered("churn", versions, None, aliases, contents={number: number for number in versions})
    found = Found(
        "churn", "registered model", "churn", f"{SERVER}#churn", None, None, Signs("registered"),
        f"{len(versions)}{sorted(aliases.items())}", model,
    )  # fmt: skip
    return Discovery(SERVER, (replace(found, digest="".join(versions) + str(sorted(aliases.items()))[:40]),))


def test_another_version_of_a_supplier_is_one_incident(world: World, folder: Path) -> None:
    of = declared(folder, **EXTERNAL)
    assert record_search(world.ledger, of, registered("1")).incidents == ()
    assert covered(world).rows[0].how == "the declaration names it as its supplier's registered model"
    record_search(world.ledger, of, registered("1", "2"))
    (said,) = record_search(world.ledger, of, registered("1", "2")).incidents
    assert "the newest is version 2 of 'churn'; declared is version 1" in said
    (incident,) = world.ledger.state().model("churn").open_incidents
    assert (incident.kind, incident.severity) == ("vendor_version", "act")
    assert record_search(world.ledger, of, Discovery(SERVER, ())).incidents
    assert len(world.ledger.state().model("churn").open_incidents) == 2, "it is no longer registered"


@pytest.mark.parametrize(
    ("registry", "search", "said"),
    [
        ({"alias": "live"}, registered("1", "2", live="1"), ""),
        ({"alias": "live"}, registered("1", "2", live="2"), "the alias 'live' is on version 2"),
        ({"alias": "live"}, registered("1"), "there is no alias 'live'"),
        ({"version": "2"}, registered("1", "2"), ""),
        ({}, registered(), "there is no version"),
    ],
)
def test_which_version_is_compared(world: World, folder: Path, registry: dict, search: Discovery, said: str) -> None:
    external = {**EXTERNAL["external"], "registry": {"tracking_uri": SERVER, "name": "churn", **registry}}
    of = declared(folder, origin="external", external=external)
    found = record_search(world.ledger, of, search).incidents
    assert [said in one for one in found] == ([True] if said else [])


def test_a_newer_version_of_an_imported_model_is_said(world: World, folder: Path) -> None:
    imported = {"artifact": "models:/churn/1", "tracking_uri": f"{SERVER}/", "supplier": "CRM", "sha256": "a" * 64}
    of = declared(folder, origin="imported", imported=imported)
    assert record_search(world.ledger, of, registered("1")).incidents == ()
    (said,) = record_search(world.ledger, of, registered("1", "2")).incidents
    assert "has registered version 2 of 'churn'; imported is version 1" in said
    assert covered(world).governed == 1
