"""What monitoring learned while the small project lived: records of estimates, what drives the scores, groups, rules."""

import json

import pytest

from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages import reference
from mlops_assets.pipeline.stages.data import PART, feature_rows
from mlops_assets.pipeline.stages.decisions import current_snapshot
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


def evidence(lived, window: str, name: str, model: str = TIMED) -> dict:
    path = lived.platform.home.reports / "windows" / model / window / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_version_keeps_what_drives_its_scores(lived):
    for model in MODELS:
        for registration in lived.ledger.records(kind="version_registered", model=model):
            kept = lived.registry.evidence(registration.body["run_id"], "reference_attribution")
            assert set(kept["features"]) == set(lived.platform.project.declaration(model).features)
            assert max(kept["values"]) > 0


def test_a_feature_that_went_missing_drives_less_and_the_verdict_says_so(lived):
    found = evidence(lived, FAULTY_WINDOW, "drift")["attribution"]
    (amount,) = [f for f in found["features"] if f["feature"] == FAULTY_COLUMN]
    assert amount["window_share"] < amount["reference_share"]
    assert FAULTY_COLUMN in found["changed"]
    verdicts = {r.subject: r.body for r in lived.ledger.records(kind="health_verdict", model=TIMED)}
    assert FAULTY_COLUMN in verdicts[FAULTY_WINDOW]["drivers"]
    assert verdicts[WINDOWS[0]]["drivers"] == ""


def test_nothing_drives_the_scores_otherwise_where_nothing_happened(lived):
    for window in ("2021-01-01", "2021-04-01"):
        assert evidence(lived, window, "drift", NUMBER)["attribution"]["changed"] == []


def test_each_window_adds_to_the_record_of_the_estimates(lived):
    for model in (TIMED, NUMBER):
        checked = lived.ledger.records(kind="estimate_checked", model=model)
        judged = {r.subject for r in lived.ledger.records(kind="health_verdict", model=model)}
        assert {r.subject for r in checked} == judged
    first, second = (evidence(lived, w, "performance", NUMBER)["estimate_record"] for w in ("2021-01-01", "2021-04-01"))
    assert first["reason"] == "no estimate has met its outcomes yet"
    assert second["reason"].startswith("of 1 estimates of r2 1 held the truth")


def test_an_estimate_abstains_where_the_inputs_were_broken(lived):
    bodies = {r.subject: r.body for r in lived.ledger.records(kind="estimate_checked", model=TIMED)}
    assert bodies[FAULTY_WINDOW]["abstained"]
    assert "inputs are out of what the model was calibrated on" in bodies[FAULTY_WINDOW]["reason"]
    assert bodies[FAULTY_WINDOW]["checked"] == []


def test_groups_in_production_have_sizes_intervals_and_what_would_have_been_seen(lived):
    found = evidence(lived, WINDOWS[0], "performance")["performance"]
    assert sum(g["n"] for a in found["fairness"]["attributes"] for g in a["groups"]) == found["n"]
    changes = [g for g in found["group_changes"] if g["measure"] == "selection_rate"]
    assert changes
    for change in changes:
        assert change["low"] <= change["change"] <= change["high"]
        assert change["smallest_detectable"] > 0
    assert not [i for i in incidents(lived.ledger.state()) if i.kind == "fairness"]


def test_verdicts_and_incidents_name_the_rule_that_raised_them(lived):
    verdicts = {r.subject: r.body for r in lived.ledger.records(kind="health_verdict", model=TIMED)}
    assert verdicts[FAULTY_WINDOW]["alarm_rules"] == ["missing_values"]
    assert verdicts[WINDOWS[0]]["alarm_rules"] == []
    rules = {i.kind: i.rule for i in incidents(lived.ledger.state(), TIMED)}
    assert rules["data_quality"] == "missing_values"
    assert "ranking" in rules["concept_drift"]


def test_rows_that_were_fitted_on_are_refused_in_the_reference(lived, monkeypatch):
    platform = lived.platform
    declaration = platform.project.declaration(SNAPSHOT)
    context = StageContext(platform, declaration, platform.policy(SNAPSHOT), run_id="a test")

    def flattering(platform, snapshot, part: str | None = None):
        return feature_rows(platform, snapshot, "fit" if part == "holdout" else part)

    assert PART in feature_rows(platform, current_snapshot(platform.ledger, declaration, None)).columns
    monkeypatch.setattr(reference, "feature_rows", flattering)
    with pytest.raises(ValueError, match="rows that the model was fitted on"):
        reference.reference_profile(context)
