"""The lineage in OpenLineage's terms: every event is one, and datasets join the jobs of a model into one chain."""

import json
import uuid
from dataclasses import replace
from datetime import datetime

import pytest

from mlops_assets.evidence.openlineage import events, text_of
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import HealthVerdict, WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.life import MODEL, Life

DATA, AGAIN = "d" * 64, "e" * 64
VERDICT = HealthVerdict.model_validate(
    {
        "window_end": "2004-04-01", "severity": "none", "kind": "none", "reasons": (), "version": "1",
        "policy_digest": "b" * 64,
    }
)  # fmt: skip
STEP = champion.LadderStep(step="champion", reason="nothing to climb")


@pytest.fixture
def history(life: Life) -> Ledger:
    """Two versions on two snapshots; the first is champion and scores a window, twice."""
    for version, data in (("1", DATA), ("2", AGAIN)):
        taken = life.write(snapshot(100), data)
        life.register(version, data_digest=data, snapshot_record=taken.seq)
        life.decide(version, "leakage")
        life.decide(version, "fairness", "not_measurable")
        if version == "1":
            life.promote("1", None)
    life.write(WindowScored(version=1, rows=50, source_digest="s1", predictions_digest="p1"), "2004-01-01")
    life.write(VERDICT, "2004-01-01")
    life.write(WindowScored(version=1, rows=51, source_digest="s2", predictions_digest="p2"), "2004-01-01")
    life.incident("i-1", summary="no run of its own")
    replace(life, model="another").write(snapshot(1), "f" * 64)
    return life.ledger


def snapshot(rows: int) -> SnapshotTaken:
    return SnapshotTaken(
        rows=rows, quarantined=0, table="t", ordered_by="id", delta_version=1, declaration_digest="d" * 64
    )


def written(ledger: Ledger, version: str | None = None) -> list[dict]:
    return events(ledger, MODEL, version)


def completed(ledger: Ledger, job: str, version: str | None = None) -> list[dict]:
    return [
        e for e in written(ledger, version) if e["eventType"] == "COMPLETE" and e["job"]["name"] == f"{MODEL}.{job}"
    ]


def version_of(dataset: dict) -> str:
    return dataset["facets"]["version"]["datasetVersion"]


def test_each_run_starts_and_completes_once_with_what_an_event_must_hold(history: Ledger) -> None:
    runs: dict[str, list[str]] = {}
    for event in written(history):
        runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
        assert uuid.UUID(event["run"]["runId"])
        assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert event["producer"].startswith("urn:x-mlops-assets:")
        assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
        for dataset in [*event["inputs"], *event["outputs"]]:
            assert dataset["namespace"]
            assert dataset["name"]
    assert len(runs) == 8
    assert set(map(tuple, runs.values())) == {("START", "COMPLETE")}


def test_every_facet_names_its_producer_and_schema(history: Ledger) -> None:
    def facets(value: object):
        if isinstance(value, dict):
            for key, part in value.items():
                if key in ("facets", "inputFacets", "outputFacets"):
                    yield from part.values()
                yield from facets(part)
        elif isinstance(value, list):
            for part in value:
                yield from facets(part)

    found = list(facets(written(history)))
    assert found
    assert all({"_producer", "_schemaURL"} <= set(facet) for facet in found)


def test_outputs_of_one_job_are_inputs_of_the_next(history: Ledger) -> None:
    snapshot, trained, promoted, scored, judged = (
        completed(history, job, "1")[0] for job in ("training_data", "challenger", "champion", "predictions", "health")
    )
    assert snapshot["inputs"][0]["name"] == "source/data/sba_loans"
    for before, after, place in (
        (snapshot, trained, 0),
        (trained, promoted, 0),
        (promoted, scored, 1),
        (scored, judged, 0),
    ):
        made, used = before["outputs"][0], after["inputs"][place]
        assert (made["name"], version_of(made)) == (used["name"], version_of(used))


def test_a_verdict_rests_on_the_scoring_before_it(history: Ledger) -> None:
    assert version_of(completed(history, "health")[0]["inputs"][0]) == "p1"


def test_one_version_alone_leaves_the_others_out(history: Ledger) -> None:
    only = written(history, "2")
    assert [e["job"]["name"] for e in only if e["eventType"] == "COMPLETE"] == [
        f"{MODEL}.training_data",
        f"{MODEL}.challenger",
    ]
    assert version_of(completed(history, "training_data", "2")[0]["outputs"][0]) == AGAIN
    assert written(history, "9") == []


def test_gates_are_assertions_on_what_was_promoted_and_not_measurable_is_no_success(history: Ledger) -> None:
    checks = completed(history, "champion")[0]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {c["assertion"]: c["success"] for c in checks} == {"leakage": True, "fairness": False}


def test_rows_columns_and_the_window_are_written(history: Ledger) -> None:
    table = completed(history, "training_data", "1")[0]["outputs"][0]
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 100
    assert "employees" in {f["name"] for f in table["facets"]["schema"]["fields"]}
    window = completed(history, "predictions")[0]["run"]["facets"]["nominalTime"]
    assert (window["nominalStartTime"][:10], window["nominalEndTime"][:10]) == ("2004-01-01", "2004-04-01")


def test_the_same_ledger_gives_the_same_events_and_a_line_each(history: Ledger) -> None:
    assert written(history) == written(history)
    lines = text_of(written(history)).splitlines()
    assert [json.loads(line) for line in lines] == written(history)


def test_records_without_their_declaration_are_written_as_far_as_they_go(life: Life) -> None:
    life.register("1", declaration={})
    life.promote("1", None)
    assert [e["job"] for e in written(life.ledger)[1::2]] == [
        {"namespace": "mlops_assets", "name": f"{MODEL}.challenger"},
        {"namespace": "mlops_assets", "name": f"{MODEL}.champion"},
    ]


def test_a_promotion_that_does_not_count_is_no_run(life: Life) -> None:
    life.write(champion.Promotion(former=None, policy_digest="b" * 64, policy={}, ladder=STEP), "7")
    assert written(life.ledger) == []
