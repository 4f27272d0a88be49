"""Models that are not trained here: a vendor's from the first delivery to the incident of its unannounced version, and another
team's file from its import to the change that asks that team."""

import hashlib
import sys
from datetime import date

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.outcome_source import NO_ROW
from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.governance.decisions import standing
from mlops_assets.inspection.lake_check import lake_problems
from mlops_assets.inspection.lookup import prediction_row
from mlops_assets.inspection.packets import make_packet
from mlops_assets.inspection.recorded_tables import ChangedRows
from mlops_assets.inspection.replay import replay_prediction, replay_version
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.window_results import OUTCOMES as WINDOW_OUTCOMES
from mlops_assets.pipeline.stages.data import rows_without_outcome
from mlops_assets.pipeline.training_results import REFERENCE_PROFILE
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.model_files import ModelFileError
from mlops_assets_tests.integration.lives import live
from mlops_assets_tests.integration.small_project import declare, write_project

pytestmark = pytest.mark.integration
MODEL = "card_default"
DECLARATION = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: Probability that a card account defaults, as the vendor scores it.
  owner: team:cards
  developers: [developer]
  tier: low
  task: binary
  origin: external
  external:
    score: vendor_score
    decision: said
    decision_positive: DECLINE
    version_column: by
    version: "4.2"
    prediction_id: request
    supplier: Example Scores plc
  source: {path: data/vendor.csv}
  id: application
  event_time: decided_on
  target: defaulted
  features: {income: numeric, late: numeric}
  training: {until: 2021-01-01}
  monitoring: {cadence: month, end: 2021-03-01}
"""
SELECTIVE = "card_approved"
"""The same predictions; outcomes have a table of their own and are known of approved applicants alone."""
OUTCOMES = """\
  outcomes:
    source: {path: data/outcomes.csv}
    recorded_at: reported
    withdrawn: {column: status, values: [withdrawn]}
    selective: Only approved applicants have outcomes.
"""


IMPORTED = "card_loss"


def imported(sha256):
    """The declaration of a model that another team trained, on the same table; its outcome changes from 2021 on."""
    lines = DECLARATION.replace("defaults, as the vendor scores it", "is lost, as the group's model says").splitlines()
    first, last = lines.index("  external:"), lines.index("  source: {path: data/vendor.csv}")
    facts = f"{{artifact: group.skops, supplier: Group risk analytics, sha256: {sha256}, trained_until: 2020-12-08}}"
    text = "\n".join([*lines[:first], f"  imported: {facts}", *lines[last:], ""])
    # It takes no missing values, and a robustness probe would find that.
    text = text.replace(
        "{income: numeric, late: numeric}", "{income: &full {role: numeric, nullable: false}, late: *full}"
    )
    return text.replace("origin: external", "origin: imported").replace("target: defaulted", "target: lost")


def group_model(table):
    """A file of scikit-learn's kind, fitted elsewhere on the first week."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    known = table.filter(pl.col("decided_on") < date(2020, 12, 8)).to_pandas()
    return skops.io.dumps(LogisticRegression().fit(known[["late", "income"]], known["lost"]))


def deliveries(rows=700):
    generator = np.random.default_rng(4)
    months = [(date(2020, 12, 1), "4.2"), (date(2021, 1, 1), "4.2"), (date(2021, 2, 1), "4.3")]
    found = []
    for start, version in months:
        income, late = generator.normal(0, 1, rows), generator.poisson(0.5, rows)
        p = 1 / (1 + np.exp(1.2 - 1.1 * late + income))
        given = p if version == "4.2" else 1 - p
        found.append(
            pl.DataFrame(
                {
                    "application": [f"{start:%m}-{i}" for i in range(rows)],
                    "decided_on": [start.replace(day=int(d)) for d in generator.integers(1, 28, rows)],
                    "income": income,
                    "late": late,
                    "vendor_score": given,
                    "said": np.where(given >= 0.4, "DECLINE", "APPROVE"),
                    "by": version,
                    "request": [f"req-{start:%m}-{i}" for i in range(rows)],
                    "defaulted": (generator.random(rows) < p).astype(int),
                    "lost": (generator.random(rows) < (p if start.year == 2020 else 1 - p)).astype(int),
                }
            )
        )
    return pl.concat(found)


def outcomes_of_approved(delivered):
    """Reports of outcomes: one corrected, one withdrawn, and one about nobody."""
    found = delivered.filter(pl.col("said") == "APPROVE").select(
        "application", "defaulted", reported=pl.lit("2021-04-01"), status=pl.lit("known")
    )
    first, second = found["application"][0], found["application"][1]
    further = pl.DataFrame(
        {
            "application": [first, second, "nobody"],
            "defaulted": [1 - found["defaulted"][0], None, 1],
            "reported": ["2021-05-01"] * 3,
            "status": ["known", "withdrawn", "known"],
        },
        schema_overrides={"defaulted": found.schema["defaulted"]},
    )
    return pl.concat([found, further])


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    root = tmp_path_factory.mktemp("vendor")
    sys.path.insert(0, str(root))
    defs = write_project(root, "parcel_kind")
    (defs / "models" / "parcel_kind" / "defs.yaml").unlink()
    delivered = deliveries()
    delivered.write_csv(root / "data" / "vendor.csv")
    declare(defs, MODEL, DECLARATION)
    delivered.drop("defaulted").write_csv(root / "data" / "inputs.csv")
    outcomes_of_approved(delivered).write_csv(root / "data" / "outcomes.csv")
    declare(defs, SELECTIVE, DECLARATION.replace("vendor.csv", "inputs.csv") + OUTCOMES)
    (root / "group.skops").write_bytes(content := group_model(delivered))
    declare(defs, IMPORTED, imported(hashlib.sha256(content).hexdigest()))
    yield live(defs)
    sys.path.remove(str(root))


def test_it_becomes_champion_with_every_gate_on_record(vendor):
    state = vendor.ledger.state().model(MODEL)
    assert not vendor.failures
    assert state.champion.deciding == 1
    gates = {g.gate: g for g in standing(state, 1, vendor.platform.policy(MODEL)).gates}
    assert {g for g, one in gates.items() if one.state == "not_applicable"} >= {"robustness", "parity", "artifact"}
    assert all(one.reason for one in gates.values())
    assert gates["performance"].state == "passed"
    assert state.version(1).registration.event.threshold == pytest.approx(0.4, abs=0.02)


def test_a_version_that_was_not_announced_opens_one_incident(vendor):
    incidents = [i for i in vendor.ledger.state().model(MODEL).incidents.values() if i.kind == "vendor_version"]
    assert [i.window for i in incidents] == ["2021-02-01"]
    assert "700 of 700 rows" in incidents[0].summary
    assert "'4.3'" in incidents[0].summary
    verdict = vendor.ledger.state().model(MODEL).window_verdicts["2021-02-01"]
    assert verdict.kind == "concept_drift"


def test_nobody_is_asked_to_train_it_again(vendor):
    assert not vendor.ledger.state().model(MODEL).requests


def test_a_prediction_is_traced_to_what_the_supplier_said(vendor):
    rows = vendor.platform.lake.read(f"{MODEL}/predictions", window="2021-02-01")
    found = prediction_row(vendor.platform, rows["prediction_id"][0])
    assert found["supplier"] == "Example Scores plc"
    assert found["given"]["version"] == "4.3"
    assert found["given"]["prediction_id"].startswith("req-02-")
    assert found["prediction"] == (found["given"]["decision"] == "DECLINE")


def test_its_packet_is_intact(vendor, tmp_path):
    make_packet(vendor.platform, MODEL, 1, tmp_path / "packet.zip")
    found = verify(tmp_path / "packet.zip")
    assert found["ok"], found


def test_the_version_can_be_made_again_from_its_record(vendor):
    assert replay_version(vendor.platform, MODEL, 1)["equal"]


def test_windows_are_compared_with_applicants_who_can_have_no_outcome_as_well(vendor):
    state = vendor.ledger.state().model(SELECTIVE)
    taken = vendor.ledger.of(SnapshotTaken, model=SELECTIVE)[-1]
    without = taken.event.without_outcome
    # Two of December's approved applicants: one has another outcome now, and one has none.
    declined = deliveries().filter(pl.col("application").str.starts_with("12-"), pl.col("said") == "DECLINE").height
    assert without.rows == declined + 1 == taken.event.account["without_outcome"]
    assert taken.event.rows == 700 - without.rows
    assert taken.event.quarantined == 0
    quiet = state.window_verdicts["2021-01-01"]
    assert quiet.severity == "none", quiet
    performance = vendor.platform.version_results(state.version(1).registration.event.run_id).read(REFERENCE_PROFILE)
    assert performance.rows == performance.columns[SCORE_COLUMN].rows == 700
    assert performance.columns["defaulted"].rows == taken.event.rows


def test_rows_without_an_outcome_that_were_changed_are_not_used(vendor, monkeypatch):
    taken, lake = vendor.ledger.of(SnapshotTaken, model=SELECTIVE)[-1], vendor.platform.lake
    kept = rows_without_outcome(vendor.platform, taken)
    assert kept.height == taken.event.without_outcome.rows
    assert not list(lake_problems(vendor.platform))
    table, scan = taken.event.without_outcome.table, Lake.scan
    changed = lake.read(table, salted=True).with_columns(pl.col("income") + 1).lazy()
    monkeypatch.setattr(Lake, "scan", lambda lake, name, **how: changed if name == table else scan(lake, name, **how))
    with pytest.raises(ChangedRows, match=f"materialize {SELECTIVE}/training_data again"):
        rows_without_outcome(vendor.platform, taken)
    assert [table in problem["what"] for problem in lake_problems(vendor.platform)] == [True]


def test_reports_of_outcomes_are_each_in_one_place(vendor):
    kept = vendor.platform.window_results(SELECTIVE, "2021-01-01").read(WINDOW_OUTCOMES).reports
    assert {place: count for place, count in kept["places"].items() if place not in ("counts", "superseded")} == {
        "open": 0, "repeated": 0, "withdrawn": 1, "quarantined": 1,
    }  # fmt: skip
    assert kept["reasons"] == {NO_ROW: 1}


def test_an_imported_model_becomes_champion_with_every_gate_but_its_training(vendor):
    state = vendor.ledger.state().model(IMPORTED)
    gates = {g.gate: g.state for g in standing(state, 1, vendor.platform.policy(IMPORTED)).gates}
    assert [gate for gate, found in gates.items() if found == "not_applicable"] == ["stability"]
    assert {gates[name] for name in ("artifact", "parity", "performance", "robustness", "cost")} == {"passed"}
    assert state.champion.deciding == 1
    assert state.version(1).registration.event.algorithm == "imported_skops"


def test_a_change_asks_those_who_trained_it(vendor):
    model = vendor.ledger.state().model(IMPORTED)
    incident = next(i for i in model.incidents.values() if i.kind == "concept_drift")
    assert incident.summary.endswith(
        "Nobody here can train it again: ask Group risk analytics for another version, or replace or stop the model."
    )
    verdict = vendor.ledger.latest_of(HealthVerdict, model=IMPORTED, subject="2021-02-01")
    assert verdict.event.action == ("incident",)
    assert not model.requests


def test_its_predictions_and_its_file_are_on_record(vendor, tmp_path):
    rows = vendor.platform.lake.read(f"{IMPORTED}/predictions", window="2021-01-01")
    found = prediction_row(vendor.platform, rows["prediction_id"][0])
    sha256 = hashlib.sha256((vendor.platform.project.root / "group.skops").read_bytes()).hexdigest()
    assert found["imported"] == {"artifact": "group.skops", "version": "", "sha256": sha256}
    assert replay_prediction(vendor.platform, rows["prediction_id"][0])["equal"]
    assert replay_version(vendor.platform, IMPORTED, 1)["equal"]
    make_packet(vendor.platform, IMPORTED, 1, tmp_path / "packet.zip")
    assert verify(tmp_path / "packet.zip")["ok"]


def test_a_changed_file_is_not_used_and_what_was_imported_still_scores(vendor):
    path = vendor.platform.project.root / "group.skops"
    content = path.read_bytes()
    path.write_bytes(group_model(deliveries(600)))
    try:
        with pytest.raises(ModelFileError, match="changed or exchanged, and is not used"):
            replay_version(vendor.platform, IMPORTED, 1)
        rows = vendor.platform.lake.read(f"{IMPORTED}/predictions", window="2021-01-01")
        assert replay_prediction(vendor.platform, rows["prediction_id"][0])["equal"]
    finally:
        path.write_bytes(content)
