"""A vendor's model from the first delivery to the incident of its unannounced version."""

import sys
from datetime import date

import numpy as np
import polars as pl
import pytest

from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.governance.decisions import standing
from mlops_assets.inspection.lookup import prediction_row
from mlops_assets.inspection.packets import make_packet
from mlops_assets.inspection.replay import replay_version
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
                }
            )
        )
    return pl.concat(found)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    root = tmp_path_factory.mktemp("vendor")
    sys.path.insert(0, str(root))
    defs = write_project(root, "parcel_kind")
    (defs / "models" / "parcel_kind" / "defs.yaml").unlink()
    deliveries().write_csv(root / "data" / "vendor.csv")
    declare(defs, MODEL, DECLARATION)
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
