"""Another person's data through the whole graph: nothing but a declaration and a table for each model."""

import json
from collections import Counter

import dagster as dg
import polars as pl
import pytest

from mlops_assets.cli import main
from mlops_assets.evidence.pages.event_text import EVENT_TEXTS, QUIET
from mlops_assets.governance.approvals import approval_state
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.champion import champion_state
from mlops_assets.release.reconciliation import reconcile
from mlops_assets.response.incidents import incidents
from mlops_assets_tests.integration.small_project import (
    FAULTY_COLUMN,
    FAULTY_WINDOW,
    MODELS,
    NUMBER,
    SNAPSHOT,
    TIMED,
    WINDOWS,
)

pytestmark = pytest.mark.integration


def verdicts(lived, model: str) -> dict[str, dict]:
    return {r.subject: r.body for r in lived.ledger.records(kind="health_verdict", model=model)}


def test_no_run_failed(lived):
    assert lived.failures == []


@pytest.mark.parametrize(("model", "version"), [(NUMBER, 1), (TIMED, 2), (SNAPSHOT, 1)])
def test_every_model_has_its_champion(lived, model, version):
    now = champion_state(lived.ledger, model)
    assert (now.status, now.champion) == ("active", version)
    assert lived.registry.aliases(model)["champion"] == version
    assert reconcile(lived.ledger, lived.registry, model) == []


@pytest.mark.parametrize("model", MODELS)
def test_every_version_has_a_card_and_evidence_in_mlflow(lived, model):
    for registration in lived.ledger.records(kind="version_registered", model=model):
        card = lived.ledger.latest("card_issued", model=model, subject=registration.subject)
        assert (lived.platform.home.root / card.body["path"] / "card.html").stat().st_size > 5000
        for name in ("candidates", "evaluation", "fairness", "explanations", "reference_profile"):
            assert lived.registry.evidence(registration.body["run_id"], name)


def test_the_registry_holds_no_pickle(lived):
    found = [p for p in lived.platform.home.mlflow.rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib")]
    assert found == []
    assert list(lived.platform.home.mlflow.rglob("*.skops"))


class TestWindows:
    def test_each_is_judged_once_and_in_order(self, lived):
        judged = [r.subject for r in lived.ledger.records(kind="health_verdict", model=TIMED)]
        assert tuple(judged) == WINDOWS
        assert lived.platform.lake.windows(f"{TIMED}/predictions") == list(WINDOWS)

    def test_a_model_to_which_nothing_happens_raises_no_alarm(self, lived):
        assert {v["severity"] for v in verdicts(lived, NUMBER).values()} == {"none"}
        assert incidents(lived.ledger.state(), NUMBER) == []

    def test_a_snapshot_has_none(self, lived):
        assert verdicts(lived, SNAPSHOT) == {}
        assert not lived.platform.lake.exists(f"{SNAPSHOT}/predictions")

    def test_a_broken_feed_names_its_column_and_trains_nothing(self, lived):
        verdict = verdicts(lived, TIMED)[FAULTY_WINDOW]
        assert verdict["kind"] == "data_quality"
        assert verdict["severity"] in ("act", "critical")
        assert verdict["columns"] == [FAULTY_COLUMN]
        assert "retrain" not in verdict["action"]
        opened = [i for i in incidents(lived.ledger.state(), TIMED) if i.kind == "data_quality"]
        assert [(i.window, i.columns, i.state) for i in opened] == [(FAULTY_WINDOW, (FAULTY_COLUMN,), "open")]
        asked = lived.ledger.records(kind="retraining_request", model=TIMED)
        assert FAULTY_WINDOW not in {r.body["window"] for r in asked}

    def test_the_window_after_the_fault_is_well_only_by_its_own_data(self, lived):
        kinds = {window: v["kind"] for window, v in verdicts(lived, TIMED).items()}
        assert kinds == {
            WINDOWS[0]: "none",
            WINDOWS[1]: "data_quality",
            WINDOWS[2]: "concept_drift",
            WINDOWS[3]: "concept_drift",
            WINDOWS[4]: "none",
        }

    def test_every_prediction_has_an_id_of_its_own(self, lived):
        said = lived.platform.lake.read(f"{TIMED}/predictions")
        assert said.height == 5 * 1500
        assert said["prediction_id"].n_unique() == said.height
        assert said["score"].is_between(0, 1).all()

    def test_the_fault_is_in_the_drift_report(self, lived):
        folder = lived.platform.home.reports / "windows" / TIMED
        assert json.loads((folder / FAULTY_WINDOW / "drift.json").read_text())["severity"] in ("act", "critical")


class TestRetraining:
    def test_a_changed_relation_is_answered_by_one_version(self, lived):
        (request,) = lived.ledger.records(kind="retraining_request", model=TIMED)
        assert request.body["kind"] == "concept_drift"
        second = lived.ledger.latest("version_registered", model=TIMED, subject="2")
        assert second.body["request"] == request.subject
        (closed,) = lived.ledger.records(kind="retraining_closed", model=TIMED)
        assert (closed.subject, closed.body["outcome"], int(closed.body["version"])) == (request.subject, "promoted", 2)

    def test_it_was_seen_in_shadow_before_it_decided(self, lived):
        scored = {r.subject: r.body for r in lived.ledger.records(kind="window_scored", model=TIMED)}
        assert [(w, scored[w]["version"], scored[w]["challenger"]) for w in WINDOWS[2:]] == [
            (WINDOWS[2], 1, None),
            (WINDOWS[3], 1, 2),
            (WINDOWS[4], 2, None),
        ]
        beside = lived.platform.lake.read(f"{TIMED}/predictions", window=WINDOWS[3])
        assert beside["beside_score"].null_count() == 0
        assert beside["beside_version"].unique().to_list() == [2]

    def test_it_was_trained_on_the_rows_that_the_request_names(self, lived):
        first, second = lived.ledger.records(kind="snapshot_taken", model=TIMED)
        assert (first.body["since"], first.body["until"]) == ("2020-12-01", "2021-01-01")
        assert (second.body["since"], second.body["until"]) == ("2021-03-01", "2021-04-01")
        read = lived.platform.lake.read(second.body["table"], version=second.body["delta_version"])
        assert read.height == second.body["rows"] == 1500

    def test_each_promotion_rests_on_signatures_that_stand(self, lived):
        policy = lived.platform.policy(TIMED)
        for version in (1, 2):
            approved = approval_state(lived.ledger.state(), policy, TIMED, version)
            assert approved.status == "approved"
            assert {role for _, role, _ in approved.counted} == {"validator", "model-risk"}
        assert audit_promotions(lived.ledger) == []


def test_everything_that_is_stored_is_what_was_recorded(lived, capsys):
    with pytest.raises(SystemExit) as left:
        main(["--project", str(lived.platform.project.root), "verify"])
    assert left.value.code == 0, capsys.readouterr().out


def test_the_command_line_shows_the_same_history(lived, capsys):
    with pytest.raises(SystemExit) as left:
        main(["--project", str(lived.platform.project.root), "status", "--json"])
    assert left.value.code == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(MODELS)
    assert [int(rows[m]["champion"]) for m in (NUMBER, TIMED, SNAPSHOT)] == [1, 2, 1]
    timed = rows[TIMED]
    assert (timed["tier"], timed["owner"], timed["window"]) == ("medium", "team:receivables", WINDOWS[-1])
    assert (timed["severity"], timed["kind"]) == ("none", "none")
    assert timed["open_incidents"]


def test_dagster_shows_the_same_history(lived):
    instance = dg.DagsterInstance.from_config(str(lived.platform.home.dagster))
    key = dg.AssetKey([TIMED, "health"])
    assert set(instance.get_materialized_partitions(key)) == set(WINDOWS)
    event = instance.get_latest_materialization_event(dg.AssetKey([TIMED, "champion"]))
    assert event.asset_materialization.metadata["version"].value == 2
    statuses = Counter(run.status for run in instance.get_runs())
    assert set(statuses) == {dg.DagsterRunStatus.SUCCESS}


def test_the_fleet_page_names_models_and_incidents(lived):
    page = (lived.platform.home.reports / "fleet.html").read_text(encoding="utf-8")
    for model in MODELS:
        assert model in page
    assert "data quality" in page.replace("_", " ")
    rows = json.loads((lived.platform.home.reports / "inventory.json").read_text(encoding="utf-8"))["models"]
    assert {row["model"]: int(row["champion"]) for row in rows} == {NUMBER: 1, TIMED: 2, SNAPSHOT: 1}


def test_rows_that_break_no_rule_are_not_lost(lived):
    quarantined = [r.body["quarantined"] for r in lived.ledger.records(kind="window_scored")]
    rows = sum(r.body["rows"] for r in lived.ledger.records(kind="window_scored", model=TIMED))
    assert set(quarantined) == {0}
    assert rows == 5 * 1500


def footprint(lived) -> dict[str, object]:
    """Everything that a second run could write twice."""
    lake = lived.platform.lake
    tables = sorted(str(p.parent.relative_to(lake.root)) for p in lake.root.rglob("_delta_log"))
    return {
        "records": [(r.kind, r.model, r.subject, r.digest) for r in lived.ledger.records()],
        "versions": {m: list(lived.registry.versions(m)) for m in MODELS},
        "aliases": {m: lived.registry.aliases(m) for m in MODELS},
        "tables": {t: lake.latest_version(t) for t in tables},
        "rows": {t: lake.scan(t).select(pl.len()).collect().item() for t in tables},
        "incidents": [(i.id, i.state) for i in incidents(lived.ledger.state())],
    }


def test_run_again_it_writes_nothing_twice(lived):
    before = footprint(lived)
    again = lived.again()
    assert again.failures == []
    assert footprint(again) == before


def test_each_kind_of_record_has_a_sentence_or_a_table_of_its_own(lived):
    kinds = {record.kind for record in lived.ledger.records()}
    assert len(kinds) > 10
    assert kinds <= {event.KIND for event in (*EVENT_TEXTS, *QUIET, GateDecided)}


def test_pages_load_nothing_from_elsewhere(lived):
    """A page that is opened in a browser must not ask the network for a style or a script."""
    reports = lived.platform.home.reports
    outside = {}
    for page in [reports / "fleet.html", *reports.rglob("card.html")]:
        text = page.read_text(encoding="utf-8")
        found = [
            tag
            for tag in ('src="http', "src='http", '<link rel="stylesheet" href="http', "@import url(http")
            if tag in text
        ]
        if found:
            outside[str(page.relative_to(reports))] = found
    assert outside == {}
    assert json.loads((reports / "inventory.json").read_text(encoding="utf-8"))["models"]
